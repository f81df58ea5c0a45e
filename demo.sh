#!/usr/bin/env bash
# A simulated microscope scans an AgAu particle, edxd analyses it live, and the composition that it
# finds is printed beside the truth.
#
#   ./demo.sh [--keep]     --keep: leave the daemon running and say how to watch it
set -u -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
build=$top/build
speed=${EDX_DEMO_SPEED:-10} # times real time: 100 frames of 4.1 s in 41 s
keep=no
page=
case "${1-}" in
'') ;;
--keep) keep=yes ;;
*)
    echo "usage: demo.sh [--keep]" >&2
    exit 2
    ;;
esac

die() {
    printf 'demo.sh: %s\n' "$*" >&2
    exit 1
}

"$top/tools/setup" || exit 1
for program in edxd edxsim edxctl; do
    [ -x "$build/$program" ] || die "$build/$program: absent, expected it from tools/setup"
done
python=$(sed -n "s/^EDX_PYTHON = //p" "$build/Makefile")
[ -n "$python" ] || die "no Python with h5py and numpy: run tools/setup, which installs them"

dir=$(mktemp -d "${TMPDIR:-/tmp}/edxd-demo.XXXXXX") || exit 1
ingest=ipc://$dir/ingest
publish=ipc://$dir/publish
control=ipc://$dir/control
daemon=
web=
simulator=

finish() {
    local process
    [ -n "$simulator" ] && kill "$simulator" 2>/dev/null
    [ "$keep" = yes ] && return
    for process in $web $daemon; do
        kill "$process" 2>/dev/null
        wait "$process" 2>/dev/null
    done
}
trap finish EXIT
trap 'exit 130' INT TERM

ask() { "$build/edxctl" --endpoint "$control" --json "$@" 2>/dev/null; }

alive() { kill -0 "$1" 2>/dev/null; }

start_daemon() {
    "$build/edxd" -s ingest.endpoint="$ingest" -s ingest.pattern=pull -s publish.endpoint="$publish" \
        -s control.endpoint="$control" -s output.dir="$dir/runs" \
        -s 'quant.lines=({line="Ag_La"; k=1.44; k_sigma=0.01;},{line="Au_Ma"; k=1.0;})' \
        >"$dir/edxd.log" 2>&1 &
    daemon=$!
    for _ in $(seq 100); do
        ask status >/dev/null && return 0
        alive "$daemon" || break
        sleep 0.1
    done
    tail -n 20 "$dir/edxd.log" >&2
    die "edxd did not start: see $dir/edxd.log"
}

# The page; on a port of its own where the usual one is taken.
start_web() {
    local listen
    for listen in 127.0.0.1:5580 127.0.0.1:0; do
        "$build/edxweb" --endpoint "$publish" --control "$control" --listen "$listen" \
            --root "$top/client/web/dist" --runs "$dir/runs" >"$dir/edxweb.log" 2>&1 &
        web=$!
        for _ in $(seq 50); do
            page=$(grep -oE 'http://[^ ]+' "$dir/edxweb.log" | head -n 1)
            [ -n "$page" ] && return 0
            alive "$web" || break
            sleep 0.1
        done
        kill "$web" 2>/dev/null
        web=
    done
    tail -n 5 "$dir/edxweb.log" >&2
    die "edxweb did not start: see $dir/edxweb.log"
}

# One line while the frames arrive; a new line each time where nobody watches.
watch_run() {
    local status state frames counts end=$'\n' deadline=$((SECONDS + 170))
    [ -t 1 ] && end=$'\r'
    while [ $SECONDS -lt $deadline ]; do
        status=$(ask status) || die "edxd does not answer: see $dir/edxd.log"
        read -r state frames counts < <(jq -r '[.state, .frames, .counts] | @tsv' <<<"$status")
        printf '  %-10s %3s of 100 frames, %s counts   %s' "$state" "$frames" "$counts" "$end"
        [ "$state" = finished ] && break
        alive "$daemon" || die "edxd ended: see $dir/edxd.log"
        sleep 2
    done
    [ "$end" = $'\r' ] && echo
    [ "$state" = finished ] || die "the run did not finish within 170 s: see $dir"
}

echo "demo: edxd listens, a simulated microscope scans an 8 nm AgAu particle at $speed x real time"
start_daemon
if [ -x "$build/edxweb" ]; then
    start_web
    echo "demo: watch it in a browser: $page"
fi
"$build/edxsim" --scene agau-8nm --seed 1 --endpoint "$ingest" --pattern push --speed "$speed" \
    --truth "$dir/truth.json" >"$dir/edxsim.log" 2>&1 &
simulator=$!
watch_run
wait "$simulator" || {
    tail -n 5 "$dir/edxsim.log" >&2
    die "edxsim failed: see $dir/edxsim.log"
}
simulator=
ask save >/dev/null || die "edxd could not save: see $dir/edxd.log"

run=$(find "$dir/runs" -name results.h5 -print -quit)
[ -n "$run" ] || die "no results.h5 under $dir/runs"
run=$(dirname "$run")
echo "demo: what edxd found of the particle, beside the truth; k = 1.44 +- 0.01"
"$python" -B "$top/tools/demo_result.py" "$run/results.h5" "$dir/truth.json" || exit 1

cat <<END
demo: files are in $run
  results.h5      every result           h5dump -n $run/results.h5
  cube.hspy       the summed cube        python3 -c 'import hyperspy.api as hs; print(hs.load("$run/cube.hspy"))'
  recording.edxr  every message          $build/edxd --offline $run/recording.edxr -o DIR
END
if [ "$keep" = yes ]; then
    disown -a
    cat <<END
demo: edxd stays up as process $daemon${web:+, its page as $web} (end with: kill $daemon $web)
  the page        ${page:-not built: see configure}
  watch           $build/edxmon --endpoint $publish
  ask             $build/edxctl --endpoint $control status
  send frames to  $ingest (pull: an instrument binds and pushes)
END
fi
