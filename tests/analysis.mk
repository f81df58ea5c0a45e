# tests/analysis.mk: the science on known truth
#
# Pattern (names are paths from the top; never set _CFLAGS, it would drop the warnings):
#   check_PROGRAMS += tests/test_x
#   TESTS          += tests/test_x          (scripts: tests/x.sh, tests/x.py, also to EXTRA_DIST)
#   tests_test_x_SOURCES  = tests/test_x.c
#   tests_test_x_CPPFLAGS = $(AM_CPPFLAGS) $(HDF5_CFLAGS)      (only for a foreign header)
#   tests_test_x_LDADD    = $(EDX_ANALYSIS) $(CMOCKA_LIBS)
# LDADD sets: $(EDX_PROTO) $(EDX_ANALYSIS) $(EDX_DAEMON) $(EDX_INSTRUMENT) $(EDX_CLIENT).
# Environment of a test: EDX_SRCDIR EDX_BUILDDIR EDX_DATA EDX_PYTHON (empty: skip with 77).

# Both tests count and refuse allocations of what is linked into them.
check_PROGRAMS += tests/test_scene tests/test_intensity
TESTS          += tests/test_scene tests/test_intensity

tests_test_scene_SOURCES     = tests/test_scene.c
tests_test_scene_LDADD       = $(EDX_ANALYSIS) $(CMOCKA_LIBS)
tests_test_scene_LDFLAGS     = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc
tests_test_intensity_SOURCES = tests/test_intensity.c
tests_test_intensity_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm
tests_test_intensity_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc

check_PROGRAMS += tests/test_ranks
TESTS          += tests/test_ranks
tests_test_ranks_SOURCES = tests/test_ranks.c
tests_test_ranks_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm

check_PROGRAMS += tests/test_groups
TESTS          += tests/test_groups
tests_test_groups_SOURCES = tests/test_groups.c
tests_test_groups_LDADD   = $(EDX_ANALYSIS) $(CMOCKA_LIBS)
