#!/usr/bin/env bash
# The systemd unit: says what the service needs, and leaves it little else. systemd-analyze scores what
# a service could do from 0 (nothing) to 10; it needs no running systemd.
set -u -o pipefail

unit=$EDX_BUILDDIR/systemd/edxd.service
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
if grep -n '@' "$unit" | grep -vE 'SystemCallFilter='; then
    echo "$unit: a name was not replaced"
    failed=1
fi
if command -v systemd-analyze >/dev/null; then
    systemd-analyze security --offline=true --threshold=20 "$unit" >"$EDX_BUILDDIR/unit-security.txt" 2>&1 || {
        echo "systemd-analyze scores the unit over 2.0:"
        grep -v '✓' "$EDX_BUILDDIR/unit-security.txt"
        failed=1
    }
else
    echo "no systemd-analyze here: the score was not checked"
fi
exit $failed
