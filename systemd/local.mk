# Unit, user and directories for systemd.
EXTRA_DIST += systemd/edxd.service.in systemd/edxd.sysusers systemd/edxd.tmpfiles

systemdsystemunit_DATA = systemd/edxd.service
CLEANFILES            += systemd/edxd.service

systemd/edxd.service: $(srcdir)/systemd/edxd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && $(SED) -e 's|@bindir[@]|$(bindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' $(srcdir)/systemd/edxd.service.in >$@.new && mv $@.new $@

# Not by _DATA, as the installed names differ from those here.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(prefix)/lib/sysusers.d' '$(DESTDIR)$(prefix)/lib/tmpfiles.d'
	$(INSTALL_DATA) $(srcdir)/systemd/edxd.sysusers '$(DESTDIR)$(prefix)/lib/sysusers.d/edxd.conf'
	$(INSTALL_DATA) $(srcdir)/systemd/edxd.tmpfiles '$(DESTDIR)$(prefix)/lib/tmpfiles.d/edxd.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/edxd.conf' '$(DESTDIR)$(prefix)/lib/tmpfiles.d/edxd.conf'
