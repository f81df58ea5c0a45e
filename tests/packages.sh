#!/usr/bin/env bash
# The Debian packages, as a user meets them: dpkg-buildpackage builds them from what is committed, lintian
# finds no error, they install into a new Debian of their own, programs run there, edxsim streams into
# edxd, a program compiles against libedx-dev, and removing them leaves the data and nothing else.
#
#   tests/packages.sh [KEEP_DIR]
#
# Takes minutes, root and the network (of the Debian mirror): make package-check runs it, make check does
# not. KEEP_DIR gets the packages. EDX_MIRROR and EDX_SUITE choose what debootstrap installs. Without
# debootstrap, packages are unpacked over this system's libraries in a root of their own instead.
set -u -o pipefail

# Mounts are this script's own, and go with it.
if [ "$(id -u)" -eq 0 ] && [ -z "${EDX_UNSHARED-}" ]; then
    EDX_UNSHARED=yes exec unshare --mount --propagation private bash "${BASH_SOURCE[0]}" "$@"
fi

top=${EDX_SRCDIR:-$(dirname "${BASH_SOURCE[0]}")/..}
top=$(cd "$top" && pwd) || exit 1
keep=${1-}
suite=${EDX_SUITE:-bookworm}
mirror=${EDX_MIRROR:-http://deb.debian.org/debian}
packages="edxd edx-clients libedx1 libedx-dev"
work=$(mktemp -d) || exit 1
root=$work/root
daemon=
trap 'stop_daemon; umount "$root/proc" 2>/dev/null; rm -rf --one-file-system "$work"' EXIT

say() { printf 'packages: %s\n' "$*"; }

die() {
    printf 'packages: %s\n' "$*"
    exit 1
}

stop_daemon() {
    [ -n "$daemon" ] && kill "$daemon" 2>/dev/null && wait "$daemon"
    daemon=
}

# run WHAT COMMAND…: with its output in a log, whose end is shown when it fails.
run() {
    local what=$1 start=$SECONDS
    shift
    if ! "$@" >"$work/log" 2>&1 </dev/null; then
        tail -n 40 "$work/log"
        die "$what: failed"
    fi
    say "$what: ok ($((SECONDS - start)) s)"
}

need() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || {
            echo "skipped: no $tool here; as root: apt-get install dpkg-dev debhelper lintian debootstrap"
            exit 77
        }
    done
    [ "$(id -u)" -eq 0 ] || {
        echo "skipped: not root, which installing packages needs"
        exit 77
    }
}

build() {
    mkdir -p "$work/src/edxd"
    git -C "$top" archive HEAD | tar -x -C "$work/src/edxd" || die "git archive failed: expected a git checkout"
    cd "$work/src/edxd" || exit 1
    run "dpkg-buildpackage" env DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage -us -uc -b
    cd "$work" || exit 1
    local package
    for package in $packages; do
        ls src/"${package}"_*.deb >/dev/null || die "$package: not built"
    done
    if [ -n "$keep" ]; then
        mkdir -p "$keep" && cp src/*.deb src/*.changes "$keep"
    fi
}

check_lint() {
    run "lintian" lintian --allow-root --fail-on error,warning \
        --suppress-tags initial-upload-closes-no-bugs src/*.changes
}

# ---- a root of its own

in_root() { chroot "$root" env LC_ALL=C.UTF-8 HOME=/root "$@"; }

apt_in_root() {
    in_root env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends "$@"
}

# What is there, but for the books of dpkg and apt, caches and logs.
list_root() {
    (cd "$root" && find . -xdev -path ./var/lib/dpkg -prune -o -path ./var/lib/apt -prune -o -path ./var/cache -prune -o \
        -path ./var/log -prune -o -path ./proc -prune -o -path ./tmp -prune -o -path ./dev -prune -o -print | sort)
}

make_root() {
    run "debootstrap $suite" debootstrap --variant=minbase "$suite" "$root" "$mirror"
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
    mount -t proc proc "$root/proc" || die "$root/proc: cannot be mounted, and systemd-tmpfiles wants it"
    mkdir -p "$root/debs" && cp src/edx*_*.deb src/libedx*_*.deb "$root/debs" && rm -f "$root"/debs/*dbgsym*
}

# What packages depend on goes in first, so that what remains at the end is theirs. gcc for libedx-dev.
install_needed() {
    local needed
    needed=$(for deb in "$root"/debs/*.deb; do dpkg-deb -f "$deb" Depends; done | tr ',' '\n' |
        sed -e 's/(.*//' -e 's/|.*//' -e 's/ //g' | grep -v '^\(lib\)\?edx' | sort -u)
    # shellcheck disable=SC2086
    run "what they depend on" apt_in_root install $needed adduser gcc libc6-dev pkg-config
}

install_packages() {
    list_root >"$work/before"
    run "installing" in_root sh -c 'dpkg -i /debs/*.deb'
    in_root getent passwd edxd >/dev/null || die "no user edxd was made"
    [ "$(in_root stat -c %U:%a /var/lib/edxd)" = edxd:750 ] || die "/var/lib/edxd: expected it to be edxd's, with mode 750"
}

# ---- what a user does

run_programs() {
    local program
    for program in edxd edxsim edxplay edxmon edxctl edxweb; do
        run "$program --version" in_root "$program" --version
        grep -q '^built with: ZeroMQ' "$work/log" || die "$program --version: lists no library"
        run "$program --help" in_root "$program" --help
    done
    run "edxd -t" in_root edxd -t -c /etc/edxd/edxd.conf
}

wait_for() {
    local i
    for ((i = 0; i < 300; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

socket_there() { [ -S "$root/run/edxd/control" ]; }

finished() { in_root edxctl --endpoint ipc:///run/edxd/control status 2>/dev/null | grep -q finished; }

# As the unit starts it: by user edxd, with its configuration, in its directory; sockets are files here, as
# the root shares this machine's network.
stream() {
    mkdir -p "$root/run/edxd" && in_root chown edxd:edxd /run/edxd
    chroot --userspec=edxd:edxd "$root" edxd -c /etc/edxd/edxd.conf -s output.dir=/var/lib/edxd \
        -s ingest.pattern=router -s ingest.endpoint=ipc:///run/edxd/ingest -s ingest.bind=true \
        -s publish.endpoint=ipc:///run/edxd/publish -s control.endpoint=ipc:///run/edxd/control 2>"$work/daemon.log" &
    daemon=$!
    wait_for socket_there || die "edxd did not start: $(cat "$work/daemon.log")"
    run "edxsim" in_root edxsim --scene agau-8nm --size 64 --frames 20 --speed max --pattern dealer --connect \
        --endpoint ipc:///run/edxd/ingest --timeout 60
    wait_for finished || die "edxd did not finish: $(cat "$work/daemon.log")"
    run "edxctl status" in_root edxctl --endpoint ipc:///run/edxd/control --json status
    grep -q '"received": *20,' "$work/log" || die "edxd did not receive 20 frames: $(cat "$work/log")"
    run "edxmon" in_root edxmon --endpoint ipc:///run/edxd/publish --once
    stop_daemon
    local file
    for file in recording.edxr cube.hspy results.h5; do
        [ -s "$root/var/lib/edxd/agau-8nm-s1/$file" ] || die "/var/lib/edxd/agau-8nm-s1/$file: missing"
    done
}

compile() {
    printf '%s\n' '#include <edx.h>' '#include <stdio.h>' \
        'int main(void) { return puts(edx_library_version()) < 0; }' >"$root/tmp/use.c"
    run "compiling against libedx-dev" in_root sh -c \
        'gcc /tmp/use.c -o /tmp/use $(pkg-config --cflags --libs libedx) && /tmp/use'
}

# ---- going away

left() { list_root | comm -13 "$work/before" - | grep -v '^\./etc/\(passwd\|group\|shadow\|gshadow\)-\?$'; }

# expect_left STEP FILES [PATTERN]: PATTERN is of what Debian keeps besides configuration until the purge:
# whether a unit was enabled.
expect_left() {
    local got
    got=$(left | grep -v '^\./var/lib/edxd' | grep -v '^\./run' | grep -vE "${3:-^$}")
    [ "$got" = "$2" ] || die "$1 left behind: $got; expected: $2"
    [ -s "$root/var/lib/edxd/agau-8nm-s1/recording.edxr" ] || die "$1 took the data away"
    say "$1: leaves ${2:-nothing} but data"
}

remove() {
    # shellcheck disable=SC2086
    run "removing" in_root dpkg --remove $packages
    expect_left "removal" "$(printf './etc/edxd\n./etc/edxd/edxd.conf')" \
        '^\./etc/systemd/system/.*wants/edxd\.service$|deb-systemd-helper-enabled/'
    # shellcheck disable=SC2086
    run "purging" in_root dpkg --purge $packages
    expect_left "purge" ""
}

# Without debootstrap: unpacked aside, with this system's libraries.
unpack_only() {
    local deb program
    for deb in src/edx*_*.deb src/libedx*_*.deb; do
        run "unpacking ${deb##*/}" dpkg --root="$root" --force-not-root --force-depends --unpack "$deb"
    done
    for program in edxd edxsim edxplay edxmon edxctl edxweb; do
        run "$program --version" env LD_LIBRARY_PATH="$(echo "$root"/usr/lib/*-linux-gnu)" "$root/usr/bin/$program" --version
    done
    say "no debootstrap here: packages were unpacked and programs started, not more"
}

need dpkg-buildpackage dh lintian git
build
check_lint
if command -v debootstrap >/dev/null; then
    make_root
    run "apt-get update" apt_in_root update
    install_needed
    install_packages
    run_programs
    stream
    compile
    remove
else
    mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" && touch "$root/var/lib/dpkg/status"
    unpack_only
fi
say "all as it should be"
