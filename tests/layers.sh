#!/usr/bin/env bash
# Fails when the tree is no longer a tree: an include or a symbol that runs against the arrows
#
#     daemon -> analysis -> proto <- instrument, client <- lib
#
# a cycle between files, a foreign library in more than one file of a folder or in a folder that
# may not know it, or a system header or symbol that a folder has no business with.
# It reads every #include, and what the convenience libraries define and leave undefined.
set -u -o pipefail

src=${EDX_SRCDIR:-.}
build=${EDX_BUILDDIR:-.}
nm=${NM:-nm}
read -r -a nm <<<"$nm"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

folders="proto analysis daemon instrument client lib"

# FOLDER: the folders whose headers and symbols it may use.
cat >"$work/arrows" <<'END'
proto proto
analysis analysis proto
daemon daemon analysis proto
instrument instrument proto
client client proto
lib lib client instrument proto
bench bench proto analysis daemon instrument client
tests tests proto analysis daemon instrument client lib
END

# FOLDER: the foreign libraries it may know, each in one file only.
cat >"$work/may" <<'END'
proto msgpack
analysis xraylib gsl blas fftw threads
daemon zmq hdf5 libconfig systemd czmq mpi
instrument zmq hdf5 jansson xraylib
client zmq czmq ncurses jansson libwebsockets zlib cairo hdf5
END

# LIBRARY HEADER-REGEX
cat >"$work/headers" <<'END'
msgpack ^msgpack(\.h|/)
zmq ^zmq(_utils)?\.h$
zlib ^zlib\.h$
czmq ^(czmq|z[a-z]+)\.h$
hdf5 ^(hdf5(_hl)?|H5[A-Za-z]*)\.h$
libconfig ^libconfig\.h$
jansson ^jansson\.h$
ncurses ^(ncursesw?/|n?curses\.h$|panel\.h$|term\.h$)
systemd ^systemd/
xraylib ^(xraylib/|xraylib.*\.h$)
gsl ^gsl/
blas ^(cblas|openblas.*|f77blas|lapacke?|lapacke_.*)\.h$
fftw ^fftw3.*\.h$
libwebsockets ^libwebsockets
cairo ^cairo(/|.*\.h$)
mpi ^mpi\.h$
sodium ^sodium
libedx ^edx\.h$
threads ^(pthread|threads|semaphore)\.h$
sockets ^(sys/socket|sys/un|netdb|netinet/.*|arpa/.*|poll|sys/epoll|sys/select)\.h$
syslog ^syslog\.h$
clock ^(time|sys/time|sys/timerfd)\.h$
cmocka ^cmocka\.h$
END

# LIBRARY SYMBOL-REGEX
cat >"$work/symbols" <<'END'
msgpack ^msgpack_
zmq ^zmq_
czmq ^(zactor|zarmour|zauth|zcert|zcertstore|zchunk|zconfig|zframe|zlist|zloop|zmsg|zpoller|zsock|zstr|zsys)_
hdf5 ^H5[A-Z]
libconfig ^config_(init|destroy|read|read_file|read_string|lookup|root_setting|setting_[a-z_]+|error_[a-z]+|write|write_file|set_[a-z_]+|get_[a-z_]+)$
jansson ^(json|jansson)_
ncurses ^(initscr|newterm|endwin|wprintw|waddn?str|waddnwstr|wmove|wrefresh|doupdate|wgetch|stdscr|curscr|keypad|setupterm|tigetnum|wattr_[a-z]+|init_pair|start_color)$
systemd ^sd_
xraylib ^(AtomicWeight|LineEnergy|EdgeEnergy|FluorYield|JumpFactor|RadRate|CS_[A-Za-z_0-9]+|CSb_[A-Za-z_0-9]+|FluorLine_[A-Za-z_]+|AtomicNumberToSymbol|SymbolToAtomicNumber|ElementDensity|AtomicLevelWidth|CosKronTransProb|ComptonEnergy|Fi|Fii|FF_Rayl|SF_Compt|xrlFree|xrl_[a-z_]+|XRayInit)$
gsl ^gsl_
blas ^(cblas_|openblas_|LAPACKE_|[sdcz](gemm|gemv|syrk|syev|syevd|gesdd|gesvd|potrf|potrs)_$)
fftw ^fftwf?_
libwebsockets ^lws_
zlib ^(deflate|inflate)([A-Z][A-Za-z0-9]*_?)?$
cairo ^cairo_
mpi ^MPI_
sodium ^(sodium|crypto)_
threads ^(pthread_|thrd_|mtx_|cnd_|sem_)
sockets ^(socket|connect|bind|listen|accept4?|poll|ppoll|select|epoll_[a-z]+|getaddrinfo|sendmsg|recvmsg)$
syslog ^(syslog|openlog|vsyslog|__syslog_chk)$
clock ^(clock_gettime|gettimeofday|time|nanosleep|clock_nanosleep|usleep|sleep)$
terminal ^(printf|__printf_chk|puts|putchar|perror|stdout|stderr|exit|_exit|abort)$
files ^(fopen(64)?|freopen(64)?|fdopen|open(64|at|at64)?|__open(64)?_2|creat(64)?|unlink|rename|mkdir|stat(64)?|opendir|mkstemp(64)?)$
END

# FOLDER: what else of the system it may not touch. Rooms that know no place, clock or log.
cat >"$work/never" <<'END'
proto threads sockets syslog clock terminal
analysis sockets syslog clock terminal files
lib threads sockets syslog terminal files
END

# Headers of C and POSIX that need no entry above; anything else must be put into a table.
system_headers='^(assert|ctype|errno|complex|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|tgmath|uchar|wchar|wctype|unistd|fcntl|getopt|dirent|endian|byteswap|langinfo|libgen|termios|glob|fnmatch|pwd|grp|sched|spawn|ftw|regex|iconv|cpuid|immintrin|nmmintrin|arm_acle|malloc|execinfo|sysexits|sanitizer/[a-z_]+|linux/[a-z_]+|sys/(types|stat|statvfs|mman|uio|file|ioctl|wait|resource|signalfd|eventfd|inotify|prctl|random|sendfile|utsname|param|auxv|ptrace|xattr|sysinfo|vfs))\.h$'

complaints=$work/complaints
: >"$complaints"
complain() { printf '%s\n' "$*" >>"$complaints"; }

may_use() { awk -v f="$1" '$1 == f { for (i = 2; i <= NF; i++) print $i }' "$work/$2"; }

# ---- includes

# FILE KIND NAME, KIND being " or <; comments and conditionals make no difference.
list_includes() {
    find proto analysis daemon instrument client lib bench tests -name '*.[ch]' -print0 2>/dev/null |
        sort -z | xargs -0 -r awk '
            match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*/) {
                s = substr($0, RSTART, RLENGTH)
                sub(/^[ \t]*#[ \t]*include[ \t]*/, "", s)
                print FILENAME, substr(s, 1, 1), substr(s, 2)
            }
            /^[ \t]*#[ \t]*include[ \t]+[A-Za-z_]/ { print FILENAME, "macro", "-" }'
}

library_of_header() { awk -v h="$1" 'h ~ $2 { print $1; exit }' "$work/headers"; }

check_local_include() {
    local file=$1 folder=${1%%/*} name=$2
    if ! [ -e "$name" ]; then
        complain "$file: includes \"$name\", expected a path from the top of the tree"
    elif ! may_use "$folder" arrows | grep -qx "${name%%/*}"; then
        complain "$file: includes \"$name\", but $folder may include only: $(may_use "$folder" arrows | xargs)"
    fi
}

check_foreign_include() {
    local file=$1 folder=${1%%/*} name=$2 library
    if [ -e "$name" ]; then
        complain "$file: includes <$name>, expected \"$name\" for a header of this tree"
        return
    fi
    library=$(library_of_header "$name")
    if [ -z "$library" ]; then
        [[ $name =~ $system_headers ]] ||
            complain "$file: includes <$name>, which tests/layers.sh does not know: add it to a table there"
        return
    fi
    case $folder in tests | bench) return ;; esac
    case $library in
    cmocka) complain "$file: includes <$name>, which belongs to tests/" ;;
    threads | sockets | syslog | clock)
        if may_use "$folder" never | grep -qx "$library"; then
            complain "$file: includes <$name>, but $folder may not know $library"
        elif may_use "$folder" may | grep -qx "$library"; then
            echo "$folder $library $file" >>"$work/owners"
        fi
        ;;
    *)
        if may_use "$folder" may | grep -qx "$library"; then
            echo "$folder $library $file" >>"$work/owners"
        else
            complain "$file: includes <$name>, but $folder may not know $library"
        fi
        ;;
    esac
}

check_includes() {
    local file kind name
    : >"$work/owners"
    while read -r file kind name; do
        case $kind in
        \") check_local_include "$file" "$name" ;;
        \<) check_foreign_include "$file" "$name" ;;
        *) complain "$file: includes a macro, expected a name that can be read" ;;
        esac
    done <"$work/includes"
    check_owners "$work/owners" "is included by"
}

# One library, one file of a folder.
check_owners() {
    local folder library files
    while read -r folder library files; do
        [ "$(wc -w <<<"$files")" -gt 1 ] &&
            complain "$folder: $library $2 more than one file: $files"
    done < <(sort -u "$1" | awk '{ k = $1 " " $2; f[k] = f[k] " " $3 } END { for (k in f) print k f[k] }' | sort)
}

# ---- cycles

# check_cycles WHAT <PAIRS: tsort names the members of each loop.
check_cycles() {
    tsort >/dev/null 2>"$work/loops" && return
    awk -v what="$1" '
        /input contains a loop:$/ { if (loop != "") print what ": a cycle:" loop; loop = ""; next }
        { loop = loop " " $2 }
        END { print what ": a cycle:" loop }' "$work/loops" >>"$complaints"
}

# Reads pairs of FOLDER/STEM and writes the pairs of modules. A module may have several files: where
# there is scene.h, scene_add.c and scene_inside.h belong to it, and count as one.
as_modules() {
    find . -name '*.h' -printf '%P\n' | sed 's/\.h$//' >"$work/headers.here"
    awk 'function module(stem,   part) {
             part = stem
             while (sub(/_[^_\/]*$/, "", part)) if (part in header) stem = part
             return stem
         }
         NR == FNR { header[$1] = 1; next }
         { a = module($1); b = module($2); if (a != b) print a, b }' "$work/headers.here" - | sort -u
}

check_include_cycles() {
    awk '$2 == "\"" && $1 ~ /\.h$/ { print $1, $3 }' "$work/includes" |
        check_cycles "headers that include each other"
    awk '$2 == "\"" { a = $1; b = $3; sub(/\.[ch]$/, "", a); sub(/\.[ch]$/, "", b); print a, b }' \
        "$work/includes" | as_modules | check_cycles "modules that include each other"
}

# ---- symbols

# LIBRARY-FOLDER OBJECT TYPE SYMBOL for each global symbol of each convenience library.
list_symbols() {
    local folder archive
    for folder in $folders; do
        archive=$build/.libs/libedx$folder.a
        if ! [ -e "$archive" ]; then
            complain "$archive: absent, expected the convenience library of $folder/"
            continue
        fi
        "${nm[@]}" -A -P -g "$archive" 2>/dev/null | awk -v f="$folder" '
            match($0, /\[[^]]*\]/) {
                object = substr($0, RSTART + 1, RLENGTH - 2)
                sub(/^libedx[a-z]*_la-/, "", object)
                sub(/\.l?o$/, "", object)
                rest = substr($0, RSTART + RLENGTH)
                sub(/^:[ \t]*/, "", rest)
                split(rest, part, " ")
                sub(/@.*/, "", part[1])
                print f, object, part[2], part[1]
            }'
    done
}

# FOLDER OBJECT SYMBOL OTHER-FOLDER OTHER-OBJECT for uses within the tree; the own folder's comes first.
list_uses() {
    awk 'NR == FNR { if ($3 !~ /^[Uwv]$/) { where[$4] = $1 " " $2; own[$1, $4] = $1 " " $2 } next }
         $3 ~ /^[Uwv]$/ && (($1, $4) in own) { print $1, $2, $4, own[$1, $4]; next }
         $3 ~ /^[Uwv]$/ && ($4 in where) { print $1, $2, $4, where[$4] }' "$1" "$1"
}

# A name with two meanings: a program that links both folders gets one of them.
check_twice() {
    awk '$3 ~ /^[TDBRC]$/ { if ($4 in where) print $4 ": defined by " where[$4] " and " $1 "/" $2 ", expected once"
                            where[$4] = $1 "/" $2 }' "$work/globals" >>"$complaints"
}

check_symbol_arrows() {
    local folder object symbol other other_object
    while read -r folder object symbol other other_object; do
        [ "$folder" = "$other" ] && continue
        may_use "$folder" arrows | grep -qx "$other" ||
            complain "$folder/$object: calls $symbol of $other/$other_object, but $folder may use only: $(may_use "$folder" arrows | xargs)"
    done <"$1"
    awk '{ print $1 "/" $2, $4 "/" $5 }' "$1" | as_modules | check_cycles "modules that call each other"
}

# FOLDER OBJECT LIBRARY SYMBOL for uses of what the tree does not define.
list_foreign_uses() {
    awk 'FILENAME == ARGV[1] { name[++n] = $1; pattern[n] = $2; next }
         FILENAME == ARGV[2] { if ($3 !~ /^[Uwv]$/) own[$4] = 1; next }
         $3 ~ /^[Uwv]$/ && !($4 in own) {
             for (i = 1; i <= n; i++) if ($4 ~ pattern[i]) { print $1, $2, name[i], $4; break }
         }' "$work/symbols" "$1" "$work/globals.again"
}

check_foreign_symbols() {
    local folder object library symbol
    : >"$work/callers"
    while read -r folder object library symbol; do
        if may_use "$folder" never | grep -qx "$library"; then
            complain "$folder/$object: calls $symbol, but $folder may not know $library"
        elif may_use "$folder" may | grep -qx "$library"; then
            echo "$folder $library $object" >>"$work/callers"
        else
            case $library in
            threads | sockets | syslog | clock | terminal | files) ;;
            *) complain "$folder/$object: calls $symbol, but $folder may not know $library" ;;
            esac
        fi
    done <"$1"
    check_owners "$work/callers" "is called by"
}

check_prefixes() {
    awk '$3 !~ /^[UwvVW]$/ && $4 !~ /^(edx_|_|asan\.|__asan)/ { print $1 "/" $2 ": defines " $4 ", expected the prefix edx_" }' \
        "$work/globals" >>"$complaints"
}

check_symbols() {
    list_symbols >"$work/globals"
    cp "$work/globals" "$work/globals.again"
    list_uses "$work/globals" >"$work/uses"
    check_symbol_arrows "$work/uses"
    list_foreign_uses "$work/globals" >"$work/foreign"
    check_foreign_symbols "$work/foreign"
    check_prefixes
    check_twice
}

cd "$src" || exit 1
build=$(cd "$OLDPWD" && cd "$build" && pwd) || exit 1
list_includes >"$work/includes"
check_includes
check_include_cycles
check_symbols

sort -u "$complaints"
if [ -s "$complaints" ]; then
    exit 1
fi
echo "$(wc -l <"$work/includes") includes and $(wc -l <"$work/globals") symbols checked"
