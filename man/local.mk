# Manual pages.
dist_man_MANS = \
	man/edxctl.1 \
	man/edxmon.1 \
	man/edxplay.1 \
	man/edxsim.1
