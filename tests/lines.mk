# tests/lines.mk: lines, windows, factors, composition, health and the analysis as a whole

check_PROGRAMS += tests/test_lines tests/test_quant tests/test_analysis tests/test_reference
TESTS          += tests/test_lines tests/test_quant tests/test_analysis tests/test_reference

tests_test_lines_SOURCES = tests/test_lines.c
tests_test_lines_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)

tests_test_quant_SOURCES = tests/test_quant.c
tests_test_quant_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)

# Refuses one allocation after the other of what is linked into it.
tests_test_analysis_SOURCES = tests/test_analysis.c
tests_test_analysis_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)
tests_test_analysis_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

# Reads EDX_DATA; skips where it is absent.
tests_test_reference_SOURCES = tests/test_reference.c
tests_test_reference_LDADD   = $(EDX_ANALYSIS)
