noinst_LTLIBRARIES += libedxdaemon.la

libedxdaemon_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(CZMQ_CFLAGS) $(HDF5_CFLAGS) $(LIBCONFIG_CFLAGS) \
	$(SYSTEMD_CFLAGS)
libedxdaemon_la_LIBADD   = $(ZMQ_LIBS) $(CZMQ_LIBS) $(HDF5_LIBS) $(LIBCONFIG_LIBS) $(SYSTEMD_LIBS) -lm
libedxdaemon_la_SOURCES  = \
	daemon/acquisition.c \
	daemon/acquisition.h \
	daemon/alarms.c \
	daemon/alarms.h \
	daemon/analyst.c \
	daemon/analyst.h \
	daemon/answer.c \
	daemon/answer.h \
	daemon/arrears.c \
	daemon/arrears.h \
	daemon/aside.c \
	daemon/aside.h \
	daemon/config.c \
	daemon/config.h \
	daemon/conftext.c \
	daemon/conftext.h \
	daemon/control.c \
	daemon/control.h \
	daemon/crew.c \
	daemon/crew.h \
	daemon/curve.c \
	daemon/curve.h \
	daemon/disk.c \
	daemon/disk.h \
	daemon/h5.c \
	daemon/h5.h \
	daemon/intake.c \
	daemon/intake.h \
	daemon/journal.c \
	daemon/journal.h \
	daemon/link.c \
	daemon/link.h \
	daemon/log.c \
	daemon/log.h \
	daemon/memory.c \
	daemon/memory.h \
	daemon/monitor.c \
	daemon/monitor.h \
	daemon/notify.c \
	daemon/notify.h \
	daemon/offline.c \
	daemon/offline.h \
	daemon/publish.c \
	daemon/publish.h \
	daemon/receive.c \
	daemon/receive.h \
	daemon/rerun.c \
	daemon/rerun.h \
	daemon/retention.c \
	daemon/retention.h \
	daemon/run.c \
	daemon/run.h \
	daemon/spans.c \
	daemon/spans.h \
	daemon/status.c \
	daemon/status.h \
	daemon/store.h \
	daemon/store_cube.c \
	daemon/store_maps.c \
	daemon/store_results.c \
	daemon/store_signal.c \
	daemon/store_signal.h \
	daemon/task.h \
	daemon/version.h \
	daemon/warn.c \
	daemon/warn.h

if MPI
libedxdaemon_la_CPPFLAGS += $(MPI_CFLAGS)
libedxdaemon_la_LIBADD   += $(MPI_LIBS)
libedxdaemon_la_SOURCES  += daemon/crew_mpi.c
EDXD_MPI = , $(VERSION_MPI)
else
libedxdaemon_la_SOURCES  += daemon/crew_alone.c
endif

bin_PROGRAMS += edxd
edxd_SOURCES = daemon/edxd.c
edxd_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_BUILT_FLAGS) -DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_CZMQ), $(VERSION_MSGPACK), \
$(VERSION_HDF5), $(VERSION_LIBCONFIG), $(VERSION_SYSTEMD), $(VERSION_XRL), $(VERSION_BLAS), \
$(VERSION_GSL), $(VERSION_FFTW)$(EDXD_MPI)"'
edxd_LDADD   = $(EDX_DAEMON)
