noinst_LTLIBRARIES += libedxanalysis.la

libedxanalysis_la_CPPFLAGS = $(AM_CPPFLAGS) $(XRL_CFLAGS)
libedxanalysis_la_LIBADD   = $(XRL_LIBS) -lm
libedxanalysis_la_SOURCES  = \
	analysis/analysis.h \
	analysis/intensity.h \
	analysis/lines.h \
	analysis/quant.h \
	analysis/scene.h
