# Unit, user and directories for systemd.
