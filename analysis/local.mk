noinst_LTLIBRARIES += libedxanalysis.la

libedxanalysis_la_CPPFLAGS = $(AM_CPPFLAGS) $(XRL_CFLAGS) $(GSL_CFLAGS)
libedxanalysis_la_LIBADD   = $(XRL_LIBS) $(GSL_LIBS) -lm
libedxanalysis_la_SOURCES  = \
	analysis/analysis.c \
	analysis/analysis.h \
	analysis/health.c \
	analysis/health.h \
	analysis/intensity.c \
	analysis/intensity.h \
	analysis/intensity_tile.c \
	analysis/intensity_tile.h \
	analysis/lines.c \
	analysis/lines.h \
	analysis/pool.c \
	analysis/pool.h \
	analysis/profile.c \
	analysis/profile.h \
	analysis/quant.c \
	analysis/quant.h \
	analysis/scene.c \
	analysis/scene.h \
	analysis/scene_add.c \
	analysis/scene_inside.h \
	analysis/scene_kernels.c \
	analysis/scene_kernels.h \
	analysis/scene_strip.c \
	analysis/scene_strip.h \
	analysis/windows.c \
	analysis/windows.h
