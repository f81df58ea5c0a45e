# Unit, user and directories for systemd. The unit stands as a distribution installs it; make install
# puts the paths of this build in.
EXTRA_DIST += systemd/edxd.service systemd/edxweb.service systemd/edxd.sysusers systemd/edxd.tmpfiles

# Not by _DATA, as what is installed differs from what is here.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(systemdsystemunitdir)' '$(DESTDIR)$(prefix)/lib/sysusers.d' \
		'$(DESTDIR)$(prefix)/lib/tmpfiles.d'
	$(SED) -e 's|/usr/bin/edxd|$(bindir)/edxd|' -e 's|/etc/edxd/|$(sysconfdir)/edxd/|' \
		$(srcdir)/systemd/edxd.service >'$(DESTDIR)$(systemdsystemunitdir)/edxd.service'
	chmod 644 '$(DESTDIR)$(systemdsystemunitdir)/edxd.service'
if WEB
	$(SED) -e 's|/usr/bin/edxweb|$(bindir)/edxweb|' -e 's|/etc/edxd/|$(sysconfdir)/edxd/|' \
		$(srcdir)/systemd/edxweb.service >'$(DESTDIR)$(systemdsystemunitdir)/edxweb.service'
	chmod 644 '$(DESTDIR)$(systemdsystemunitdir)/edxweb.service'
endif
	$(INSTALL_DATA) $(srcdir)/systemd/edxd.sysusers '$(DESTDIR)$(prefix)/lib/sysusers.d/edxd.conf'
	$(INSTALL_DATA) $(srcdir)/systemd/edxd.tmpfiles '$(DESTDIR)$(prefix)/lib/tmpfiles.d/edxd.conf'

uninstall-local:
	rm -f '$(DESTDIR)$(systemdsystemunitdir)/edxd.service' \
		'$(DESTDIR)$(systemdsystemunitdir)/edxweb.service'
	rm -f '$(DESTDIR)$(prefix)/lib/sysusers.d/edxd.conf' '$(DESTDIR)$(prefix)/lib/tmpfiles.d/edxd.conf'
