# tests/libedx.mk: the public library, as an installed one is used

check_PROGRAMS += tests/libedx_use
tests_libedx_use_SOURCES  = tests/libedx_use.c
tests_libedx_use_CPPFLAGS = -I$(top_srcdir)/lib
tests_libedx_use_LDADD    = libedx.la
tests_libedx_use_LDFLAGS  = $(AM_LDFLAGS) -no-install

TESTS      += tests/libedx.py
EXTRA_DIST += tests/libedx.py
