# make check: programs and scripts listed in TESTS by the fragments, one per area.

TEST_EXTENSIONS   = .sh .py
SH_LOG_COMPILER   = bash
PY_LOG_COMPILER   = $(srcdir)/tests/python
AM_TESTS_ENVIRONMENT = \
	EDX_SRCDIR='$(abs_top_srcdir)'; export EDX_SRCDIR; \
	EDX_BUILDDIR='$(abs_top_builddir)'; export EDX_BUILDDIR; \
	EDX_DATA="$${EDX_DATA:-$(abs_top_srcdir)/../shared/data}"; export EDX_DATA; \
	EDX_PYTHON='$(EDX_PYTHON)'; export EDX_PYTHON; \
	EDX_FUZZ_TARGETS='$(FUZZ_TARGETS)'; export EDX_FUZZ_TARGETS; \
	CC='$(CC)'; export CC; \
	EDX_SANITIZERS='$(EDX_SANITIZERS)'; export EDX_SANITIZERS; \
	TSAN_OPTIONS="suppressions=$(abs_top_srcdir)/tests/tsan.supp $${TSAN_OPTIONS-}"; export TSAN_OPTIONS; \
	NM='$(NM_TOOL)'; export NM;

FUZZ_TARGETS =
if FUZZING
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/main.c
check_PROGRAMS += $(FUZZ_TARGETS)
endif
TESTS      += tests/fuzz/replay.sh
EXTRA_DIST += tests/fuzz/replay.sh tests/fuzz/main.c

# The house: arrows, cycles, foreign libraries, sizes. layers.sh reads the convenience libraries.
HOUSE_TESTS = tests/layers.sh tests/layers-selftest.sh tests/style.sh tests/unit.sh
TESTS      += $(HOUSE_TESTS)
CLEANFILES += unit-security.txt
EXTRA_DIST += tests/python tests/tsan.supp $(HOUSE_TESTS)

include tests/proto.mk
include tests/trend.mk
include tests/recording.mk
include tests/analysis.mk
include tests/lines.mk
include tests/model.mk
include tests/particles.mk
include tests/pca.mk
include tests/denoise.mk
include tests/nmf.mk
include tests/instrument.mk
include tests/vendor.mk
include tests/store.mk
include tests/client.mk
include tests/figures.mk
include tests/web.mk
include tests/page.mk
include tests/daemon.mk
include tests/drift.mk
include tests/truth.mk
include tests/life.mk
include tests/fault.mk
include tests/interop.mk
include tests/libedx.mk
include tests/examples.mk
include tests/security.mk
include tests/fuzz.mk
