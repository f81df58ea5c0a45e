# EDX_COMPILE_FLAGS(VARIABLE, FLAGS): append each flag the compiler takes.
AC_DEFUN([EDX_COMPILE_FLAGS],
         [m4_foreach_w([edx_flag], [$2],
           [AX_CHECK_COMPILE_FLAG(edx_flag, [AS_VAR_APPEND([$1], [" edx_flag"])], [], [-Werror])])])

# EDX_LINK_FLAGS(VARIABLE, FLAGS): append each flag the linker takes.
AC_DEFUN([EDX_LINK_FLAGS],
         [m4_foreach_w([edx_flag], [$2],
           [AX_CHECK_LINK_FLAG(m4_quote(edx_flag), [AS_VAR_APPEND([$1], [" edx_flag"])], [],
                               [-Werror])])])

# EDX_LIBRARY(VARIABLE, NAME, MODULE): set VARIABLE to "NAME version" of a pkg-config module.
AC_DEFUN([EDX_LIBRARY],
         [AC_SUBST([$1], ["$2 $($PKG_CONFIG --modversion $3 2>/dev/null | $SED "s/-$//")"])])

# EDX_PYTHON_FOR_TESTS: set EDX_PYTHON to a Python that has what the tests import, or to nothing.
AC_DEFUN([EDX_PYTHON_FOR_TESTS], [
  AC_ARG_VAR([EDX_PYTHON], [Python with hyperspy, h5py, zmq and msgpack, for tests])
  AC_CACHE_CHECK([for a Python with hyperspy, h5py, zmq and msgpack], [edx_cv_python], [
    edx_cv_python=none
    for edx_python in "$EDX_PYTHON" /usr/bin/python3 python3; do
      test -n "$edx_python" || continue
      if $edx_python -c 'import hyperspy.api, h5py, zmq, msgpack' >&AS_MESSAGE_LOG_FD 2>&1; then
        edx_cv_python=$edx_python
        break
      fi
    done])
  AS_IF([test "$edx_cv_python" = none], [EDX_PYTHON=], [EDX_PYTHON=$edx_cv_python])])
