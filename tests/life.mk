# tests/life.mk: the daemon as systemd and people see it: watchdog, kill -9, random lives, tmux

check_PROGRAMS += tests/edxd_hang
tests_edxd_hang_SOURCES = daemon/edxd.c tests/hang.c
tests_edxd_hang_CPPFLAGS = $(edxd_CPPFLAGS)
tests_edxd_hang_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=edx_run_frame,--wrap=edx_publisher_serve
tests_edxd_hang_LDADD   = $(EDX_DAEMON)

TESTS      += tests/notify.py tests/kill.py tests/lifecycle.py tests/tmux_screen.py
EXTRA_DIST += tests/notify.py tests/kill.py tests/lifecycle.py tests/tmux_screen.py
