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

FUZZ_TARGETS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(FUZZ_MAIN)
tests_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_frame_LDADD   = $(EDX_PROTO)
EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_frame/bad-utf8 \
	tests/fuzz/seeds/fuzz_frame/begin \
	tests/fuzz/seeds/fuzz_frame/begin-short \
	tests/fuzz/seeds/fuzz_frame/claims-all \
	tests/fuzz/seeds/fuzz_frame/claims-map \
	tests/fuzz/seeds/fuzz_frame/dense \
	tests/fuzz/seeds/fuzz_frame/dense-u4 \
	tests/fuzz/seeds/fuzz_frame/empty \
	tests/fuzz/seeds/fuzz_frame/end \
	tests/fuzz/seeds/fuzz_frame/events \
	tests/fuzz/seeds/fuzz_frame/events-u4 \
	tests/fuzz/seeds/fuzz_frame/extension \
	tests/fuzz/seeds/fuzz_frame/kinds \
	tests/fuzz/seeds/fuzz_frame/nested-33 \
	tests/fuzz/seeds/fuzz_frame/offsets-fall \
	tests/fuzz/seeds/fuzz_frame/row-u1 \
	tests/fuzz/seeds/fuzz_frame/twice
