# tests/truth.mk: the whole program against simulations whose truth is known, and against HyperSpy
#
# The scripts begin with truth_: tests/x and tests/x.py would share a log, and run once.

TRUTH_TESTS = tests/truth_beam.py tests/truth_drift.py tests/truth_elements.py \
	tests/truth_health.py tests/truth_particles.py tests/truth_quant.py

TESTS      += $(TRUTH_TESTS)
EXTRA_DIST += $(TRUTH_TESTS) tests/truth_runs.py

# What takes minutes: make study runs all that ends in -study.
PHONY_TARGETS += truth-study truth-beam-study truth-drift-study truth-elements-study \
	truth-health-study truth-particles-study
study: truth-study
truth-study: truth-beam-study truth-drift-study truth-elements-study truth-health-study \
	truth-particles-study
truth-beam-study: edxd$(EXEEXT) edxsim$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=100 $(srcdir)/tests/python $(srcdir)/tests/truth_beam.py
truth-drift-study: edxd$(EXEEXT) edxsim$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=40 $(srcdir)/tests/python $(srcdir)/tests/truth_drift.py
truth-elements-study: edxd$(EXEEXT) edxsim$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=10 $(srcdir)/tests/python $(srcdir)/tests/truth_elements.py
truth-health-study: edxd$(EXEEXT) edxsim$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=50 $(srcdir)/tests/python $(srcdir)/tests/truth_health.py
truth-particles-study: edxd$(EXEEXT) edxsim$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_SEEDS=100 $(srcdir)/tests/python $(srcdir)/tests/truth_particles.py
