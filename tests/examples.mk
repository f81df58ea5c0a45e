# tests/examples.mk: what the documents say: keys, manual pages, examples, completion, the guide's commands

check_PROGRAMS += tests/print_keys
tests_print_keys_SOURCES = tests/print_keys.c
tests_print_keys_LDADD   = $(EDX_PROTO)

TESTS      += tests/completion.sh tests/docs.sh tests/test_examples.py tests/test_guide.py
EXTRA_DIST += tests/completion.sh tests/docs.sh tests/test_examples.py tests/test_guide.py
