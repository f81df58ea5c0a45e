# Manual pages.
dist_man_MANS =
dist_man_MANS += man/edxsim.1 man/edxplay.1
