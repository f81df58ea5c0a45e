# tests/denoise.mk: denoising that does not lie, against numpy and simulated truth
#
# The script has a name of its own: tests/x and tests/x.py would share a log, and run once.

check_PROGRAMS += tests/denoise_dump tests/test_denoise tests/test_patch
TESTS          += tests/test_denoise tests/test_patch tests/denoise_numpy.py
EXTRA_DIST     += tests/denoise_numpy.py

tests_denoise_dump_SOURCES = tests/denoise_dump.c
tests_denoise_dump_LDADD   = $(EDX_ANALYSIS)

tests_test_denoise_SOURCES = tests/test_denoise.c
tests_test_denoise_LDADD   = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm
tests_test_denoise_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

tests_test_patch_SOURCES = tests/test_patch.c
tests_test_patch_LDADD   = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm

# A thousand particles, two minutes: what is promised of errors, of the bias test and of maps.
PHONY_TARGETS += denoise-study
study: denoise-study
denoise-study: bench/study$(EXEEXT)
	bench/study$(EXEEXT)
