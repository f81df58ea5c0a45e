# tests/model.mk: templates, line intensities by model, energy calibration, elements found

check_PROGRAMS += tests/test_model
TESTS          += tests/test_model

tests_test_model_SOURCES = tests/test_model.c
tests_test_model_LDADD   = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS)
