# Scripts, and make lint, make fuzz, make coverage.
EXTRA_DIST += tools/setup tools/lint tools/fuzz tools/coverage tools/tally tools/demo_result.py \
	check.sh demo.sh .ci/run .clang-format .clang-tidy tests/.clang-tidy bench/.clang-tidy

PHONY_TARGETS += lint fuzz coverage

LINT_CPPFLAGS = -I. -Ilib '-DPACKAGE_VERSION="$(VERSION)"' $(AM_CPPFLAGS) $(MSGPACK_CFLAGS) $(ZMQ_CFLAGS) $(CZMQ_CFLAGS) \
	$(HDF5_CFLAGS) $(LIBCONFIG_CFLAGS) $(SYSTEMD_CFLAGS) $(XRL_CFLAGS) $(BLAS_CFLAGS) $(FFTW_CFLAGS) $(JANSSON_CFLAGS) \
	$(NCURSES_CFLAGS) $(CAIRO_CFLAGS) $(CMOCKA_CFLAGS) $(WEB_CFLAGS) $(MPI_CFLAGS) $(EDX_WEBDIR) \
	$(EDX_BUILT_FLAGS) '-DEDX_LIBRARIES=""'

lint:
	@$(top_srcdir)/tools/lint $(abs_top_builddir) $(LINT_CPPFLAGS)

# In a tree configured with --enable-fuzzing this runs each target for FUZZ_SECONDS; any other tree
# configures and builds such a tree in fuzz/ below itself first.
FUZZ_SECONDS = 60
fuzz:
	@$(top_srcdir)/tools/fuzz $(abs_top_builddir) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

coverage:
	@$(top_srcdir)/tools/coverage $(abs_top_builddir)
