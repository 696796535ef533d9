#!/bin/sh
# Make a base image from Debian packages, where no image registry is reachable: make-offline-base.sh TAG
# Needs debootstrap, root, and a Debian mirror (the one of debootstrap, or DEBIAN_MIRROR). Takes about half a minute.
set -eu
tag=${1:?usage: make-offline-base.sh TAG}

fail() {
    echo "$1"
    exit 1
}
command -v debootstrap >/dev/null || fail "debootstrap is not installed; install the package debootstrap"
[ "$(id -u)" = 0 ] || fail "debootstrap needs root; run this as root, or use another base with --base"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM
debootstrap --variant=minbase --include=python3,python3-numpy bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
tar -C "$root" --exclude=./proc/* --exclude=./sys/* --exclude=./var/cache/apt/archives/*.deb -c . | docker import - "$tag"
