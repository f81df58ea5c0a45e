#!/usr/bin/env bash
# Runs each fuzz target named in EDX_FUZZ_TARGETS on its seeds, from the source tree. A target
# without seeds fails: it would be a test that tests nothing.
set -u

cd "$EDX_BUILDDIR" || exit 1
failed=0
read -r -a targets <<<"${EDX_FUZZ_TARGETS-}"
if [ ${#targets[@]} -eq 0 ]; then
    echo "skipped: no fuzz target"
    exit 77
fi
for target in "${targets[@]}"; do
    name=$(basename "$target")
    mapfile -t seeds < <(find "$EDX_SRCDIR/tests/fuzz/seeds/$name" -type f 2>/dev/null | sort)
    if [ ${#seeds[@]} -eq 0 ]; then
        echo "$name: no seed in tests/fuzz/seeds/$name"
        failed=1
    elif ! timeout 120 "./$target" "${seeds[@]}"; then
        echo "$name: FAILED on one of its ${#seeds[@]} seeds"
        failed=1
    fi
done
exit $failed
