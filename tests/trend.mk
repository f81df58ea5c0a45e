# tests/trend.mk: change under the beam, composition frame by frame, forecast

check_PROGRAMS += tests/test_trend
TESTS          += tests/test_trend

tests_test_trend_SOURCES = tests/test_trend.c
tests_test_trend_LDADD   = $(EDX_INSTRUMENT) $(EDX_ANALYSIS) $(CMOCKA_LIBS)
