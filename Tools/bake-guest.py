#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Bakes the small guest of demo, tests and benchmarks from Debian packages: a cloud kernel and a busybox initramfs.

usage: bake-guest.py [DIRECTORY]     (default: .cache/guest of this checkout)

Leaves vmlinuz, initrd.img, initrd-agent.img (with the QEMU guest agent) and, where this machine has the tools that it takes
along, initrd-disks.img (with the agent and with tools for partitions, LVM and file systems). The guest boots under TCG in two to four
seconds, prints GUEST-READY on its serial console and runs a shell there with the prompt "guest# "; it obeys the power
button. What was baked is kept; a changed recipe bakes again.
"""
import glob
import gzip
import hashlib
import os
import re
import subprocess
import sys

PACKAGES = ["busybox-static", "qemu-guest-agent"]
MODULES = [
    "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_balloon", "virtio_scsi", "virtio_rng", "virtio_input",
    "sd_mod", "sr_mod", "isofs", "ata_piix", "evdev", "button", "pvpanic_pci", "pvpanic_mmio", "vmw_vsock_virtio_transport",
]
# What a guest has that partitions its disks, and makes and grows file systems.
DISK_MODULES = ["ext4", "dm_mod"]
DISK_TOOLS = ["/sbin/sfdisk", "/usr/bin/partx", "/sbin/mke2fs", "/sbin/resize2fs", "/sbin/lvm"]

INIT = """#!/bin/sh
export PATH=/bin:/sbin:/usr/sbin HOME=/root TERM=vt100
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/virtio-ports
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
for module in $(cat /etc/modules); do insmod /lib/modules/$module 2>/dev/null; done
hostname guest
for port in /sys/class/virtio-ports/*; do
    [ -e "$port/name" ] && ln -s ../${port##*/} /dev/virtio-ports/$(cat $port/name)
done
ip link set lo up
if [ -e /sys/class/net/eth0 ]; then
    ip link set eth0 up
    udhcpc -i eth0 -b -q -S -s /etc/udhcpc.sh >/dev/null 2>&1 &
fi
acpid -l /dev/null
agent=/dev/virtio-ports/org.qemu.guest_agent.0
[ -x /usr/sbin/qemu-ga ] && [ -e $agent ] && qemu-ga -d -m virtio-serial -p $agent -t /run
console=/dev/console
[ -c /dev/ttyS0 ] && { : >/dev/ttyS0; } 2>/dev/null && console=/dev/ttyS0
echo "GUEST-READY $(uname -r), up $(cut -d' ' -f1 /proc/uptime) s" >$console
while :; do
    setsid sh -c "exec cttyhack sh -l <$console >$console 2>&1"
done
"""

UDHCPC = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev $interface
ip addr add $ip/${mask:-24} dev $interface
for gateway in $router; do ip route add default via $gateway; done
for server in $dns; do echo nameserver $server; done >/etc/resolv.conf
"""

SHUTDOWN = """#!/bin/sh
case "$1" in
-r) action=reboot ;;
*) action=poweroff ;;
esac
(sleep 0.2; $action -f) &
"""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def kernel_package():
    """The name of the package behind linux-image-cloud-amd64, such as linux-image-6.1.0-56-cloud-amd64."""
    for attempt in ("cached", "updated"):
        if attempt == "updated" and os.geteuid() == 0:
            subprocess.run(["apt-get", "-q", "update"], capture_output=True)
        known = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
        match = re.search(r"Depends: (linux-image-\d\S*)", known)
        if match:
            return match.group(1)
    raise SystemExit("bake-guest: apt knows no linux-image-cloud-amd64; run `apt-get update` as root")


def unpack(directory):
    """Downloads the packages that are not there yet and unpacks them; returns the tree."""
    downloads, tree = os.path.join(directory, "packages"), os.path.join(directory, "tree")
    os.makedirs(downloads, exist_ok=True)
    os.makedirs(tree, exist_ok=True)
    for package in [kernel_package()] + PACKAGES:
        if not glob.glob(os.path.join(downloads, package + "_*.deb")):
            try:
                run("apt-get", "-q", "download", package, cwd=downloads)
            except subprocess.CalledProcessError as error:
                raise SystemExit("bake-guest: cannot download %s:\n%s" % (package, error.stderr))
        run("dpkg-deb", "-x", glob.glob(os.path.join(downloads, package + "_*.deb"))[0], tree)
    return tree


class Archive:
    """A cpio archive in the "newc" format, which is what the kernel unpacks as its first file system."""

    def __init__(self):
        self.bytes = bytearray()
        self.directories = set()
        self.inode = 0

    def entry(self, name, mode, data):
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        self.bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self.bytes += b"\0" * (-len(self.bytes) % 4)
        self.bytes += data
        self.bytes += b"\0" * (-len(self.bytes) % 4)

    def directory(self, name):
        if name and name not in self.directories:
            self.directory(os.path.dirname(name))
            self.directories.add(name)
            self.entry(name, 0o040755, b"")

    def file(self, name, data, mode=0o755):
        self.directory(os.path.dirname(name))
        self.entry(name, 0o100000 | mode, data.encode() if isinstance(data, str) else data)

    def link(self, name, target):
        self.directory(os.path.dirname(name))
        self.entry(name, 0o120777, target.encode())

    def finish(self):
        self.entry("TRAILER!!!", 0, b"")
        return bytes(self.bytes)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def modules_in_order(tree, names):
    """The paths of modules and of what they need, each after what it depends on. Built-in ones are left out."""
    paths = {}
    for path in glob.glob(tree + "/lib/modules/*/kernel/**/*.ko", recursive=True):
        paths[os.path.basename(path)[:-3].replace("-", "_")] = path
    ordered = []

    def add(name):
        path = paths.get(name.replace("-", "_"))
        if path is None or path in ordered:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", read(path))
        for other in depends.group(1).decode().split(",") if depends else []:
            if other:
                add(other)
        ordered.append(path)

    for module in names:
        add(module)
    return ordered


def libraries_of(program):
    """The shared libraries that `program` loads on this machine, as absolute paths."""
    return sorted(set(re.findall(r"(/\S+) \(0x", run("ldd", program))))


def build(tree, with_agent, with_disks=False):
    archive = Archive()
    for name in ("dev", "proc", "sys", "tmp", "run", "root", "mnt", "etc/acpi/PWRF", "var/log", "usr/local/var"):
        archive.directory(name)
    archive.link("var/run", "../run")
    busybox = next(p for p in (tree + "/bin/busybox", tree + "/usr/bin/busybox") if os.path.exists(p))
    archive.file("bin/busybox", read(busybox))
    for applet in run(busybox, "--list").split():
        if applet != "busybox":
            archive.link("bin/" + applet, "busybox")
    modules = modules_in_order(tree, MODULES + (DISK_MODULES if with_disks else []))
    for path in modules:
        archive.file("lib/modules/" + os.path.basename(path), read(path), 0o644)
    archive.file("etc/modules", "\n".join(os.path.basename(path) for path in modules) + "\n", 0o644)
    archive.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n", 0o644)
    archive.file("etc/group", "root:x:0:\nguest:x:1000:\n", 0o644)
    archive.file("etc/shadow", "root:*:19000:0:99999:7:::\nguest:*:19000:0:99999:7:::\n", 0o600)
    archive.file("etc/os-release", 'ID=vireo-guest\nNAME="Vireo small guest"\nPRETTY_NAME="Vireo small guest"\nVERSION_ID=1\n', 0o644)
    archive.file("etc/profile", "export PS1='guest# '\n", 0o644)
    archive.file("etc/udhcpc.sh", UDHCPC)
    archive.file("etc/acpi/PWRF/00000080", "#!/bin/sh\n[ -e /tmp/ignore-power-button ] || poweroff -f\n")
    archive.file("init", INIT)
    if with_agent:
        agent = tree + "/usr/sbin/qemu-ga"
        archive.file("usr/sbin/qemu-ga", read(agent))
        for library in libraries_of(agent):
            archive.file(library.lstrip("/"), read(library))
        archive.file("usr/sbin/chpasswd", "#!/bin/sh\ncat >/tmp/chpasswd\n")
        archive.file("sbin/shutdown", SHUTDOWN)
        archive.file("sbin/hwclock", "#!/bin/sh\nexit 0\n")
    if with_disks:
        present = set(libraries_of(tree + "/usr/sbin/qemu-ga")) if with_agent else set()
        for tool in DISK_TOOLS:
            archive.file("usr/sbin/" + os.path.basename(tool), read(tool))
            for library in set(libraries_of(tool)) - present:
                archive.file(library.lstrip("/"), read(library))
                present.add(library)
        for name in ("pvcreate", "pvresize", "vgcreate", "lvcreate", "lvextend"):
            archive.link("usr/sbin/" + name, "lvm")
        archive.file("etc/lvm/lvm.conf", "activation { udev_sync = 0 udev_rules = 0 }\n", 0o644)
    return gzip.compress(archive.finish(), 4, mtime=0)


def replace(path, data):
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    directory = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, ".cache", "guest"))
    tools = [tool for tool in DISK_TOOLS if os.path.exists(tool)]
    recipe = hashlib.sha256(read(os.path.abspath(__file__)) + repr(tools).encode()).hexdigest()
    stamp = os.path.join(directory, "recipe")
    names = ["vmlinuz", "initrd.img", "initrd-agent.img"]
    if tools == DISK_TOOLS:
        names.append("initrd-disks.img")
    products = [os.path.join(directory, name) for name in names]
    if all(map(os.path.exists, products)) and os.path.exists(stamp) and read(stamp).decode() == recipe:
        return
    print("Baking the small guest in", directory)
    tree = unpack(directory)
    kernels = sorted(glob.glob(tree + "/boot/vmlinuz-*"))
    replace(products[0], read(kernels[-1]))
    replace(products[1], build(tree, with_agent=False))
    replace(products[2], build(tree, with_agent=True))
    if len(products) > 3:
        replace(products[3], build(tree, with_agent=True, with_disks=True))
    replace(stamp, recipe.encode())


if __name__ == "__main__":
    main()
