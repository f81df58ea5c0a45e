# tests/trend.mk: change under the beam, composition frame by frame, forecast; details of next to nothing

check_PROGRAMS += tests/test_trend tests/test_detail
TESTS          += tests/test_trend tests/test_detail

tests_test_trend_SOURCES = tests/test_trend.c
tests_test_trend_LDADD   = $(EDX_INSTRUMENT) $(EDX_ANALYSIS) $(CMOCKA_LIBS)

tests_test_detail_SOURCES = tests/test_detail.c
tests_test_detail_LDADD   = $(EDX_INSTRUMENT) $(EDX_ANALYSIS) $(CMOCKA_LIBS)

# What looking at the beam costs a frame, of the processor: the mean and the most.
EXTRA_PROGRAMS += bench/beam
PHONY_TARGETS  += beam-bench

bench_beam_SOURCES = bench/beam.c
bench_beam_LDADD   = $(EDX_ANALYSIS) -lm

beam-bench: bench/beam$(EXEEXT) edxsim$(EXEEXT)
	@for side in 64 256 512; do \
	    ./edxsim$(EXEEXT) -q --scene agau-8nm --size $$side --frames 60 -o beam.edxr && \
	        printf '%s x %s: ' $$side $$side && bench/beam$(EXEEXT) beam.edxr || exit 1; \
	done; rm -f beam.edxr
