#!/usr/bin/env bash
# The test of tests/layers.sh: a small tree that keeps every rule passes; broken in one place at a
# time, it fails and says why.
set -u -o pipefail

layers=${EDX_SRCDIR:-.}/tests/layers.sh
layers=$(cd "$(dirname "$layers")" && pwd)/layers.sh
read -r -a cc <<<"${CC:-cc}"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

# put FILE LINE…
put() {
    mkdir -p "$work/tree/$(dirname "$1")"
    local file=$work/tree/$1
    shift
    printf '%s\n' "$@" >>"$file"
}

good_tree() {
    rm -rf "$work/tree"
    put proto/base.h 'int edx_base(int);'
    put proto/base.c '#include "proto/base.h"' '#include <stdint.h>' 'int edx_base(int a) { return a; }'
    put analysis/sum.h '#include "proto/base.h"' 'int edx_sum(int);'
    put analysis/sum.c '#include "analysis/sum.h"' 'int edx_sum(int a) { return edx_base(a); }'
    put daemon/run.h 'int edx_run(int);'
    put daemon/run.c '#include "daemon/run.h"' '#include "analysis/sum.h"' '#include <time.h>' \
        'int edx_run(int a) { return edx_sum(a) + (int)time(0); }'
    put instrument/sim.c '#include "proto/base.h"' 'int edx_sim(int);' 'int edx_sim(int a) { return edx_base(a); }'
    put lib/public.h 'int edx_public(int);'
    put lib/public.c '#include "lib/public.h"' '#include "client/show.h"' \
        'int edx_public(int a) { return edx_show(a); }'
    put client/show.h 'int edx_show(int);'
    put client/show.c '#include "proto/base.h"' 'int edx_show(int);' 'int edx_show(int a) { return edx_base(a); }'
}

# Compiles each folder into its library. A foreign header is an empty file in fake/.
compile() {
    local folder file
    rm -rf "$work/build"
    mkdir -p "$work/build/.libs" "$work/fake/gsl" "$work/fake/systemd"
    touch "$work"/fake/{zmq,msgpack,hdf5,ncurses,cblas,surprise,cmocka}.h "$work/fake/gsl/gsl_cdf.h"
    for folder in proto analysis daemon instrument client lib; do
        for file in "$work/tree/$folder"/*.c; do
            "${cc[@]}" -w -O0 -I"$work/tree" -I"$work/fake" -c "$file" \
                -o "$work/build/libedx${folder}_la-$(basename "$file" .c).o" || return 1
        done
        (cd "$work/build" && ar cr ".libs/libedx$folder.a" "libedx${folder}_la"-*.o) || return 1
    done
}

layers() { EDX_SRCDIR=$work/tree EDX_BUILDDIR=$work/build bash "$layers" >"$work/out" 2>&1; }

# broken NAME PATTERN: the tree as it stands must fail with a line that matches PATTERN.
broken() {
    if ! compile; then
        echo "FAIL $1: the scratch tree does not compile"
        failures=$((failures + 1))
    elif layers; then
        echo "FAIL $1: passed, expected a failure with /$2/"
        failures=$((failures + 1))
    elif ! grep -qE "$2" "$work/out"; then
        echo "FAIL $1: expected /$2/, got:"
        cat "$work/out"
        failures=$((failures + 1))
    else
        echo "ok   $1"
    fi
    good_tree
}

good_tree
if compile && layers; then
    echo "ok   a tree that keeps the rules"
else
    echo "FAIL a tree that keeps the rules: $(cat "$work/out")"
    failures=$((failures + 1))
fi

put analysis/sum_part.h '#include "analysis/sum.h"' 'int edx_part(int);'
put analysis/sum_part.c '#include "analysis/sum_part.h"' 'int edx_part(int a) { return a ? edx_sum(0) : 0; }'
put analysis/sum.c '#include "analysis/sum_part.h"' 'int edx_whole(int a) { return edx_part(a); }'
compile && layers || { echo "FAIL a module of two files: $(cat "$work/out")" && failures=$((failures + 1)); }
put analysis/other.c '#include "analysis/sum_part.h"' && put analysis/other.h ''
put analysis/sum_part.c '#include "analysis/other.h"'
broken "a cycle through one of a module's files" 'modules that include each other: a cycle.*analysis/other'

put proto/base.c '#include "analysis/sum.h"'
broken "proto includes analysis" 'proto/base.c: includes "analysis/sum.h", but proto may'
put analysis/sum.c '#include "daemon/run.h"'
broken "analysis includes daemon" 'analysis/sum.c: includes "daemon/run.h"'
put client/show.c '#include "analysis/sum.h"'
broken "client includes analysis" 'client/show.c: includes "analysis/sum.h"'
put client/show.c '#include "daemon/run.h"'
broken "client includes daemon" 'client/show.c: includes "daemon/run.h"'
put instrument/sim.c '  #  include "daemon/run.h"'
broken "instrument includes daemon, with blanks" 'instrument/sim.c: includes "daemon/run.h"'
put daemon/base.h '' && put daemon/run.c '#include "base.h"' && put base.h ''
broken "an include that is not from the top" 'includes "base.h", but daemon may|includes "base.h", expected'
put daemon/run.c '#include <proto/base.h>'
broken "a header of the tree in angle brackets" 'includes <proto/base.h>, expected'
put daemon/run.c '#define H "proto/base.h"' '#include H'
broken "an include that is a macro" 'includes a macro'

put daemon/a.h '#pragma once' '#include "daemon/b.h"' && put daemon/b.h '#pragma once' '#include "daemon/a.h"'
put daemon/run.c '#include "daemon/a.h"'
broken "two headers include each other" 'headers that include each other: a cycle'
put daemon/a.h '' && put daemon/b.h ''
put daemon/a.c '#include "daemon/b.h"' && put daemon/b.c '#include "daemon/a.h"'
broken "two modules include each other" 'modules that include each other: a cycle.*daemon/'
put daemon/a.c 'int edx_b(int);' 'int edx_a(int i) { return edx_b(i); }'
put daemon/b.c 'int edx_a(int);' 'int edx_b(int i) { return i ? edx_a(i - 1) : 0; }'
broken "two modules call each other" 'modules that call each other: a cycle.*daemon/'

put daemon/run.c '#include <zmq.h>' && put daemon/two.c '#include <zmq.h>'
broken "a foreign header in two files" 'daemon: zmq is included by more than one file: daemon/run.c daemon/two.c'
put daemon/run.c 'int zmq_a(void);' 'int edx_z(void) { return zmq_a(); }'
put daemon/two.c 'int zmq_b(void);' 'int edx_y(void) { return zmq_b(); }'
broken "a foreign library called by two files" 'daemon: zmq is called by more than one file: run two'
for pair in "daemon msgpack" "daemon ncurses" "daemon cblas" "daemon gsl/gsl_cdf" "analysis zmq" \
    "analysis hdf5" "analysis msgpack" "proto zmq" "proto hdf5" "client msgpack" "client gsl/gsl_cdf" \
    "instrument ncurses" "daemon cmocka"; do
    read -r folder library <<<"$pair"
    put "$folder/more.c" "#include <$library.h>"
    broken "$folder includes $library" "$folder/more.c: includes <$library.h>, (but $folder may not know|which belongs)"
done
put daemon/run.c '#include <surprise.h>'
broken "an unknown header" 'includes <surprise.h>, which tests/layers.sh does not know'
put analysis/sum.c 'int msgpack_x(void);' 'int edx_m(void) { return msgpack_x(); }'
broken "a foreign symbol without its header" 'analysis/sum: calls msgpack_x, but analysis may not know'

put analysis/sum.c 'int edx_run(int);' 'int edx_c(int i) { return edx_run(i); }'
broken "a call against the arrows without an include" 'analysis/sum: calls edx_run of daemon/run'
put client/show.c 'int edx_sum(int);' 'int edx_c(int i) { return edx_sum(i); }'
broken "client calls analysis" 'client/show: calls edx_sum of analysis/sum'
put client/show.c '#include "lib/public.h"'
broken "client includes lib" 'client/show.c: includes "lib/public.h"'
put instrument/sim.c 'int edx_public(int);' 'int edx_c(int i) { return edx_public(i); }'
broken "instrument calls lib" 'instrument/sim: calls edx_public of lib/public'
put lib/public.c '#include "daemon/run.h"'
broken "lib includes daemon" 'lib/public.c: includes "daemon/run.h"'
put lib/public.c '#include <stdio.h>' 'void edx_c(void) { puts(""); }'
broken "lib prints" 'lib/public: calls puts, but lib may not know terminal'
put analysis/sum.c '#include <time.h>'
broken "analysis includes the clock" 'analysis/sum.c: includes <time.h>, but analysis may not know clock'
put analysis/sum.c 'long time(long *);' 'int edx_c(void) { return (int)time(0); }'
broken "analysis asks the clock" 'analysis/sum: calls time, but analysis may not know clock'
put analysis/sum.c '#include <stdio.h>' 'void *edx_c(void) { return fopen("x", "r"); }'
broken "analysis opens a file" 'analysis/sum: calls fopen(64)?, but analysis may not know files'
put proto/base.c '#include <pthread.h>'
broken "proto includes threads" 'proto/base.c: includes <pthread.h>, but proto may not know threads'
put client/show.c 'int edx_run(int a) { return a; }'
broken "a public name defined twice" 'edx_run: defined by .* and .*, expected once'
put daemon/run.c 'int helper(void) { return 0; }'
broken "a public name without the prefix" 'daemon/run: defines helper, expected the prefix edx_'

rm -rf "$work/build/.libs"
compile && rm "$work/build/.libs/libedxclient.a"
layers && echo "FAIL a library is absent: passed" && failures=$((failures + 1))

[ "$failures" -eq 0 ]
