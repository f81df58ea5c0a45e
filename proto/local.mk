noinst_LTLIBRARIES += libedxproto.la

libedxproto_la_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS)
libedxproto_la_LIBADD   = $(MSGPACK_LIBS)
libedxproto_la_SOURCES  = \
	proto/array.c \
	proto/array.h \
	proto/events.c \
	proto/fields.h \
	proto/frame.c \
	proto/frame.h \
	proto/load.h \
	proto/recording.h \
	proto/result.h \
	proto/settings.h \
	proto/status.c \
	proto/status.h \
	proto/wire.c \
	proto/wire.h
