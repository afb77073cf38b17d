#!/bin/bash
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the Debian packages that are missing, and says nothing when none are.
# usage: Tools/install-deps.sh [build|demo|test|bench]    (each includes the ones before it)
set -euo pipefail

build=(build-essential ca-certificates comerr-dev git libdeflate-dev libext2fs-dev libisal-dev libsqlite3-dev libzstd-dev pkg-config python3 zlib1g-dev)
demo=(dnsmasq-base iproute2 libvirt-clients nftables ovmf qemu-system-x86 qemu-utils seabios)
test=(at-spi2-core dbus dosfstools e2fsprogs fdisk gir1.2-spiceclientgtk-3.0 imagemagick libiscsi-bin libvirt-daemon-system
    libxml2-utils lvm2 mtools nfs-ganesha-vfs openssl parted passt python3-libvirt python3-pyatspi qemu-block-extra rpcbind swtpm tgt
    virt-manager virtinst xdotool xfsprogs xvfb)
bench=(libvirt-dev)

case ${1:-build} in
build) wanted=("${build[@]}") ;;
demo) wanted=("${build[@]}" "${demo[@]}") ;;
test) wanted=("${build[@]}" "${demo[@]}" "${test[@]}") ;;
bench) wanted=("${build[@]}" "${demo[@]}" "${test[@]}" "${bench[@]}") ;;
*) echo "usage: $0 [build|demo|test|bench]" >&2; exit 64 ;;
esac

if [ -x /opt/swift/usr/bin/swift ]; then PATH=/opt/swift/usr/bin:$PATH; fi
if ! swift --version 2>/dev/null | grep -q "Swift version 6"; then
    echo "Swift 6.1 or newer is needed and was not found (Debian has no package of it)." >&2
    echo "Take the toolchain for Debian 12 from https://www.swift.org/install/linux/ and unpack it so that" >&2
    echo "/opt/swift/usr/bin/swift exists, or put its usr/bin first in PATH." >&2
    exit 69
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "These Debian packages (or what your system calls them) are needed: ${missing[*]}" >&2
    exit 69
fi
run=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        run=(sudo env)
    else
        echo "Missing Debian packages. Run this as root, then try again:" >&2
        echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 77
    fi
else
    run=(env)
fi

echo "Installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${run[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$log" 2>&1; }
if ! { apt install --no-install-recommends "${missing[@]}" ||
    { apt update && apt install --no-install-recommends "${missing[@]}"; }; }; then
    cat "$log" >&2
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 69
fi
