# libedx: what is public, and beneath it the same objects as in edxsim, edxplay and edxmon.
noinst_LTLIBRARIES += libedxlib.la

libedxlib_la_SOURCES = \
	lib/client.c \
	lib/driver.c \
	lib/inside.c \
	lib/inside.h \
	lib/item.c

lib_LTLIBRARIES     = libedx.la
include_HEADERS     = lib/edx.h
pkgconfigdir        = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = lib/libedx.pc
EXTRA_DIST         += lib/libedx.map lib/libedx.pc.in

# CURRENT:REVISION:AGE. Released changes: REVISION + 1; something added: CURRENT + 1, AGE + 1, REVISION 0,
# and a new node in the map; something removed or changed: CURRENT + 1, AGE 0, and a new package name.
EDX_LIBRARY_VERSION = 1:0:0

libedx_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS)
libedx_la_LIBADD   = libedxlib.la libedxproto.la $(ZMQ_LIBS) -lm
libedx_la_LDFLAGS  = $(EDX_SHARED_LDFLAGS) $(EDX_THREADS) -no-undefined \
	-version-info $(EDX_LIBRARY_VERSION) -Wl,--version-script=$(srcdir)/lib/libedx.map
libedx_la_SOURCES  = \
	client/feed.c \
	client/message.c \
	client/request.c \
	client/value.c \
	instrument/output.c \
	instrument/sender.c \
	instrument/stop.c
EXTRA_libedx_la_DEPENDENCIES = lib/libedx.map
