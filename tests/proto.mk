# tests/proto.mk: frames, results, settings: bytes to structs and back
#
# Pattern (names are paths from the top; never set _CFLAGS, it would drop the warnings):
#   check_PROGRAMS += tests/test_x
#   TESTS          += tests/test_x          (scripts: tests/x.sh, tests/x.py, also to EXTRA_DIST)
#   tests_test_x_SOURCES  = tests/test_x.c
#   tests_test_x_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS)      (only for a foreign header)
#   tests_test_x_LDADD    = $(EDX_PROTO) $(CMOCKA_LIBS)
# LDADD sets: $(EDX_PROTO) $(EDX_ANALYSIS) $(EDX_DAEMON) $(EDX_INSTRUMENT) $(EDX_CLIENT).
# Environment of a test: EDX_SRCDIR EDX_BUILDDIR EDX_DATA EDX_PYTHON (empty: skip with 77).

# messages.c counts and refuses allocations of what is linked into the test.
WRAP_ALLOC = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc

check_PROGRAMS += tests/test_wire tests/test_frame
TESTS          += tests/test_wire tests/test_frame

tests_test_wire_SOURCES  = tests/test_wire.c tests/messages.c tests/messages.h
tests_test_wire_LDADD    = $(EDX_PROTO) $(CMOCKA_LIBS) -lm
tests_test_wire_LDFLAGS  = $(AM_LDFLAGS) $(WRAP_ALLOC)
tests_test_frame_SOURCES = tests/test_frame.c tests/messages.c tests/messages.h
tests_test_frame_LDADD   = $(EDX_PROTO) $(CMOCKA_LIBS) -lm
tests_test_frame_LDFLAGS = $(AM_LDFLAGS) $(WRAP_ALLOC)
