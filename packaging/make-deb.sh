#!/bin/bash
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes dist/vireo_VERSION_ARCHITECTURE.deb of what lies in dist/, without a network. usage: packaging/make-deb.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1
architecture=$(dpkg --print-architecture)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
umask 022

packaging/install-files.sh "$tree" /usr
documents=$tree/usr/share/doc/vireo
mkdir -p "$documents" "$tree/DEBIAN"
{
    echo "Vireo is licensed under the Apache License, Version 2.0:"
    echo "Copyright 2026 The Vireo Authors. The text is in /usr/share/common-licenses/Apache-2.0."
} >"$documents/copyright"
gzip -9n <CHANGELOG.md >"$documents/changelog.gz"
cp README.md "$documents/"

# The system libraries that the programs load, as the packages that own them.
libraries=$(for program in "$tree/usr/sbin/vireod" "$tree/usr/bin/vireo"; do
    ldd "$program" | sed -n 's|.*=> \(/[^ ]*\) .*|\1|p'
done | sort -u | while read -r library; do
    dpkg-query -S "$(realpath "$library")" 2>/dev/null || dpkg-query -S "*/$(basename "$library")" 2>/dev/null || true
done | cut -d: -f1 | sort -u | paste -sd, | sed 's/,/, /g')

cat >"$tree/DEBIAN/control" <<C
Package: vireo
Version: $version
Architecture: $architecture
Maintainer: The Vireo Authors <maintainers@vireo.invalid>
Section: admin
Priority: optional
Installed-Size: $(du -sk "$tree" --exclude DEBIAN | cut -f1)
Depends: ${libraries:+$libraries, }qemu-system-x86
Recommends: dnsmasq-base, iproute2, libvirt-clients, nftables, ovmf, qemu-utils, swtpm
Suggests: ceph-common, lvm2, nfs-common, open-iscsi, parted, passt
Description: virtual machines with QEMU and KVM, for libvirt's clients and its own command
 vireod runs virtual machines and speaks libvirt's protocol, so that virsh, virt-install,
 virt-manager and every other client of libvirt work with it unchanged. vireo is its own
 command: one line to run a machine, watch it, and talk to it.
C
cat >"$tree/DEBIAN/postinst" <<'C'
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    if command -v systemd-sysusers >/dev/null; then
        systemd-sysusers vireo.conf
    else
        getent group vireo >/dev/null || addgroup --system --quiet vireo
        getent passwd vireo-qemu >/dev/null ||
            adduser --system --quiet --group --no-create-home --home /nonexistent vireo-qemu
        getent group kvm >/dev/null && adduser --quiet vireo-qemu kvm
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        if [ -z "$2" ]; then
            systemctl enable --now vireod.socket vireod-ro.socket vireod-http.socket vireod.service
        else
            # Guests run on while the daemon is exchanged.
            systemctl try-restart vireod.service
        fi
    fi
fi
C
cat >"$tree/DEBIAN/prerm" <<'C'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl disable --now vireod.service vireod.socket vireod-ro.socket vireod-http.socket
fi
C
cat >"$tree/DEBIAN/postrm" <<'C'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
fi
if [ "$1" = purge ]; then
    # Definitions, NVRAM and saved memory are the user's: they stay unless the directory is empty.
    rmdir /var/lib/vireo /etc/vireo 2>/dev/null || true
    rm -rf /var/log/vireo
fi
C
chmod 755 "$tree"/DEBIAN/post* "$tree/DEBIAN/prerm"
dpkg-deb --root-owner-group --build "$tree" "dist/vireo_${version}_${architecture}.deb"
