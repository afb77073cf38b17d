# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Debian's libvirtd on a pretended host of its own, and what has to be left out before two daemons' words are compared."""
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from harness import HERE, Failure, Skip
from harness.daemon import Daemon


class Libvirtd(Daemon):
    """Started by Tools/private-libvirtd.sh; driven like a vireod."""

    def __init__(self, context, root, **options):
        super().__init__(context, root, **options)
        self.host_names = set()

    @property
    def socket(self):
        return os.path.join(self.root, "libvirt-sock")

    @property
    def pid(self):
        with open(os.path.join(self.root, "libvirtd.pid"), encoding="ascii") as file:
            return int(file.read())

    def start(self, seconds=40):
        if os.geteuid() != 0 or not shutil.which("libvirtd"):
            raise Skip("comparing with libvirtd needs root and Debian's libvirt-daemon-system")
        started = time.monotonic()
        for name in ("libvirt-sock", "libvirt-sock-ro", "libvirtd.pid"):
            if os.path.exists(os.path.join(self.root, name)):
                os.remove(os.path.join(self.root, name))
        with open(self.root + ".log", "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(HERE, "Tools", "private-libvirtd.sh"), self.root, os.path.basename(self.root)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        while time.monotonic() < started + seconds:
            if self.process.poll() is not None:
                raise Failure("libvirtd ended with status %s:\n%s" % (self.process.returncode, self.log_tail()))
            if os.path.exists(self.socket) and self.run(["virsh", "-q", "-c", self.uri, "list"])[0] == 0:
                self.host_names.add(os.readlink("/proc/%d/ns/uts" % self.process.pid))
                return time.monotonic() - started
            time.sleep(0.02)
        raise Failure("libvirtd did not get ready:\n%s" % self.log_tail())

    def all_qemus(self):
        """Its QEMUs share the host name space of the libvirtd that started them, and nothing else tells them apart."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and os.readlink("/proc/%s/ns/uts" % entry) in self.host_names and (
                        "qemu-system" in os.readlink("/proc/%s/exe" % entry)):
                    found.append(int(entry))
            except OSError:
                continue
        return found

    def close(self):
        self.forget_connections()
        if self.process and self.process.poll() is None:
            for pid in self.all_qemus():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.2)
            self.process.kill()
            self.process.wait()


def normalised(xml):
    """Domain XML without what two hosts cannot agree on: ids, generated MACs and UUIDs, terminals, ports, paths of state."""
    root = ElementTree.fromstring(xml)
    root.attrib.pop("id", None)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            value = re.sub(r"^/dev/pts/\d+$", "/dev/pts/N", value)
            value = re.sub(r"pc-(q35|i440fx)-\d+\.\d+", r"pc-\1-N", value)
            value = re.sub(r"^/(run|var/lib)/(libvirt|vireo)/.*", "STATE", value)
            value = re.sub(r"^/var/tmp/vireo-[^/]*/(vireo|libvirt)/(run|state).*", "STATE", value)
            element.set(key, value)
        if element.text and re.match(r"^\s*$", element.text):
            element.text = None
        element.tail = None
        if element.tag == "mac":
            element.set("address", "MAC")
        if element.tag == "uuid":
            element.text = "UUID"
        if element.tag == "graphics":
            for key in ("port", "tlsPort"):
                if element.get(key, "-1") != "-1":
                    element.set(key, "PORT")
        if element.tag == "nvram" and element.text:
            element.text = "STATE"
    for seclabel in root.findall("seclabel"):
        root.remove(seclabel)
    return root


def lines_of(element, depth=0):
    """One line per element, attributes sorted, so that a difference reads well."""
    text = " ".join([element.tag] + ["%s=%r" % pair for pair in sorted(element.attrib.items())])
    if element.text and element.text.strip():
        text += " : " + element.text.strip()
    lines = ["  " * depth + text]
    for child in element:
        lines += lines_of(child, depth + 1)
    return lines
