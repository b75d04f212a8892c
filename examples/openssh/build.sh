#!/bin/sh
# Builds Debian's OpenSSH with the sensor:
#
#   build.sh deps    installs what Debian needs for building it (as root)
#   build.sh sshd    fetches, edits and compiles it, into BUILD/openssh
#   build.sh deb     makes Debian's packages of it
#
# Called by make, which sets BUILD (absolute) and GO.
set -eu
umask 022
unset MAKEFLAGS MFLAGS MAKELEVEL # of the make that called us
: "${BUILD:?}" "${GO:=go}"
here=$(cd "$(dirname "$0")" && pwd)
work=$BUILD/openssh
profiles='noudeb pkg.openssh.nognome nocheck'

fail() {
    printf 'openssh: %s\n' "$@" >&2
    exit 1
}

# --- Debian's source ------------------------------------------------------------------------

# apt reads nothing but what this writes: where the machine's own packages of
# Debian come from, with the sources of the same places.
configure_apt() {
    mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $keyring ] && signed="[signed-by=$keyring] " || signed=
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
        sort -u | sed "s|^|deb $signed|; h; s|^deb|deb-src|; H; x" >"$work/apt/sources.list"
    [ -s "$work/apt/sources.list" ] ||
        fail "apt knows no packages of Debian: run apt-get update; this is for Debian only"
    cat >"$work/apt/apt.conf" <<END
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/apt/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
END
    export APT_CONFIG="$work/apt/apt.conf"
    apt-get -q update
}

deps() {
    configure_apt
    DEB_BUILD_PROFILES=$profiles apt-get -q -y --no-install-recommends build-dep openssh
    apt-get -q -y --no-install-recommends install openssh-client
}

fetch() {
    ls "$work"/openssh_*.dsc >/dev/null 2>&1 && return
    command -v dpkg-source >/dev/null || fail "dpkg-source is missing: make openssh-deps"
    configure_apt
    # Debian's own to compare with, see TestLoginsPerSecond; the source last, as the sign that all is there.
    mkdir -p "$work/stock"
    (cd "$work/stock" && apt-get -q download openssh-server && dpkg-deb -x openssh-server_*.deb .)
    (cd "$work" && apt-get -q source --download-only openssh)
    unset APT_CONFIG
}

# Unpacks and edits, again if the edits are others now.
unpack() {
    dsc=$(ls "$work"/openssh_*.dsc)
    state=$(cat "$dsc" "$here"/instrument/*.go | sha256sum)
    [ "$(cat "$work/state" 2>/dev/null)" = "$state" ] && return
    rm -rf "$work/source" "$work/state"
    dpkg-source --no-check -x "$dsc" "$work/source" >"$work/unpack.log"
    (cd "$here" && $GO run ./instrument "$work/source") >"$work/instrument.log"
    mark
    echo "$state" >"$work/state"
}

# A version of its own, above Debian's and below its next one.
mark() {
    log=$work/source/debian/changelog
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
        cmp -s "$file" "$work/source/${file##*/}" && continue
        cp "$file" "$work/source/"
        case $file in
        *.h) (cd "$work/source" && touch sensor-*.c audit-broccoli.c sshd.c session.c channels.c monitor.c) ;;
        esac
    done
    # The library need not be installed for building.
    echo 'libbroccoli 5 libbroccoli5' >"$work/source/debian/shlibs.local"
    export BROCCOLI_CPPFLAGS="-I$BUILD/include" BROCCOLI_LIBS="-L$BUILD/lib -lbroccoli"
    export DEB_BUILD_PROFILES="$profiles" DEB_BUILD_OPTIONS=nocheck
}

check_deps() {
    (cd "$work/source" && DEB_BUILD_PROFILES=$profiles dpkg-checkbuilddeps) ||
        fail "install these, as root: make openssh-deps"
}

prepare() {
    mkdir -p "$work"
    fetch
    unpack
    check_deps
    add_ours
}

# --- Results --------------------------------------------------------------------------------

# quietly LOG COMMAND...
quietly() {
    log=$work/$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 30 "$log" >&2
        fail "$* has failed; all it said is in $log"
    }
}

# With Debian's own settings, but sshd and what the tests run with it only.
sshd() {
    prepare
    cd "$work/source"
    if [ ! -e debian/build-deb/Makefile ]; then
        quietly autoreconf.log dh_autoreconf
        quietly configure.log debian/rules override_dh_auto_configure-arch
    fi
    quietly make.log make -C debian/build-deb -j"$(nproc)" sshd sftp-server
    ln -sf source/debian/build-deb/sshd source/debian/build-deb/sftp-server "$work/"
    echo "$work/sshd"
}

deb() {
    prepare
    cd "$work/source"
    rm -rf debian/build-deb
    LD_LIBRARY_PATH=$BUILD/lib quietly deb.log dpkg-buildpackage -b -us -uc
    ls "$work"/openssh-server_*.deb
}

case ${1:-} in
deps | sshd | deb) "$1" ;;
*) fail "usage: build.sh deps|sshd|deb" ;;
esac
