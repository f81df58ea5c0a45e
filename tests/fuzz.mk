# tests/fuzz.mk: fuzz targets. Each file defines LLVMFuzzerTestOneInput; without libFuzzer
# $(FUZZ_MAIN) replays the seeds in tests/fuzz/seeds/NAME/ given as arguments.
#
# Pattern:
#   FUZZ_TARGETS += tests/fuzz/fuzz_x
#   tests_fuzz_fuzz_x_SOURCES = tests/fuzz/fuzz_x.c $(FUZZ_MAIN)
#   tests_fuzz_fuzz_x_LDFLAGS = $(FUZZ_LDFLAGS)
#   tests_fuzz_fuzz_x_LDADD   = $(EDX_PROTO)
#   EXTRA_DIST += tests/fuzz/seeds/fuzz_x/NAME …
# tests/fuzz/replay.sh, in make check, runs every target of FUZZ_TARGETS on its seeds.

FUZZ_TARGETS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(FUZZ_MAIN)
tests_fuzz_fuzz_frame_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_frame_LDADD   = $(EDX_PROTO)
EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_frame/bad-utf8 \
	tests/fuzz/seeds/fuzz_frame/begin \
	tests/fuzz/seeds/fuzz_frame/begin-short \
	tests/fuzz/seeds/fuzz_frame/claims-all \
	tests/fuzz/seeds/fuzz_frame/claims-map \
	tests/fuzz/seeds/fuzz_frame/dense \
	tests/fuzz/seeds/fuzz_frame/dense-u4 \
	tests/fuzz/seeds/fuzz_frame/empty \
	tests/fuzz/seeds/fuzz_frame/end \
	tests/fuzz/seeds/fuzz_frame/events \
	tests/fuzz/seeds/fuzz_frame/events-u4 \
	tests/fuzz/seeds/fuzz_frame/extension \
	tests/fuzz/seeds/fuzz_frame/kinds \
	tests/fuzz/seeds/fuzz_frame/nested-33 \
	tests/fuzz/seeds/fuzz_frame/offsets-fall \
	tests/fuzz/seeds/fuzz_frame/row-u1 \
	tests/fuzz/seeds/fuzz_frame/twice

# The daemon whole, in one thread, with its sockets in memory.
FUZZ_DAEMON = tests/fuzz/daemon.c tests/fuzz/daemon.h tests/fuzz/account.c tests/fuzz/account.h \
	tests/fuzz/expect.h
FUZZ_WRAP   = -Wl,--wrap=edx_socket_open,--wrap=edx_socket_free,--wrap=edx_socket_endpoint \
	-Wl,--wrap=edx_socket_receive,--wrap=edx_socket_send,--wrap=edx_link_wait \
	-Wl,--wrap=edx_socket_protocol_failures,--wrap=edx_socket_refusals \
	-Wl,--wrap=edx_intake_message,--wrap=edx_intake_bad \
	-Wl,--wrap=edx_analyst_start,--wrap=edx_analyst_give,--wrap=edx_log_write \
	-Wl,--wrap=edx_store_cube,--wrap=edx_store_cube_of \
	-Wl,--wrap=edx_store_maps,--wrap=edx_store_results \
	-Wl,--wrap=fdatasync,--wrap=fsync

FUZZ_TARGETS += tests/fuzz/fuzz_intake
tests_fuzz_fuzz_intake_SOURCES = tests/fuzz/fuzz_intake.c $(FUZZ_DAEMON) $(FUZZ_MAIN)
tests_fuzz_fuzz_intake_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_WRAP) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_intake_LDADD   = $(EDX_DAEMON)
EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_intake/ahead \
	tests/fuzz/seeds/fuzz_intake/count-huge \
	tests/fuzz/seeds/fuzz_intake/dense \
	tests/fuzz/seeds/fuzz_intake/ends-early \
	tests/fuzz/seeds/fuzz_intake/events \
	tests/fuzz/seeds/fuzz_intake/late \
	tests/fuzz/seeds/fuzz_intake/late-after-reset \
	tests/fuzz/seeds/fuzz_intake/parts \
	tests/fuzz/seeds/fuzz_intake/peak \
	tests/fuzz/seeds/fuzz_intake/repeat-v2 \
	tests/fuzz/seeds/fuzz_intake/requests \
	tests/fuzz/seeds/fuzz_intake/rows \
	tests/fuzz/seeds/fuzz_intake/rows-twice \
	tests/fuzz/seeds/fuzz_intake/same-name \
	tests/fuzz/seeds/fuzz_intake/set-drift \
	tests/fuzz/seeds/fuzz_intake/too-large \
	tests/fuzz/seeds/fuzz_intake/topics \
	tests/fuzz/seeds/fuzz_intake/waits

FUZZ_TARGETS += tests/fuzz/fuzz_control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c $(FUZZ_DAEMON) $(FUZZ_MAIN)
tests_fuzz_fuzz_control_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_WRAP) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_control_LDADD   = $(EDX_DAEMON)
EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_control/calibrate \
	tests/fuzz/seeds/fuzz_control/drift \
	tests/fuzz/seeds/fuzz_control/envelopes \
	tests/fuzz/seeds/fuzz_control/get-set \
	tests/fuzz/seeds/fuzz_control/history \
	tests/fuzz/seeds/fuzz_control/no-map \
	tests/fuzz/seeds/fuzz_control/profile \
	tests/fuzz/seeds/fuzz_control/region \
	tests/fuzz/seeds/fuzz_control/save-stop-reset \
	tests/fuzz/seeds/fuzz_control/set-wrong \
	tests/fuzz/seeds/fuzz_control/settings \
	tests/fuzz/seeds/fuzz_control/status \
	tests/fuzz/seeds/fuzz_control/subscribe

FUZZ_TARGETS += tests/fuzz/fuzz_config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c tests/fuzz/expect.h $(FUZZ_MAIN)
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_config_LDADD   = $(EDX_DAEMON)
EXTRA_DIST += \
	tests/fuzz/seeds/fuzz_config/bytes \
	tests/fuzz/seeds/fuzz_config/cut \
	tests/fuzz/seeds/fuzz_config/everything \
	tests/fuzz/seeds/fuzz_config/group-half-wrong \
	tests/fuzz/seeds/fuzz_config/include \
	tests/fuzz/seeds/fuzz_config/line-twice \
	tests/fuzz/seeds/fuzz_config/lines \
	tests/fuzz/seeds/fuzz_config/numbers \
	tests/fuzz/seeds/fuzz_config/router-no-record \
	tests/fuzz/seeds/fuzz_config/set \
	tests/fuzz/seeds/fuzz_config/set-wrong \
	tests/fuzz/seeds/fuzz_config/shipped \
	tests/fuzz/seeds/fuzz_config/string-astray \
	tests/fuzz/seeds/fuzz_config/unknown \
	tests/fuzz/seeds/fuzz_config/value \
	tests/fuzz/seeds/fuzz_config/value-deep \
	tests/fuzz/seeds/fuzz_config/value-group \
	tests/fuzz/seeds/fuzz_config/value-wrong \
	tests/fuzz/seeds/fuzz_config/wrong-type

# Ten times as many mutated messages as make check sends, judged by the second decoder; in a tree of
# --enable-sanitizers nothing leaks either.
PHONY_TARGETS += malformed-study
study: malformed-study
malformed-study: edxd$(EXEEXT)
	$(AM_TESTS_ENVIRONMENT) EDX_MUTATIONS=1000000 $(srcdir)/tests/python \
		$(srcdir)/tests/daemon_malformed.py Mutations
