# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Chains of images with known bytes, what the disk and the XML say of them, and block jobs on them."""
import json
import subprocess
import xml.etree.ElementTree as ElementTree

MIB = 1 << 20


def tool(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, timeout=60).stdout


def make_chain(t, name, count, size="32M"):
    """`count` images, the base first. Image N has bytes 0x10+N at N MiB; all of them have 0x50+N at 16 MiB."""
    paths = []
    for number in range(count):
        path = t.path("%s%d.qcow2" % (name, number))
        backing = ["-b", paths[-1], "-F", "qcow2"] if paths else []
        tool("qemu-img", "create", "-q", "-f", "qcow2", *backing, path, *([] if paths else [size]))
        for pattern, offset in ((0x10 + number, number * MIB), (0x50 + number, 16 * MIB)):
            tool("qemu-io", "-f", "qcow2", "-c", "write -P %d %d 1M" % (pattern, offset), path)
        paths.append(path)
    return paths


def check_data(t, top, count, what):
    for pattern, offset in [(0x10 + number, number * MIB) for number in range(count)] + [(0x50 + count - 1, 16 * MIB)]:
        said = tool("qemu-io", "-U", "-r", "-f", "qcow2", "-c", "read -P %d %d 1M" % (pattern, offset), top)
        t.true("verification failed" not in said, "%s: %#x at %d of %s" % (what, pattern, offset, top))


def chain_on_disk(top):
    found = json.loads(tool("qemu-img", "info", "-U", "--backing-chain", "--output=json", top))
    return [image["filename"] for image in found]


def chain_in_xml(host, name, *options):
    disk = ElementTree.fromstring(host.virsh("dumpxml", name, *options)).find("devices/disk")
    found, element = [disk.find("source").get("file")], disk.find("backingStore")
    while element is not None and element.find("source") is not None:
        found.append(element.find("source").get("file"))
        element = element.find("backingStore")
    return found


def monitor_io(host, name, command):
    """Has QEMU do I/O as the guest would."""
    path = "/machine/peripheral/virtio-disk0/virtio-backend"
    said = host.virsh("qemu-monitor-command", "--hmp", name, 'qemu-io -d %s "%s"' % (path, command))
    if "failed" in said or "rror" in said:
        raise AssertionError(said)


def idle(host, name):
    return not host.virsh("blockjob", name, "vda", "--info")


OPERATIONS = {
    # What is asked for, of images 0 to 3; which of them may be the chain afterwards: the old one or the new one.
    "commit": (lambda c: ["blockcommit", "--base", c[0], "--top", c[2], "--wait"], (3, 0)),
    "active": (lambda c: ["blockcommit", "--base", c[1], "--active", "--pivot", "--wait"], (1, 0)),
    "pull": (lambda c: ["blockpull", "--base", c[0], "--wait"], (3, 0)),
    "copy": (lambda c: ["blockcopy", c[0] + ".copy", "--transient-job", "--pivot", "--wait"], None),
}
