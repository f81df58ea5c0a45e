# Manual pages.
dist_man_MANS = \
	man/edxplay.1 \
	man/edxsim.1
