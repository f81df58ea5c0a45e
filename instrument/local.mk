noinst_LTLIBRARIES += libedxinstrument.la

libedxinstrument_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(XRL_CFLAGS)
libedxinstrument_la_LIBADD   = $(ZMQ_LIBS) $(XRL_LIBS) -lm
libedxinstrument_la_SOURCES  = \
	instrument/arguments.c \
	instrument/arguments.h \
	instrument/convert.c \
	instrument/convert.h \
	instrument/faults.c \
	instrument/faults.h \
	instrument/output.c \
	instrument/output.h \
	instrument/physics.c \
	instrument/physics.h \
	instrument/progress.c \
	instrument/progress.h \
	instrument/random.c \
	instrument/random.h \
	instrument/replay.c \
	instrument/replay.h \
	instrument/sampler.c \
	instrument/sampler.h \
	instrument/scenes.c \
	instrument/scenes.h \
	instrument/sender.c \
	instrument/sender.h \
	instrument/simulator.c \
	instrument/simulator.h \
	instrument/specimen.c \
	instrument/specimen.h \
	instrument/stop.c \
	instrument/stop.h \
	instrument/truth.c \
	instrument/truth.h \
	instrument/whole.c \
	instrument/whole.h

bin_PROGRAMS += edxsim
edxsim_SOURCES = instrument/edxsim.c
edxsim_LDADD   = $(EDX_INSTRUMENT)

bin_PROGRAMS += edxplay
edxplay_SOURCES = instrument/edxplay.c
edxplay_LDADD   = $(EDX_INSTRUMENT)
