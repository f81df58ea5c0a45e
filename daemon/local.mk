noinst_LTLIBRARIES += libedxdaemon.la

libedxdaemon_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(HDF5_CFLAGS) $(LIBCONFIG_CFLAGS) \
	$(SYSTEMD_CFLAGS)
libedxdaemon_la_LIBADD   = $(ZMQ_LIBS) $(HDF5_LIBS) $(LIBCONFIG_LIBS) $(SYSTEMD_LIBS) -lm
libedxdaemon_la_SOURCES  =
