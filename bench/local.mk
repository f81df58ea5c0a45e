# make bench measures kernels and daemon in one run, prints one table and keeps it as bench.json, which
# make bench-doc turns into the tables and the figure of doc/performance.md.
BENCHES = bench/kernels bench/components bench/details bench/nmf bench/pipeline bench/latency

EXTRA_PROGRAMS = $(BENCHES) bench/study $(FUZZ_TARGETS)
EXTRA_DIST    += bench/run.py bench/report.py bench/live.py
CLEANFILES    += $(EXTRA_PROGRAMS) bench.json
PHONY_TARGETS += bench bench-doc bench-live

bench_kernels_SOURCES  = bench/kernels.c bench/events.c bench/events.h
bench_kernels_LDADD    = $(EDX_ANALYSIS) -lm
bench_components_SOURCES = bench/components.c
bench_components_LDADD   = $(EDX_ANALYSIS)
bench_details_SOURCES  = bench/details.c
bench_details_LDADD    = $(EDX_ANALYSIS)
bench_nmf_SOURCES      = bench/nmf.c
bench_nmf_LDADD        = $(EDX_ANALYSIS)
bench_pipeline_SOURCES = bench/pipeline.c bench/replay.c bench/replay.h
bench_pipeline_LDADD   = $(EDX_ANALYSIS)
bench_latency_SOURCES  = bench/latency.c bench/events.c bench/events.h
bench_latency_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS)
bench_latency_LDADD    = $(EDX_DAEMON) $(ZMQ_LIBS)
# What takes minutes: see tests/denoise.mk.
bench_study_SOURCES    = bench/study.c bench/grains.c bench/grains.h
bench_study_LDADD      = libedxinstrument.la $(EDX_ANALYSIS) -lm

bench: $(BENCHES) edxd$(EXEEXT) edxsim$(EXEEXT)
	@test -n '$(EDX_PYTHON)' || { echo 'bench: no Python with hyperspy, see configure' >&2; exit 1; }
	$(EDX_PYTHON) $(srcdir)/bench/run.py . bench.json

# A scan of 1024 x 1024 x 2048, live: some twenty minutes.
bench-live: edxd$(EXEEXT)
	@test -n '$(EDX_PYTHON)' || { echo 'bench-live: no Python with numpy and zmq, see configure' >&2; exit 1; }
	$(EDX_PYTHON) $(srcdir)/bench/live.py .

bench-doc:
	$(EDX_PYTHON) $(srcdir)/bench/report.py bench.json $(srcdir)/doc/performance.md $(srcdir)/doc/performance.png
