# tests/daemon.mk: the daemon's modules and the daemon whole
#
# Pattern (names are paths from the top; never set _CFLAGS, it would drop the warnings):
#   check_PROGRAMS += tests/test_x
#   TESTS          += tests/test_x          (scripts: tests/x.sh, tests/x.py, also to EXTRA_DIST)
#   tests_test_x_SOURCES  = tests/test_x.c
#   tests_test_x_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS)      (only for a foreign header)
#   tests_test_x_LDADD    = $(EDX_DAEMON) $(CMOCKA_LIBS)
# LDADD sets: $(EDX_PROTO) $(EDX_ANALYSIS) $(EDX_DAEMON) $(EDX_INSTRUMENT) $(EDX_CLIENT).
# Environment of a test: EDX_SRCDIR EDX_BUILDDIR EDX_DATA EDX_PYTHON (empty: skip with 77).

check_PROGRAMS += tests/test_spans tests/test_acquisition tests/test_config tests/test_journal \
	tests/test_intake tests/test_analyst
TESTS          += tests/test_spans tests/test_acquisition tests/test_config tests/test_journal \
	tests/test_intake tests/test_analyst

tests_test_spans_SOURCES       = tests/test_spans.c tests/messages.c tests/messages.h \
	$(JSON_VALUE)
tests_test_spans_CPPFLAGS      = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_spans_LDADD         = $(EDX_DAEMON) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_spans_LDFLAGS       = $(AM_LDFLAGS) $(WRAP_ALLOC)
tests_test_acquisition_SOURCES = tests/test_acquisition.c tests/messages.c tests/messages.h \
	$(JSON_VALUE)
tests_test_acquisition_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_acquisition_LDADD   = $(EDX_DAEMON) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_acquisition_LDFLAGS = $(AM_LDFLAGS) $(WRAP_ALLOC)
tests_test_config_SOURCES      = tests/test_config.c $(JSON_VALUE)
tests_test_config_CPPFLAGS     = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_config_LDADD        = $(EDX_DAEMON) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_journal_SOURCES     = tests/test_journal.c
tests_test_journal_LDADD       = $(EDX_DAEMON) $(CMOCKA_LIBS) -lm
tests_test_journal_LDFLAGS     = $(AM_LDFLAGS) -Wl,--wrap=fdatasync,--wrap=faccessat,--wrap=pwritev
tests_test_intake_SOURCES      = tests/test_intake.c
tests_test_intake_LDADD        = $(EDX_DAEMON) $(CMOCKA_LIBS) -lm
tests_test_intake_LDFLAGS      = $(AM_LDFLAGS) -Wl,--wrap=fdatasync,--wrap=pwritev,--wrap=mkdirat
tests_test_analyst_SOURCES     = tests/test_analyst.c
tests_test_analyst_LDADD       = $(EDX_DAEMON) $(CMOCKA_LIBS) -lm
tests_test_analyst_LDFLAGS     = $(AM_LDFLAGS) -Wl,--wrap=edx_scaled_overlap

# edxd itself, with instruments and clients in Python: tests/daemon/harness.py
DAEMON_LIVE = tests/daemon_streams.py tests/daemon_control.py tests/daemon_router.py \
	tests/daemon_malformed.py tests/daemon_offline.py tests/mpi.py
TESTS      += $(DAEMON_LIVE)
EXTRA_DIST += $(DAEMON_LIVE) tests/daemon/harness.py tests/daemon/judge.py
