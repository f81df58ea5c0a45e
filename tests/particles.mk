# tests/particles.mk: particles, rings, raw profiles

# Allocations are counted and refused in what is linked into it.
check_PROGRAMS += tests/test_particles
TESTS          += tests/test_particles

tests_test_particles_SOURCES = tests/test_particles.c
tests_test_particles_LDADD   = libedxinstrument.la $(EDX_ANALYSIS) $(CMOCKA_LIBS) -lm
tests_test_particles_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc
