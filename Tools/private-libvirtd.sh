#!/bin/bash
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs Debian's libvirtd in the foreground as if on a host of its own: own mount and host name, everything it writes below
# DIR, socket DIR/libvirt-sock. /dev/kvm is hidden from it, since a kvm device that does not work costs it a minute per
# start. Tests compare with it and benchmarks measure it; it is never used by vireod. Needs root.
# usage: Tools/private-libvirtd.sh DIR [HOSTNAME]
set -euo pipefail
directory=$1
name=${2:-oracle}

if [ "${PRIVATE_LIBVIRTD_STAGE:-}" != inside ]; then
    mkdir -p "$directory"
    chmod 755 "$directory"
    PRIVATE_LIBVIRTD_STAGE=inside exec unshare --mount --uts --propagation slave "$0" "$directory" "$name"
fi
hostname "$name"

# A /dev without kvm: real nodes for what QEMU and libvirt open, the host's own terminals.
devices=$directory/dev
mkdir -p "$devices"
mount -t tmpfs -o mode=755 tmpfs "$devices"
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0" "ptmx 5 2"; do
    read -r node major minor <<<"$node"
    mknod -m 666 "$devices/$node" c "$major" "$minor"
done
mkdir "$devices/pts" "$devices/shm"
for link in "fd /proc/self/fd" "stdin fd/0" "stdout fd/1" "stderr fd/2"; do
    read -r link target <<<"$link"
    ln -s "$target" "$devices/$link"
done
mount --bind /dev/pts "$devices/pts"
mount -t tmpfs -o mode=1777 tmpfs "$devices/shm"
while read -r _ where _; do
    case $where in /dev/*) umount -l "$where" 2>/dev/null || true ;; esac
done < <(tac /proc/mounts)
mount --move "$devices" /dev

# Its own state in the places that are compiled into it.
for place in /etc/libvirt /run/libvirt /var/cache/libvirt /var/lib/libvirt /var/log/libvirt; do
    mkdir -p "$directory/host$place" "$place"
    chmod 755 "$directory/host$place"
    mount --bind "$directory/host$place" "$place"
done
mkdir -p /etc/libvirt/qemu /var/lib/libvirt/qemu/nvram
chown -R libvirt-qemu:libvirt-qemu /var/lib/libvirt/qemu 2>/dev/null || true
identity=$directory/uuid
[ -s "$identity" ] || cat /proc/sys/kernel/random/uuid >"$identity"
printf '%s\n' "unix_sock_dir = \"$directory\"" 'auth_unix_rw = "none"' "host_uuid = \"$(cat "$identity")\"" \
    'max_clients = 10000' 'max_anonymous_clients = 10000' >/etc/libvirt/libvirtd.conf
printf '%s\n' 'stdio_handler = "file"' 'security_driver = "none"' 'cgroup_controllers = [ ]' \
    'remote_display_port_min = 7200' 'remote_display_port_max = 7400' >/etc/libvirt/qemu.conf
exec libvirtd --pid-file "$directory/libvirtd.pid" --config /etc/libvirt/libvirtd.conf
