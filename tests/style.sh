#!/usr/bin/env bash
# House rules that can be counted. Functions fit a screen: over all functions the median is at most
# 15 lines and nine in ten at most 45, from the signature's first line to the closing brace. Every C
# file is built and every test shipped, nothing is left for later, no warning is silenced, no path of
# one machine remains.
set -u -o pipefail

cd "${EDX_SRCDIR:-.}" || exit 1
folders=(proto analysis daemon instrument client lib bench tests)
mapfile -t files < <(find "${folders[@]}" -name '*.[ch]' | sort)
mapfile -t scripts < <(find tests -name '*.py' -o -name '*.sh' | sort)
failed=0

complain() {
    printf '%s\n' "$*"
    failed=1
}

# LINES FILE:LINE NAME of each function. clang-format puts the braces of a function, and only
# those, alone in the first column; make lint sees to that.
function_lengths() {
    awk '
        FNR == 1 { first = 1; inside = 0 }
        /^\{/ && !inside { inside = 1; next }
        /^\}/ && inside {
            name = signature
            sub(/[ \t]*\(.*/, "", name)
            sub(/.*[ \t*]/, "", name)
            print FNR - first + 1, FILENAME ":" first, name
            inside = 0; first = FNR + 1; signature = ""
            next
        }
        inside { next }
        /^[ \t]*$/ || /^#/ || /^\/[\/*]/ || /^ \*/ || /;[ \t]*$/ || /^\}/ { first = FNR + 1; signature = ""; next }
        { signature = signature $0 " " }' "$@"
}

check_lengths() {
    local lengths
    lengths=$(function_lengths "$@" | sort -n)
    awk -v median_limit=15 -v tenth_limit=45 '
        { n[NR] = $1; where[NR] = $2 " " $3 }
        END {
            if (NR == 0) { print "no function found: the counter is broken"; exit 1 }
            median = n[int((NR + 1) / 2)]
            at = int(NR * 0.9); if (at < 1) at = 1
            tenth = n[at]
            printf "%d functions: median %d lines, nine in ten at most %d, longest %d (%s)\n", NR, median, tenth, n[NR], where[NR]
            if (median <= median_limit && tenth <= tenth_limit) exit 0
            printf "expected a median of at most %d and nine in ten at most %d; the longest:\n", median_limit, tenth_limit
            for (i = NR; i > 0 && i > NR - 20; i--) print "  " n[i], where[i]
            exit 1
        }' <<<"$lengths"
}

# A file that no fragment names is neither built nor shipped.
check_listed() {
    local file
    for file in "${files[@]}" "${scripts[@]}"; do
        grep -qwF -- "$file" */local.mk tests/*.mk || complain "$file: named in no fragment, expected in ${file%%/*}/local.mk or tests/*.mk"
    done
}

# refuse PATTERN WHY FILE…
refuse() {
    local pattern=$1 why=$2 hits
    shift 2
    hits=$(grep -nE -- "$pattern" "$@" /dev/null) && complain "$hits" && complain "^ $why"
}

# A counter that counts nothing passes everything: count a known text first.
check_counter() {
    local found
    found=$(printf '%s\n' 'int x = 1;' '' 'static int *' 'edx_f(int a,' '      int b)' '{' '    if (a) {' '    }' '}' \
        'struct s {' '    int a;' '};' 'void edx_g(void)' '{' '}' | function_lengths - | awk '{ print $1, $3 }' | xargs)
    [ "$found" = "7 edx_f 3 edx_g" ] || complain "the counter of lines is broken: $found"
}

check_counter
check_lengths "${files[@]}" || failed=1
check_listed
# automake keeps one log for tests/x and tests/x.py, and runs only one of them.
for script in tests/*.py tests/*.sh; do
    [ ! -e "${script%.*}.c" ] || complain "$script: a test is named ${script%.*} already, expected another name"
done
later='\b(TO''DO|FIX''ME|X''XX|HA''CK)\b'
silenced='NO''LINT|cppcheck-''suppress|#[ ]*pragma (GCC|clang) diagnostic|clang-format ''off|attribute__.*no_sanitize'
refuse "$later" "something left for later" "${files[@]}"
refuse "$silenced" "a silenced warning" "${files[@]}"
refuse '[^a-z.]/(wo''rk|ho''me|ro''ot)/' "a path of one machine" "${files[@]}" README.md HACKING.md NEWS.md check.sh
mapfile -t built < <(printf '%s\n' "${files[@]}" | grep -v '^tests/')
refuse '\b(strcpy|strcat|sprintf|gets|alloca|strtok)\(' "an unbounded call" "${built[@]}"

exit $failed
