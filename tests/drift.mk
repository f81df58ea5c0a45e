# tests/drift.mk: registration of frames against known drift, and events that are moved by it

check_PROGRAMS += tests/test_drift
TESTS          += tests/test_drift tests/daemon_drift.py
EXTRA_DIST     += tests/daemon_drift.py

tests_test_drift_SOURCES = tests/test_drift.c
tests_test_drift_LDADD   = $(EDX_ANALYSIS) $(EDX_INSTRUMENT) $(CMOCKA_LIBS) -lm

# What takes minutes: every scene, dose and drift, with EDX_SEEDS seeds each.
PHONY_TARGETS += drift-study
study: drift-study
drift-study: tests/test_drift$(EXEEXT)
	EDX_SEEDS=20 tests/test_drift$(EXEEXT)
