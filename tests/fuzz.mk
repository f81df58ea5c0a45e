# tests/fuzz.mk: fuzz targets. Each file defines LLVMFuzzerTestOneInput; without libFuzzer
# $(FUZZ_MAIN) replays the seeds in tests/fuzz/seeds/NAME/ given as arguments.
#
# Pattern:
#   FUZZ_TARGETS += tests/fuzz/fuzz_x
#   tests_fuzz_fuzz_x_SOURCES = tests/fuzz/fuzz_x.c $(FUZZ_MAIN)
#   tests_fuzz_fuzz_x_LDFLAGS = $(FUZZ_LDFLAGS)
#   tests_fuzz_fuzz_x_LDADD   = $(EDX_PROTO)
#   EXTRA_DIST += tests/fuzz/seeds/fuzz_x/NAME …
# tests/fuzz/replay.sh, in make check, runs every target of FUZZ_TARGETS on its seeds.
