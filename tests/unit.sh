#!/usr/bin/env bash
# The systemd unit: says what the service needs, and leaves it little else. systemd-analyze scores what
# a service could do from 0 (nothing) to 10; it needs no running systemd.
set -u -o pipefail

unit=$EDX_SRCDIR/systemd/edxd.service
failed=0

expect() {
    grep -qE -- "$1" "$unit" || {
        echo "$unit: no line matches /$1/"
        failed=1
    }
}

expect '^Type=notify$'
expect '^User=edxd$'
expect '^StateDirectory=edxd$'
expect '^ExecStartPre=/.*/edxd -t '
expect '^ExecStart=/.*/edxd '
expect '^NoNewPrivileges=yes$'
expect '^WatchdogSec='
if command -v systemd-analyze >/dev/null; then
    # verify wants the program and the manual to be there: ours are, but not where they are installed.
    here=$(mktemp -d)
    printf '#!/bin/sh\n' >"$here/edxd" && chmod +x "$here/edxd"
    sed -e "s|/usr/bin/edxd|$here/edxd|" -e '/^Documentation=/d' "$unit" >"$here/edxd.service"
    if said=$(systemd-analyze verify --man=no "$here/edxd.service" 2>&1) && [ -z "$said" ]; then :; else
        echo "systemd-analyze verify: $said"
        failed=1
    fi
    rm -rf "$here"
    systemd-analyze security --offline=true --threshold=20 "$unit" >"$EDX_BUILDDIR/unit-security.txt" 2>&1 || {
        echo "systemd-analyze scores the unit over 2.0:"
        grep -v '✓' "$EDX_BUILDDIR/unit-security.txt"
        failed=1
    }
else
    echo "no systemd-analyze here: the score was not checked"
fi
exit $failed
