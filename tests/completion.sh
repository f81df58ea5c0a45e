#!/usr/bin/env bash
# Completion for bash: each option that a program's help names, and each that it takes by its source, is
# offered; where a value is one of a few, those are, and nothing else is.
set -u -o pipefail

top=${EDX_SRCDIR:-.}
build=${EDX_BUILDDIR:-$top/build}
PATH=$build:$PATH
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
top=$(cd "$top" && pwd)
# shellcheck source=etc/edx.bash
source "$top/etc/edx.bash"

complain() {
    printf '%s\n' "$*"
    failed=1
}

# offered PROGRAM WORD…: what is offered for the last word, sorted, in one line.
offered() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _edx "$1"
    printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
}

# expect "WHAT IS OFFERED" PROGRAM WORD…
expect() {
    local want=$1 got
    shift
    got=$(offered "$@" 2>&1)
    [ "$got" = "$want" ] || complain "$*: offers \"$got\", expected \"$want\""
}

check_options() {
    local program=$1 source=$2 option all n=0
    if ! [ -x "$build/$program" ]; then
        echo "$program: not built here"
        return
    fi
    all=" $(offered "$program" --) "
    for option in $("$build/$program" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u) \
        $(grep -oE '\{"[a-z-]+", *(no|required|optional)_argument' "$top/$source" | cut -d '"' -f 2 | sed 's/^/--/'); do
        n=$((n + 1))
        [ "$option" = --color ] && continue # --colour, as spelt elsewhere
        case $all in *" $option "*) ;; *) complain "$program: does not offer $option" ;; esac
    done
    [ "$n" -ge 4 ] || complain "$program: found hardly any option, the test is broken"
    complete -p "$program" >/dev/null || complain "$program: has no completion"
}

check_options edxd daemon/edxd.c
check_options edxsim instrument/edxsim.c
check_options edxplay instrument/edxplay.c
check_options edxmon client/edxmon.c
check_options edxctl client/edxctl.c
check_options edxweb client/edxweb.c

expect "--scene --scenes" edxsim --sc
expect "dealer pub push" edxsim --pattern ""
expect "push" edxplay --pattern pus
expect "pub" edxsim --pattern = pub
expect "$("$build/edxsim" --scenes | sed 's/ .*//' | sort | xargs)" edxsim --scene ""
expect "sigma snr" edxmon --measure s
expect "maps" edxmon ma
expect "get" edxctl g
expect "region report reset" edxctl re
expect "quant.limit quant.lines" edxctl get quant.li
expect "ingest.endpoint" edxd -s ingest.e
expect "" edxd -s ingest.endpoint=
expect "particles pca profile" edxctl history p
expect "" edxsim --frames ""
cd "$work" && touch run.edxr map.pts notes.txt && mkdir runs || exit 1
expect "map.pts run.edxr runs/" edxplay ""
expect "run.edxr runs/" edxd --offline r
expect "run.edxr runs/" edxd --offline map.pts run
expect "runs" edxctl report r
expect "notes.txt" edxd --config n
expect "run.edxr runs/" edxsim -o r

exit $failed
