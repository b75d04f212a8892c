#!/bin/sh
# Builds Debian's OpenSSH with the sensor:
#
#   build.sh deps    installs what Debian needs for building it, and its tests (as root)
#   build.sh sshd    fetches, edits and compiles it, into BUILD/openssh
#   build.sh deb     makes Debian's packages of it
#   build.sh test    runs the tests of what "sshd" has made (as root)
#
# RELEASE is the code name of the Debian that it is for. If that is not the
# machine's, all of it happens in a root folder of its own, below
# BUILD/openssh-RELEASE (as root).
#
# Called by make, which sets BUILD (absolute), GO and RELEASE.
set -eu
umask 022
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that called us
: "${BUILD:?}" "${GO:=go}"
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
machine=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
: "${RELEASE:=$machine}"
: "${WORK:=$BUILD/openssh$([ "$RELEASE" = "$machine" ] || echo "-$RELEASE")}"
root=$WORK/root
profiles='noudeb pkg.openssh.nognome nocheck'

fail() {
    printf 'openssh: %s\n' "$@" >&2
    exit 1
}

# --- Debian's source ------------------------------------------------------------------------

# Prints where the machine's own packages of Debian come from, for a release.
sources() {
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $keyring ] && signed="[signed-by=$keyring] " || signed=
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u | sed "s|^|deb $signed|; s| $machine\([ -]\)| $1\1|"
}

# apt reads nothing but what this writes: where the packages come from, with the
# sources of the same places.
configure_apt() {
    mkdir -p "$WORK/apt/lists/partial" "$WORK/apt/archives/partial"
    sources "$RELEASE" | sed 'h; s|^deb|deb-src|; H; x' >"$WORK/apt/sources.list"
    [ -s "$WORK/apt/sources.list" ] ||
        fail "apt knows no packages of Debian: run apt-get update; this is for Debian only"
    cat >"$WORK/apt/apt.conf" <<END
Dir::Etc::sourcelist "$WORK/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$WORK/apt/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
END
    export APT_CONFIG="$WORK/apt/apt.conf"
    apt-get -q update
}

deps() {
    configure_apt
    DEB_BUILD_PROFILES=$profiles apt-get -q -y --no-install-recommends build-dep openssh
    apt-get -q -y --no-install-recommends install openssh-client git rsync strace
}

fetch() {
    ls "$WORK"/openssh_*.dsc >/dev/null 2>&1 && return
    command -v dpkg-source >/dev/null || fail "dpkg-source is missing: make openssh-deps"
    configure_apt
    # Debian's own to compare with; the source last, as the sign that all is there.
    mkdir -p "$WORK/stock"
    (cd "$WORK/stock" && apt-get -q download openssh-server && dpkg-deb -x openssh-server_*.deb .)
    (cd "$WORK" && apt-get -q source --download-only openssh)
    unset APT_CONFIG
}

# Unpacks and edits, again if the edits are others now.
unpack() {
    dsc=$(ls "$WORK"/openssh_*.dsc)
    state=$(cat "$dsc" "$WORK/instrument" | sha256sum)
    [ "$(cat "$WORK/state" 2>/dev/null)" = "$state" ] && return
    rm -rf "$WORK/source" "$WORK/state"
    dpkg-source --no-check -x "$dsc" "$WORK/source" >"$WORK/unpack.log"
    "$WORK/instrument" "$WORK/source" >"$WORK/instrument.log"
    mark
    echo "$state" >"$WORK/state"
}

# A version of its own, above Debian's and below its next one.
mark() {
    log=$WORK/source/debian/changelog
    version=$(sed -n '1s/.*(\(.*\)).*/\1/p' "$log")
    {
        printf 'openssh (%s+local1) %s; urgency=medium\n\n  * Built with the sensor of Romanesco.\n\n -- %s  %s\n\n' \
            "$version" "$(sed -n '1s/.*) \(.*\);.*/\1/p' "$log")" \
            "${DEBFULLNAME:-The Romanesco authors} <${DEBEMAIL:-romanesco@example.org}>" "$(LC_ALL=C date -R)"
        cat "$log"
    } >"$log.new"
    mv "$log.new" "$log"
}

# Files that are the same keep their time. OpenSSH's Makefile does not look at headers.
add_ours() {
    for file in "$here"/*.c "$here"/*.h; do
        cmp -s "$file" "$WORK/source/${file##*/}" && continue
        cp "$file" "$WORK/source/"
        case $file in
        *.h) (cd "$WORK/source" && grep -l '"sensor[a-z-]*\.h"' ./*.c | xargs touch) ;;
        esac
    done
    # The library need not be installed for building.
    echo 'libbroccoli 5 libbroccoli5' >"$WORK/source/debian/shlibs.local"
    export BROCCOLI_CPPFLAGS="-I$BUILD/include" BROCCOLI_LIBS="-L$BUILD/lib -lbroccoli"
    export DEB_BUILD_PROFILES="$profiles" DEB_BUILD_OPTIONS=nocheck
}

check_deps() {
    (cd "$WORK/source" && DEB_BUILD_PROFILES=$profiles dpkg-checkbuilddeps) ||
        fail "install these, as root: make openssh-deps RELEASE=$RELEASE"
}

prepare() {
    fetch
    unpack
    check_deps
    add_ours
}

# --- Results --------------------------------------------------------------------------------

# quietly LOG COMMAND...
quietly() {
    log=$WORK/$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "$* has failed; all it said is in $log"
    }
}

# With Debian's own settings, but sshd and what the tests run with it only.
sshd() {
    prepare
    cd "$WORK/source"
    if [ ! -e debian/build-deb/Makefile ]; then
        quietly autoreconf.log dh_autoreconf
        quietly configure.log debian/rules override_dh_auto_configure-arch
    fi
    programs='sshd sftp-server'
    for program in sshd-session sshd-auth; do
        [ ! -e $program.c ] || programs="$programs $program"
    done
    quietly make.log make -C debian/build-deb -j"$(nproc)" $programs
    for program in $programs; do
        ln -sf source/debian/build-deb/$program "$WORK/"
    done
    echo "$WORK/sshd"
}

deb() {
    prepare
    cd "$WORK/source"
    rm -rf debian/build-deb
    LD_LIBRARY_PATH=$BUILD/lib quietly deb.log dpkg-buildpackage -b -us -uc
    ls "$WORK"/openssh-server_*.deb
}

run_tests() {
    (cd "$here/instrument" && ROMANESCO_OPENSSH=$WORK "$WORK/edittest" -test.run TestDebian)
    cd "$project/internal/test/sshdtest"
    ROMANESCO_OPENSSH=$WORK ROMANESCO_BUILD=$BUILD "$WORK/sshdtest" -test.v -test.timeout 40m ${RUN:+-test.run "$RUN"}
}

# --- Where it happens -----------------------------------------------------------------------

# What is made by Go, which a root folder does not have.
go_programs() {
    export CGO_ENABLED=0
    (cd "$here" && $GO build -buildvcs=false -o "$WORK/instrument" ./instrument)
    [ "$1" != test ] || {
        (cd "$here" && $GO test -c -o "$WORK/edittest" ./instrument)
        (cd "$project" && $GO test -c -o "$WORK/sshdtest" ./internal/test/sshdtest)
    }
    unset CGO_ENABLED
}

make_root() {
    [ ! -e "$root/etc/apt/sources.list.d/machine.list" ] || return 0
    command -v debootstrap >/dev/null || fail "debootstrap is missing: make openssh-deps RELEASE=$RELEASE"
    from=$(sources "$RELEASE" | sed -n "s|^deb \(\[.*\] \)\?\(.*\) $RELEASE main\$|\2|p" | head -n 1)
    [ -n "$from" ] || fail "apt knows no packages of Debian: run apt-get update; this is for Debian only"
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase "$RELEASE" "$root" "$from" >"$WORK/debootstrap.log" ||
        fail "debootstrap has failed; all it said is in $WORK/debootstrap.log"
    : >"$root/etc/apt/sources.list"
    sources "$RELEASE" >"$root/etc/apt/sources.list.d/machine.list"
}

# Runs COMMAND of this program in the root folder, with the paths of this
# machine and processes of its own: what is mounted and what runs there ends
# with it, however it ends.
elsewhere() {
    [ "$(id -u)" = 0 ] || fail "$RELEASE is not the release of this machine: a root folder needs root"
    [ "$1" != deps ] || command -v debootstrap >/dev/null || apt-get -q -y --no-install-recommends install debootstrap
    echo 'module root' >"$WORK/go.mod" # keeps what packages bring of Go out of "./..."
    make_root
    export BUILD GO RELEASE WORK
    unshare --mount --pid --fork --kill-child sh "$0" enter "$1"
}

enter() {
    mkdir -p "$root$project" "$root$BUILD"
    mount --bind "$project" "$root$project"
    mount --bind "$BUILD" "$root$BUILD"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t proc proc "$root/proc"
    cp -L /etc/hosts /etc/resolv.conf "$root/etc/"
    export INSIDE=yes HOME=/root LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    chroot "$root" sh "$here/build.sh" "$1"
}

case ${1:-} in
enter)
    enter "$2"
    exit
    ;;
deps | sshd | deb) what=$1 ;;
test) what=run_tests ;;
*) fail "usage: build.sh deps|sshd|deb|test" ;;
esac
mkdir -p "$WORK"
[ "$1" = deps ] || [ -n "${INSIDE:-}" ] || go_programs "$1"
if [ "$RELEASE" = "$machine" ]; then
    $what
else
    elsewhere "$1"
fi
