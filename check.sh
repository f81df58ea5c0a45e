#!/usr/bin/env bash
# Sets up what is missing, builds, runs all tests; ends with "N passed, N failed[, N skipped]".
#
#   ./check.sh [BUILD_DIR [CONFIGURE_ARGUMENT…]]
set -u -o pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
build=${1:-build}
case $build in /*) ;; *) build=$top/$build ;; esac

"$top/tools/setup" "$@" || {
    echo "0 passed, 1 failed"
    exit 1
}

mkdir -p "$build"
log=$build/check.log
echo "check: running the tests in ${build#"$top"/} (log: $log)"
make -C "$build" -k -j"${EDX_JOBS:-$(nproc)}" check >"$log" 2>&1 </dev/null
made=$?
grep -E '^(PASS|FAIL|XPASS|XFAIL|SKIP|ERROR): ' "$log"

"$top/tools/tally" "$build" "$made" "$log"
