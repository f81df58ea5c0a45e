# tests/nmf.mk: non-negative factors against their definition and scikit-learn

check_PROGRAMS += tests/nmf_dump tests/test_nmf
TESTS          += tests/test_nmf tests/nmf_sklearn.py
EXTRA_DIST     += tests/nmf_sklearn.py

tests_nmf_dump_SOURCES = tests/nmf_dump.c
tests_nmf_dump_LDADD   = $(EDX_ANALYSIS)

tests_test_nmf_SOURCES = tests/test_nmf.c
tests_test_nmf_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)

# Against the best of three random starts, to the end.
PHONY_TARGETS += nmf-study
study: nmf-study
nmf-study: edxsim$(EXEEXT) tests/nmf_dump$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_STARTS=3 $(srcdir)/tests/python $(srcdir)/tests/nmf_sklearn.py
