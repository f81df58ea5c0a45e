# tests/web.mk: edxweb, which is built where libwebsockets is

WEB_SEEDS = \
	tests/fuzz/seeds/fuzz_web/ack \
	tests/fuzz/seeds/fuzz_web/control \
	tests/fuzz/seeds/fuzz_web/control-cmd-twice \
	tests/fuzz/seeds/fuzz_web/control-save \
	tests/fuzz/seeds/fuzz_web/cut \
	tests/fuzz/seeds/fuzz_web/host \
	tests/fuzz/seeds/fuzz_web/host-foreign \
	tests/fuzz/seeds/fuzz_web/host-https \
	tests/fuzz/seeds/fuzz_web/host-v6 \
	tests/fuzz/seeds/fuzz_web/id-large \
	tests/fuzz/seeds/fuzz_web/listen-v6 \
	tests/fuzz/seeds/fuzz_web/maps \
	tests/fuzz/seeds/fuzz_web/maps-f8 \
	tests/fuzz/seeds/fuzz_web/maps-short \
	tests/fuzz/seeds/fuzz_web/origin-null \
	tests/fuzz/seeds/fuzz_web/request-no-map \
	tests/fuzz/seeds/fuzz_web/run \
	tests/fuzz/seeds/fuzz_web/run-up
WEB_LIVE = tests/web_server.py tests/web_hostile.py
EXTRA_DIST += $(WEB_SEEDS) $(WEB_LIVE) tests/web_client.py

if WEB
check_PROGRAMS += tests/test_web
TESTS          += tests/test_web $(WEB_LIVE)

tests_test_web_SOURCES = tests/test_web.c
tests_test_web_LDADD   = $(EDX_CLIENT) $(WEB_LIBS) $(CMOCKA_LIBS) -lm

FUZZ_TARGETS += tests/fuzz/fuzz_web
tests_fuzz_fuzz_web_SOURCES = tests/fuzz/fuzz_web.c $(FUZZ_MAIN)
tests_fuzz_fuzz_web_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_web_LDADD   = $(EDX_CLIENT)
endif
