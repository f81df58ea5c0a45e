# tests/trend.mk: change under the beam, composition frame by frame, forecast; details of next to nothing

check_PROGRAMS += tests/test_trend tests/test_detail
TESTS          += tests/test_trend tests/test_detail

tests_test_trend_SOURCES = tests/test_trend.c
tests_test_trend_LDADD   = $(EDX_INSTRUMENT) $(EDX_ANALYSIS) $(CMOCKA_LIBS)

tests_test_detail_SOURCES = tests/test_detail.c
tests_test_detail_LDADD   = $(EDX_INSTRUMENT) $(EDX_ANALYSIS) $(CMOCKA_LIBS)
