# Manual pages.
dist_man_MANS = \
	man/edx-protocol.7 \
	man/edxctl.1 \
	man/edxd.8 \
	man/edxd.conf.5 \
	man/edxmon.1 \
	man/edxplay.1 \
	man/edxr.5 \
	man/edxsim.1 \
	man/edxweb.1 \
	man/libedx.3
