# tests/libedx.mk: what is installed: the public library, and the packages

check_PROGRAMS += tests/libedx_use
tests_libedx_use_SOURCES  = tests/libedx_use.c
tests_libedx_use_CPPFLAGS = -I$(top_srcdir)/lib
tests_libedx_use_LDADD    = libedx.la
tests_libedx_use_LDFLAGS  = $(AM_LDFLAGS) -no-install

TESTS      += tests/libedx.py
EXTRA_DIST += tests/libedx.py tests/packages.sh

# The Debian packages, built, installed and removed: minutes, as root; see tests/packages.sh.
PHONY_TARGETS += package-check
package-check:
	$(AM_TESTS_ENVIRONMENT) $(SH_LOG_COMPILER) $(srcdir)/tests/packages.sh
