# make bench builds the benches and runs them one after the other; each prints its own numbers.
BENCHES = bench/latency

EXTRA_PROGRAMS = $(BENCHES) $(FUZZ_TARGETS)
CLEANFILES    += $(EXTRA_PROGRAMS)
PHONY_TARGETS += bench

bench_latency_SOURCES  = bench/latency.c bench/events.c bench/events.h
bench_latency_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS)
bench_latency_LDADD    = $(EDX_DAEMON) $(ZMQ_LIBS)

# Arguments: daemon, pixels a side, channels, mean counts a pixel, frames.
bench: $(BENCHES) edxd$(EXEEXT)
	bench/latency ./edxd 64 4096 5 100
	bench/latency ./edxd 256 4096 5 100
	bench/latency ./edxd 512 4096 2 40
