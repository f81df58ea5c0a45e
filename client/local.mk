noinst_LTLIBRARIES += libedxclient.la

libedxclient_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(CZMQ_CFLAGS) $(JANSSON_CFLAGS) $(NCURSES_CFLAGS) \
	$(HDF5_CFLAGS) $(CAIRO_CFLAGS)
libedxclient_la_LIBADD   = $(ZMQ_LIBS) $(CZMQ_LIBS) $(JANSSON_LIBS) $(NCURSES_LIBS) $(HDF5_LIBS) $(CAIRO_LIBS) \
	-lm
libedxclient_la_SOURCES  = \
	client/ask.c \
	client/ask.h \
	client/axes.c \
	client/axes.h \
	client/canvas.c \
	client/canvas.h \
	client/chart.c \
	client/chart.h \
	client/choice.c \
	client/choice.h \
	client/csv.c \
	client/csv.h \
	client/export.c \
	client/export.h \
	client/feed.c \
	client/feed.h \
	client/gather.c \
	client/gather.h \
	client/json.c \
	client/json.h \
	client/keygen.c \
	client/keygen.h \
	client/keys.c \
	client/keys.h \
	client/many.c \
	client/many.h \
	client/marks.c \
	client/marks.h \
	client/message.c \
	client/message.h \
	client/latest.c \
	client/latest.h \
	client/monitor.c \
	client/monitor.h \
	client/number.c \
	client/number.h \
	client/outfile.c \
	client/outfile.h \
	client/pages.h \
	client/palette.c \
	client/palette.h \
	client/panel.c \
	client/panel.h \
	client/paper.c \
	client/paper.h \
	client/picture.c \
	client/picture.h \
	client/plot.c \
	client/plot.h \
	client/reply.c \
	client/reply.h \
	client/report.c \
	client/report.h \
	client/report_ensemble.c \
	client/request.c \
	client/request.h \
	client/saved.c \
	client/saved.h \
	client/screen.c \
	client/screen.h \
	client/series.c \
	client/series.h \
	client/sheet.c \
	client/sheet.h \
	client/sheet_components.c \
	client/sheet_radial.c \
	client/sheet_spectrum.c \
	client/sheet_tiles.c \
	client/signals.c \
	client/signals.h \
	client/spectrum.c \
	client/spectrum.h \
	client/stream.c \
	client/stream.h \
	client/value.c \
	client/value.h \
	client/verdict.c \
	client/verdict.h \
	client/view.c \
	client/view.h \
	client/view_components.c \
	client/view_help.c \
	client/view_maps.c \
	client/view_particles.c \
	client/view_scree.c \
	client/view_trend.c

# The page's server; libwebsockets and zlib are for edxweb alone.
if WEB
libedxclient_la_SOURCES += \
	client/web_control.c \
	client/web_control.h \
	client/web_deflate.c \
	client/web_deflate.h \
	client/web_files.c \
	client/web_files.h \
	client/web_origin.c \
	client/web_origin.h \
	client/web_parcel.c \
	client/web_parcel.h \
	client/web_quantise.c \
	client/web_quantise.h \
	client/web_relay.c \
	client/web_relay.h \
	client/web_server.c \
	client/web_server.h \
	client/web_upstream.c \
	client/web_upstream.h
libedxclient_la_CPPFLAGS += $(WEB_CFLAGS)

bin_PROGRAMS += edxweb
edxweb_SOURCES  = client/edxweb.c
edxweb_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_WEBDIR) $(EDX_BUILT_FLAGS) \
	-DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_MSGPACK), $(VERSION_WEB), $(VERSION_ZLIB)"'
edxweb_LDADD    = $(EDX_CLIENT) $(WEB_LIBS)
endif
EDX_WEBDIR = -DEDX_WEBDIR='"$(pkgdatadir)/web"'

bin_PROGRAMS += edxmon
edxmon_SOURCES = client/edxmon.c
edxmon_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_BUILT_FLAGS) \
	-DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_MSGPACK), $(VERSION_JANSSON), $(VERSION_NCURSES)"'
edxmon_LDADD   = $(EDX_CLIENT)

bin_PROGRAMS += edxctl
edxctl_SOURCES = client/edxctl.c
edxctl_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_BUILT_FLAGS) \
	-DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_CZMQ), $(VERSION_MSGPACK), $(VERSION_JANSSON), $(VERSION_HDF5), $(VERSION_CAIRO)"'
edxctl_LDADD   = $(EDX_CLIENT)
