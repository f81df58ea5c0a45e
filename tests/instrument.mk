# tests/instrument.mk: simulator and replay
#
# Pattern (names are paths from the top; never set _CFLAGS, it would drop the warnings):
#   check_PROGRAMS += tests/test_x
#   TESTS          += tests/test_x          (scripts: tests/x.sh, tests/x.py, also to EXTRA_DIST)
#   tests_test_x_SOURCES  = tests/test_x.c
#   tests_test_x_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS)      (only for a foreign header)
#   tests_test_x_LDADD    = $(EDX_INSTRUMENT) $(CMOCKA_LIBS)
# LDADD sets: $(EDX_PROTO) $(EDX_ANALYSIS) $(EDX_DAEMON) $(EDX_INSTRUMENT) $(EDX_CLIENT).
# Environment of a test: EDX_SRCDIR EDX_BUILDDIR EDX_DATA EDX_PYTHON (empty: skip with 77).

check_PROGRAMS += tests/test_simulator
TESTS          += tests/test_simulator tests/test_edxsim.py
EXTRA_DIST     += tests/test_edxsim.py

tests_test_simulator_SOURCES = tests/test_simulator.c
tests_test_simulator_LDADD   = $(EDX_INSTRUMENT) $(CMOCKA_LIBS)
