# tests/model.mk: templates, line intensities by model, energy calibration, elements found

check_PROGRAMS += tests/elements_dump tests/test_elements tests/test_energy tests/test_functional \
	tests/test_model tests/test_numeric
TESTS          += tests/test_elements tests/test_recorded_elements.py tests/test_energy \
	tests/test_functional tests/test_model tests/test_numeric
EXTRA_DIST     += tests/test_recorded_elements.py

# Reads EDX_DATA, with elements_dump; skips where it is absent.
tests_elements_dump_SOURCES   = tests/elements_dump.c
tests_elements_dump_LDADD     = $(EDX_ANALYSIS)

# They draw their spectra with the simulator's physics, which is other code.
tests_test_elements_SOURCES   = tests/test_elements.c
tests_test_elements_LDADD     = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS)
tests_test_energy_SOURCES     = tests/test_energy.c
tests_test_energy_LDADD       = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS)
tests_test_functional_SOURCES = tests/test_functional.c
tests_test_functional_LDADD   = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS)
tests_test_model_SOURCES      = tests/test_model.c
tests_test_model_LDADD        = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS)

tests_test_numeric_SOURCES    = tests/test_numeric.c
tests_test_numeric_LDADD      = $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm
