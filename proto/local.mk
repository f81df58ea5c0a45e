noinst_LTLIBRARIES += libedxproto.la

libedxproto_la_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS)
libedxproto_la_LIBADD   = $(MSGPACK_LIBS)
libedxproto_la_SOURCES  = \
	proto/array.h \
	proto/fields.h \
	proto/frame.h \
	proto/recording.h \
	proto/result.h \
	proto/settings.h \
	proto/status.h \
	proto/wire.h
