# Configuration, installed as $(sysconfdir)/edxd/edxd.conf.
