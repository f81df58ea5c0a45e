# tests/pca.mk: principal components against numpy and HyperSpy

check_PROGRAMS += tests/pca_dump tests/test_pca
TESTS          += tests/test_pca tests/pca_numpy.py tests/test_rank.py
EXTRA_DIST     += tests/pca_numpy.py tests/test_rank.py tests/recordings.py tests/rank_scenes.py

tests_pca_dump_SOURCES = tests/pca_dump.c
tests_pca_dump_LDADD   = $(EDX_ANALYSIS)

tests_test_pca_SOURCES = tests/test_pca.c
tests_test_pca_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)

# What takes minutes: make study runs all that ends in -study.
PHONY_TARGETS += study rank-study
study: rank-study
rank-study: edxd$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=50 $(srcdir)/tests/python $(srcdir)/tests/test_rank.py
