# tests/fault.mk: what goes wrong round the daemon: disk, clock, memory, load

check_PROGRAMS += tests/edxd_fault
tests_edxd_fault_SOURCES = daemon/edxd.c tests/fault.c
tests_edxd_fault_CPPFLAGS = $(edxd_CPPFLAGS)
tests_edxd_fault_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwritev,--wrap=pwrite,--wrap=fdatasync \
	-Wl,--wrap=fsync,--wrap=mkdirat,--wrap=clock_gettime
tests_edxd_fault_LDADD   = $(EDX_DAEMON)

check_PROGRAMS += tests/crowd
tests_crowd_SOURCES  = tests/crowd.c
tests_crowd_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS)
tests_crowd_LDADD    = $(ZMQ_LIBS)

FAULT_TESTS = tests/fault_disk.py tests/fault_load.py tests/soak.py
TESTS      += $(FAULT_TESTS)
EXTRA_DIST += $(FAULT_TESTS)

check_PROGRAMS += tests/test_retention
TESTS          += tests/test_retention
tests_test_retention_SOURCES = tests/test_retention.c
tests_test_retention_LDADD   = $(EDX_DAEMON) $(CMOCKA_LIBS)

# EDX_FAULTS=all: every allocation, not a sample
check_PROGRAMS += tests/test_faults
TESTS          += tests/test_faults
tests_test_faults_SOURCES = tests/test_faults.c
tests_test_faults_LDADD   = $(EDX_DAEMON) $(CMOCKA_LIBS)
tests_test_faults_LDFLAGS = $(AM_LDFLAGS) $(WRAP_ALLOC) -Wl,--wrap=pwritev,--wrap=pwrite \
	-Wl,--wrap=fdatasync,--wrap=fsync,--wrap=mkdirat

# make soak SOAK_SECONDS=3600: faults of every kind, and every fault of test_faults; check takes two
# minutes of it.
SOAK_SECONDS = 3600
soak: edxd tests/edxd_fault tests/test_faults
	EDX_BUILDDIR='$(abs_top_builddir)' SOAK_SECONDS=$(SOAK_SECONDS) \
		$(EDX_PYTHON) $(srcdir)/tests/soak.py
	test $(SOAK_SECONDS) -lt 600 || EDX_FAULTS=all tests/test_faults
.PHONY: soak
