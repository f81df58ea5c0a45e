noinst_LTLIBRARIES += libedxinstrument.la

libedxinstrument_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(XRL_CFLAGS) $(JANSSON_CFLAGS)
libedxinstrument_la_LIBADD   = $(ZMQ_LIBS) $(XRL_LIBS) $(JANSSON_LIBS) -lm
libedxinstrument_la_SOURCES  =
