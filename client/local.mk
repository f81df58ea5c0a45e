noinst_LTLIBRARIES += libedxclient.la

libedxclient_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(JANSSON_CFLAGS) $(NCURSES_CFLAGS)
libedxclient_la_LIBADD   = $(ZMQ_LIBS) $(JANSSON_LIBS) $(NCURSES_LIBS) -lm
libedxclient_la_SOURCES  =
