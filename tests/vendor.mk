# tests/vendor.mk: recordings of other makers: JEOL, Velox, HyperSpy

# The script has a name of its own: automake makes one log of tests/x and tests/x.py.
check_PROGRAMS += tests/test_vendor
TESTS          += tests/test_vendor tests/test_vendor_play.py
EXTRA_DIST     += tests/test_vendor_play.py tests/vendor_files.py

tests_test_vendor_SOURCES = tests/test_vendor.c
tests_test_vendor_LDADD   = $(EDX_INSTRUMENT) $(CMOCKA_LIBS) -lm

FUZZ_TARGETS += tests/fuzz/fuzz_pts tests/fuzz/fuzz_emd

tests_fuzz_fuzz_pts_SOURCES = tests/fuzz/fuzz_pts.c $(FUZZ_MAIN)
tests_fuzz_fuzz_pts_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_pts_LDADD   = $(EDX_INSTRUMENT)
# It stands in for instrument/h5file.c itself, which the linker then leaves out.
tests_fuzz_fuzz_emd_SOURCES = tests/fuzz/fuzz_emd.c $(FUZZ_MAIN)
tests_fuzz_fuzz_emd_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_emd_LDADD   = $(EDX_INSTRUMENT)

EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_pts/broken-off \
	tests/fuzz/seeds/fuzz_pts/cut \
	tests/fuzz/seeds/fuzz_pts/head-only \
	tests/fuzz/seeds/fuzz_pts/images \
	tests/fuzz/seeds/fuzz_pts/line-scan \
	tests/fuzz/seeds/fuzz_emd/image-empty \
	tests/fuzz/seeds/fuzz_emd/merged \
	tests/fuzz/seeds/fuzz_emd/nothing \
	tests/fuzz/seeds/fuzz_emd/numbers \
	tests/fuzz/seeds/fuzz_emd/segments \
	tests/fuzz/seeds/fuzz_emd/spectrum
