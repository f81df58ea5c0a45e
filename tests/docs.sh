#!/usr/bin/env bash
# The manual says what is so: every key of the configuration, as edxd itself lists them, stands in
# man/edxd.conf.5 and none that is unknown; every published key stands under its topic in
# doc/protocol.md and no other, every command of the control socket too; manual pages format without
# a warning, and what README.md, doc/ and man/ name is there.
set -u -o pipefail

top=${EDX_SRCDIR:-.}
build=${EDX_BUILDDIR:-$top/build}
failed=0

complain() {
    printf '%s\n' "$*"
    failed=1
}

# same WHAT DOCUMENTED REAL: two sorted lists, of which neither may hold more than the other.
same() {
    local missing unknown
    [ "$(wc -l <<<"$3")" -gt 5 ] || complain "$1: found hardly any key, the test is broken: $3"
    missing=$(comm -13 <(echo "$2") <(echo "$3"))
    unknown=$(comm -23 <(echo "$2") <(echo "$3"))
    [ -z "$missing" ] || complain "$1: not documented: ${missing//$'\n'/, }"
    [ -z "$unknown" ] || complain "$1: documented, but nobody knows: ${unknown//$'\n'/, }"
}

# ---- configuration

# What edxd says to a key that cannot be: "… unknown key, expected one of a, b, c".
asked() { "$build/edxd" -t -c /dev/null -s "$1" 2>&1 | sed -n 's/.*unknown key, expected one \(of\|in\) //p' | tr -d ','; }

keys_under() {
    local key inside
    inside=$(asked "${1:+$1.}?=1")
    for key in $inside; do
        keys_under "${1:+$1.}$key"
    done
    [ -n "$inside" ] || echo "$1"
}

real_settings() {
    keys_under ''
    asked 'quant.lines=({nothing=1;})' | tr ' ' '\n' | sed 's/^/quant.lines[]./'
}

# The words of each line behind a .TP that begin like a key.
documented_settings() {
    awk 'tag { n = split($0, word, /[ ",=]+/); for (i = 2; i <= n; i++) if (word[i] ~ /^[a-z]+\./) print word[i] }
        { tag = /^\.TP/ }' "$top/man/edxd.conf.5"
}

# ---- publications

real_keys() {
    "$build/tests/print_keys" | sed -e '/^edx\.profile/!s/^[^ ]* counts$/head counts/' | grep -v '^head'
}

# Backticked names in the first cell of tables below "### edx.<topic>" of "## edxd to clients".
documented_keys() {
    awk '/^## / { inside = /^## edxd to clients/; topic = "" }
        /^### / { topic = $2 }
        inside && topic && /^\| `/ {
            split($0, cell, "|"); n = split(cell[2], word, "`")
            for (i = 2; i <= n; i += 2) print topic, word[i]
        }' "$top/doc/protocol.md"
}

# ---- commands

real_commands() { grep -oE '\{"[a-z]+", do_' "$top/daemon/control.c" | cut -d '"' -f 2; }

documented_commands() { awk '/^## / { inside = /^## Control/ } inside && /^\| `[a-z]+` \|/ && $2 != "`cmd`" { print $2 }' "$top/doc/protocol.md" | tr -d '`'; }

# ---- manual pages

check_pages() {
    local page said
    for page in "$top"/man/*.[1-8]; do
        said=$(groff -t -mandoc -Tutf8 -ww -z "$page" 2>&1)
        [ -z "$said" ] || complain "$said"
    done
}

# What others refer to: name.section of our pages, and files that README.md and doc/ name.
references() {
    sed -n -e 's/^\.BR \(edx[a-z.-]*\) (\([0-9]\)).*/man\/\1.\2/p' -e 's/^\.Xr \(edx[a-z.-]*\) \([0-9]\).*/man\/\1.\2/p' \
        "$top"/man/*.[1-8]
    grep -hoE '(^|[^/A-Za-z])(doc|man|etc|tools)/[A-Za-z0-9_./-]*[a-z0-9]' "$top/README.md" "$top"/doc/*.md | grep -oE '[a-z].*'
}

check_references() {
    local name
    while read -r name; do
        [ -e "$top/$name" ] || complain "$name: README.md, doc/ or man/ names it, and it is not there"
    done < <(references | sort -u)
}

same man/edxd.conf.5 "$(documented_settings | sort)" "$(real_settings | sort)"
same doc/protocol.md "$(documented_keys | sort)" "$(real_keys | sort)"
same "doc/protocol.md, control" "$(documented_commands | sort)" "$(real_commands | sort)"
check_references
if [ $failed = 0 ] && ! command -v groff >/dev/null; then
    echo "skipped: no groff to format the manual pages with; the keys are documented"
    exit 77
fi
check_pages

exit $failed
