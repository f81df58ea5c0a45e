# tests/client.mk: monitor and control programs

check_PROGRAMS += tests/test_client tests/test_client_view tests/test_client_pages
TESTS          += tests/test_client tests/test_client_view tests/test_client_pages

tests_test_client_SOURCES      = tests/test_client.c
tests_test_client_LDADD        = $(EDX_CLIENT) $(CMOCKA_LIBS)
tests_test_client_view_SOURCES = tests/test_client_view.c
tests_test_client_view_LDADD   = $(EDX_CLIENT) $(CMOCKA_LIBS)
tests_test_client_pages_SOURCES = tests/test_client_pages.c
tests_test_client_pages_LDADD   = $(EDX_CLIENT) $(CMOCKA_LIBS)

# Against a stand-in for edxd that publishes a known scene; no terminal is needed.
CLIENT_LIVE = tests/client_json.py tests/client_ctl.py tests/client_screen.py tests/client_pages.py \
	tests/client_live.py
TESTS         += $(CLIENT_LIVE)
EXTRA_DIST    += $(CLIENT_LIVE) tests/client_fake.py
