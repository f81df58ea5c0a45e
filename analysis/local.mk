noinst_LTLIBRARIES += libedxanalysis.la

libedxanalysis_la_CPPFLAGS = $(AM_CPPFLAGS) $(XRL_CFLAGS) $(GSL_CFLAGS) $(BLAS_CFLAGS) \
	$(FFTW_CFLAGS)
# BLAS before GSL, which brings a slow one of its own.
libedxanalysis_la_LIBADD   = $(XRL_LIBS) $(BLAS_LIBS) $(GSL_LIBS) $(FFTW_LIBS) -lm
libedxanalysis_la_SOURCES  = \
	analysis/analysis.c \
	analysis/analysis.h \
	analysis/bands.c \
	analysis/bands.h \
	analysis/components.c \
	analysis/components.h \
	analysis/correlate.c \
	analysis/correlate.h \
	analysis/damage.c \
	analysis/damage.h \
	analysis/drift.c \
	analysis/drift.h \
	analysis/folds.c \
	analysis/folds.h \
	analysis/forecast.c \
	analysis/forecast.h \
	analysis/grouped.c \
	analysis/grouped.h \
	analysis/health.c \
	analysis/health.h \
	analysis/intensity.c \
	analysis/intensity.h \
	analysis/intensity_tile.c \
	analysis/intensity_tile.h \
	analysis/krylov.c \
	analysis/krylov.h \
	analysis/linalg.c \
	analysis/linalg.h \
	analysis/lines.c \
	analysis/lines.h \
	analysis/numeric.c \
	analysis/numeric.h \
	analysis/pass.c \
	analysis/pass.h \
	analysis/pass_kernels.c \
	analysis/pass_kernels.h \
	analysis/pca.c \
	analysis/pca.h \
	analysis/pending.c \
	analysis/pending.h \
	analysis/pool.c \
	analysis/pool.h \
	analysis/profile.c \
	analysis/profile.h \
	analysis/quant.c \
	analysis/quant.h \
	analysis/scaled.c \
	analysis/scaled.h \
	analysis/scene.c \
	analysis/scene.h \
	analysis/scene_add.c \
	analysis/scene_inside.h \
	analysis/scene_kernels.c \
	analysis/scene_kernels.h \
	analysis/scene_rows.c \
	analysis/scene_rows.h \
	analysis/scene_strip.c \
	analysis/scene_strip.h \
	analysis/shift.c \
	analysis/shift.h \
	analysis/sparse.c \
	analysis/sparse.h \
	analysis/thickness.c \
	analysis/thickness.h \
	analysis/track.c \
	analysis/track.h \
	analysis/trend.c \
	analysis/trend.h \
	analysis/windows.c \
	analysis/windows.h \
	analysis/xray.c \
	analysis/xray.h
