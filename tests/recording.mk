# tests/recording.mk: recordings, settings and results: read, write, repair

JSON_VALUE = tests/json_value.c tests/json_value.h

check_PROGRAMS += tests/test_fields tests/test_settings tests/test_result tests/test_recording
TESTS          += tests/test_fields tests/test_settings tests/test_result tests/test_recording

tests_test_fields_SOURCES    = tests/test_fields.c $(JSON_VALUE)
tests_test_fields_CPPFLAGS   = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_fields_LDADD      = $(EDX_PROTO) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_settings_SOURCES  = tests/test_settings.c $(JSON_VALUE)
tests_test_settings_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_settings_LDADD    = $(EDX_PROTO) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_result_SOURCES    = tests/test_result.c $(JSON_VALUE)
tests_test_result_CPPFLAGS   = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_result_LDADD      = $(EDX_PROTO) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm

# The test stands in for a disk that takes little at a time, or nothing.
tests_test_recording_SOURCES  = tests/test_recording.c $(JSON_VALUE)
tests_test_recording_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tests_test_recording_LDADD    = $(EDX_PROTO) $(CMOCKA_LIBS) $(JANSSON_LIBS) -lm
tests_test_recording_LDFLAGS  = $(AM_LDFLAGS) -Wl,--wrap=pwritev,--wrap=ftruncate

FUZZ_TARGETS += tests/fuzz/fuzz_recording tests/fuzz/fuzz_result

tests_fuzz_fuzz_recording_SOURCES = tests/fuzz/fuzz_recording.c $(FUZZ_MAIN)
tests_fuzz_fuzz_recording_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_recording_LDADD   = $(EDX_PROTO)
tests_fuzz_fuzz_result_SOURCES    = tests/fuzz/fuzz_result.c $(FUZZ_MAIN)
tests_fuzz_fuzz_result_LDFLAGS    = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_result_LDADD      = $(EDX_PROTO)

EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_recording/damaged \
	tests/fuzz/seeds/fuzz_recording/ends-at-end \
	tests/fuzz/seeds/fuzz_recording/huge \
	tests/fuzz/seeds/fuzz_recording/torn \
	tests/fuzz/seeds/fuzz_recording/unborn \
	tests/fuzz/seeds/fuzz_recording/whole \
	tests/fuzz/seeds/fuzz_result/alarm \
	tests/fuzz/seeds/fuzz_result/config \
	tests/fuzz/seeds/fuzz_result/maps \
	tests/fuzz/seeds/fuzz_result/nmf \
	tests/fuzz/seeds/fuzz_result/particles \
	tests/fuzz/seeds/fuzz_result/pca \
	tests/fuzz/seeds/fuzz_result/profile \
	tests/fuzz/seeds/fuzz_result/spectrum \
	tests/fuzz/seeds/fuzz_result/status \
	tests/fuzz/seeds/fuzz_result/trend
