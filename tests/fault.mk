# tests/fault.mk: what goes wrong round the daemon: disk, clock, memory, load

check_PROGRAMS += tests/edxd_fault
tests_edxd_fault_SOURCES = daemon/edxd.c tests/fault.c
tests_edxd_fault_CPPFLAGS = $(edxd_CPPFLAGS)
tests_edxd_fault_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=pwritev,--wrap=pwrite,--wrap=fdatasync \
	-Wl,--wrap=fsync,--wrap=mkdirat,--wrap=clock_gettime
tests_edxd_fault_LDADD   = $(EDX_DAEMON)

FAULT_TESTS = tests/fault_disk.py
TESTS      += $(FAULT_TESTS)
EXTRA_DIST += $(FAULT_TESTS)

check_PROGRAMS += tests/test_retention
TESTS          += tests/test_retention
tests_test_retention_SOURCES = tests/test_retention.c
tests_test_retention_LDADD   = $(EDX_DAEMON) $(CMOCKA_LIBS)
