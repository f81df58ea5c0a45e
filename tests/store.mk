# tests/store.mk: result files and cubes

check_PROGRAMS += tests/test_store tests/make_store
TESTS          += tests/test_store

tests_test_store_SOURCES  = tests/test_store.c tests/store_example.c tests/store_example.h
tests_test_store_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS)
tests_test_store_LDADD    = $(EDX_DAEMON) $(HDF5_LIBS) $(CMOCKA_LIBS)

# writes what tests/interop_store.py reads
tests_make_store_SOURCES = tests/make_store.c tests/store_example.c tests/store_example.h
tests_make_store_LDADD   = $(EDX_DAEMON)
