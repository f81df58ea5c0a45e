# Configuration, installed as $(sysconfdir)/edxd/edxd.conf.
edxconfdir = $(sysconfdir)/edxd
dist_edxconf_DATA = etc/edxd.conf
