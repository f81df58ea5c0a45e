# make bench builds what is in BENCHES and runs each; a bench prints its own numbers.
BENCHES =

EXTRA_PROGRAMS = $(BENCHES) $(FUZZ_TARGETS)
CLEANFILES    += $(EXTRA_PROGRAMS)
PHONY_TARGETS += bench

bench: $(BENCHES)
	@for b in $(BENCHES); do echo "== $$b"; ./$$b || exit 1; done
