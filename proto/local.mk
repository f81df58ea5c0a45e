noinst_LTLIBRARIES += libedxproto.la

libedxproto_la_CPPFLAGS = $(AM_CPPFLAGS) $(MSGPACK_CFLAGS)
libedxproto_la_LIBADD   = $(MSGPACK_LIBS)
libedxproto_la_SOURCES  = \
	proto/array.c \
	proto/array.h \
	proto/built.h \
	proto/certificate.c \
	proto/certificate.h \
	proto/crc32c.c \
	proto/ensemble.c \
	proto/ensemble.h \
	proto/events.c \
	proto/fields.c \
	proto/fields.h \
	proto/frame.c \
	proto/frame.h \
	proto/load.h \
	proto/recording.c \
	proto/recording.h \
	proto/recording_format.h \
	proto/recording_write.c \
	proto/result.h \
	proto/result_keys.c \
	proto/result_keys.h \
	proto/result_read.c \
	proto/result_write.c \
	proto/settings.c \
	proto/settings.h \
	proto/status.c \
	proto/status.h \
	proto/wire.c \
	proto/wire.h
