# Configuration, installed as $(sysconfdir)/edxd/edxd.conf.
edxconfdir = $(sysconfdir)/edxd
dist_edxconf_DATA = etc/edxd.conf

# Completion for bash, which looks for a file by the name of the program. A copy each, as a package may have
# some of the programs only.
completiondir = $(datadir)/bash-completion/completions
EXTRA_DIST   += etc/edx.bash

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(completiondir)'
	for p in $(bin_PROGRAMS); do \
	  $(INSTALL_DATA) $(srcdir)/etc/edx.bash "$(DESTDIR)$(completiondir)/$$(basename $$p $(EXEEXT))" || exit 1; \
	done

uninstall-hook:
	for p in $(bin_PROGRAMS); do rm -f "$(DESTDIR)$(completiondir)/$$(basename $$p $(EXEEXT))"; done
