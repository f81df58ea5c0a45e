noinst_LTLIBRARIES += libedxinstrument.la

libedxinstrument_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZMQ_CFLAGS) $(XRL_CFLAGS) \
	$(HDF5_CFLAGS) $(JANSSON_CFLAGS)
libedxinstrument_la_LIBADD   = $(ZMQ_LIBS) $(XRL_LIBS) $(HDF5_LIBS) $(JANSSON_LIBS) -lm
libedxinstrument_la_SOURCES  = \
	instrument/apart.c \
	instrument/apart.h \
	instrument/arguments.c \
	instrument/arguments.h \
	instrument/convert.c \
	instrument/convert.h \
	instrument/faults.c \
	instrument/faults.h \
	instrument/gather.c \
	instrument/gather.h \
	instrument/h5file.c \
	instrument/h5file.h \
	instrument/hspy.c \
	instrument/hspy.h \
	instrument/imported.c \
	instrument/imported.h \
	instrument/jeol.c \
	instrument/jeol.h \
	instrument/jeol_header.c \
	instrument/jeol_header.h \
	instrument/jsondoc.c \
	instrument/jsondoc.h \
	instrument/output.c \
	instrument/output.h \
	instrument/physics.c \
	instrument/physics.h \
	instrument/progress.c \
	instrument/progress.h \
	instrument/random.c \
	instrument/random.h \
	instrument/recorded.c \
	instrument/recorded.h \
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
	instrument/source.h \
	instrument/specimen.c \
	instrument/specimen.h \
	instrument/stop.c \
	instrument/stop.h \
	instrument/truth.c \
	instrument/truth.h \
	instrument/velox.c \
	instrument/velox.h \
	instrument/velox_meta.c \
	instrument/velox_meta.h \
	instrument/whole.c \
	instrument/whole.h

bin_PROGRAMS += edxsim
edxsim_SOURCES = instrument/edxsim.c
edxsim_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_BUILT_FLAGS) \
	-DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_MSGPACK), $(VERSION_XRL)"'
edxsim_LDADD   = $(EDX_INSTRUMENT)

bin_PROGRAMS += edxplay
edxplay_SOURCES = instrument/edxplay.c
edxplay_CPPFLAGS = $(AM_CPPFLAGS) $(EDX_BUILT_FLAGS) \
	-DEDX_LIBRARIES='"$(VERSION_ZMQ), $(VERSION_MSGPACK), $(VERSION_HDF5), $(VERSION_JANSSON)"'
edxplay_LDADD   = $(EDX_INSTRUMENT)
