# tests/pca.mk: principal components against numpy and HyperSpy

check_PROGRAMS += tests/pca_dump tests/test_pca
TESTS          += tests/test_pca tests/test_pca.py
EXTRA_DIST     += tests/test_pca.py tests/recordings.py

tests_pca_dump_SOURCES = tests/pca_dump.c
tests_pca_dump_LDADD   = $(EDX_ANALYSIS)

tests_test_pca_SOURCES = tests/test_pca.c
tests_test_pca_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)
