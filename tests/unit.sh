#!/usr/bin/env bash
# The systemd units: they say what the services need, and leave them little else. systemd-analyze scores
# what a service could do from 0 (nothing) to 10; it needs no running systemd.
set -u -o pipefail

failed=0

expect() {
    grep -qE -- "$2" "$1" || {
        echo "$1: no line matches /$2/"
        failed=1
    }
}

# verify UNIT PROGRAM: verify wants the program and the manual to be there: ours are, but not where
# they are installed.
verify() {
    local here said
    here=$(mktemp -d)
    printf '#!/bin/sh\n' >"$here/$2" && chmod +x "$here/$2"
    sed -e "s|/usr/bin/$2|$here/$2|" -e '/^Documentation=/d' "$1" >"$here/$2.service"
    if said=$(systemd-analyze verify --man=no "$here/$2.service" 2>&1) && [ -z "$said" ]; then :; else
        echo "systemd-analyze verify: $said"
        failed=1
    fi
    rm -rf "$here"
}

# score UNIT LIMIT: in tenths.
score() {
    systemd-analyze security --offline=true --threshold="$2" "$1" >"$EDX_BUILDDIR/unit-security.txt" 2>&1 || {
        echo "systemd-analyze scores $1 over $2 tenths:"
        grep -v '✓' "$EDX_BUILDDIR/unit-security.txt"
        failed=1
    }
}

edxd=$EDX_SRCDIR/systemd/edxd.service
expect "$edxd" '^Type=notify$'
expect "$edxd" '^User=edxd$'
expect "$edxd" '^StateDirectory=edxd$'
expect "$edxd" '^ExecStartPre=/.*/edxd -t '
expect "$edxd" '^ExecStart=/.*/edxd '
expect "$edxd" '^NoNewPrivileges=yes$'
expect "$edxd" '^CapabilityBoundingSet=$'
expect "$edxd" '^ProtectSystem=strict$'
expect "$edxd" '^SystemCallFilter=@system-service$'
expect "$edxd" '^SystemCallFilter=sched_setscheduler$'
expect "$edxd" '^WatchdogSec='

edxweb=$EDX_SRCDIR/systemd/edxweb.service
expect "$edxweb" '^DynamicUser=yes$'
expect "$edxweb" '^ExecStart=/.*/edxweb '
expect "$edxweb" '^CapabilityBoundingSet=$'
expect "$edxweb" '^ProtectSystem=strict$'
expect "$edxweb" '^SystemCallFilter=@system-service$'
expect "$edxweb" '^MemoryMax='

if command -v systemd-analyze >/dev/null; then
    verify "$edxd" edxd
    verify "$edxweb" edxweb
    score "$edxd" 15
    score "$edxweb" 15
else
    echo "no systemd-analyze here: the score was not checked"
fi
exit $failed
