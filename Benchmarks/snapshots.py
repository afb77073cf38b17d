# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Snapshots beside libvirtd, and beside QEMU's own transaction without any daemon."""
import json
import os
import socket
import subprocess
import time

from harness.guest import disk_xml, domain_xml


def elapsed(action, *arguments):
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


def median(values):
    return sorted(values)[len(values) // 2]


def image(bench, name, size="64M"):
    path = os.path.join(bench.directory, name)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size], check=True)
    os.chmod(path, 0o666)
    return path


class Monitor:
    """A QEMU with some disks and nobody between."""

    def __init__(self, bench, disks):
        path = os.path.join(bench.directory, "monitor%d" % time.monotonic_ns())
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        arguments = []
        for number, disk in enumerate(disks):
            arguments += ["-blockdev", json.dumps({"driver": "file", "filename": disk, "node-name": "s%d" % number}),
                          "-blockdev", json.dumps({"driver": "qcow2", "file": "s%d" % number, "node-name": "f%d" % number}),
                          "-device", "virtio-blk-pci,drive=f%d" % number]
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35,accel=tcg", "-m", "64",
             "-chardev", "socket,id=m,fd=%d,server=on,wait=off" % listener.fileno(), "-mon", "chardev=m,mode=control"] + arguments,
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
        listener.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self("qmp_capabilities")
        self.layer = len(disks)

    def __call__(self, command, **arguments):
        line = json.dumps({"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}})
        self.socket.sendall(line.encode())
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])

    def snapshot(self, bench, tops, disks):
        """What a snapshot is to QEMU itself: overlays made and opened, and the transaction."""
        actions, files, nodes = [], [], []
        for number, top in enumerate(tops):
            path = os.path.join(bench.directory, "raw-overlay%d" % time.monotonic_ns())
            node = "n%d" % self.layer
            self.layer += 1
            open(path, "w").close()
            self("blockdev-add", driver="file", filename=path, node_name="s" + node)
            self("blockdev-create", job_id="j", options={
                "driver": "qcow2", "file": "s" + node, "size": 64 << 20, "backing-file": disks[number], "backing-fmt": "qcow2"})
            while next(job for job in self("query-jobs") if job["id"] == "j")["status"] != "concluded":
                time.sleep(0.0002)
            self("job-dismiss", id="j")
            self("blockdev-add", driver="qcow2", file="s" + node, node_name=node, backing=None)
            actions.append({"type": "blockdev-snapshot", "data": {"node": top, "overlay": node}})
            files.append(path)
            nodes.append(node)
        self("transaction", actions=actions)
        return nodes, files

    def close(self):
        self.process.kill()
        self.process.wait()


def snapshots(bench):
    """External snapshots of one and three disks, going back, and deleting."""
    repeats = max(5, int(8 * min(bench.scale, 4)))
    for count in (1, 3):
        disks = [image(bench, "raw%d-%d.qcow2" % (count, number)) for number in range(count)]
        monitor = Monitor(bench, disks)
        tops, times = ["f%d" % number for number in range(count)], []
        for _ in range(repeats):
            started = time.monotonic()
            tops, disks = monitor.snapshot(bench, tops, disks)
            times.append(time.monotonic() - started)
        monitor.close()
        bare = median(times)
        figures = []
        for host in bench.hosts:
            name = "snap%d" % count
            files = [image(bench, "%s-%s-%d.qcow2" % (os.path.basename(host.root), name, number)) for number in range(count)]
            connection = host.connect()
            domain = connection.defineXML(domain_xml(
                bench.assets, name, boots=False, memory_mib=64, serial="",
                devices="".join(disk_xml(path, "vd" + "abc"[number]) for number, path in enumerate(files))))
            domain.create()
            taken, deleted = [], []
            for number in range(repeats):
                xml = "<domainsnapshot><name>s%d</name></domainsnapshot>" % number
                taken.append(elapsed(domain.snapshotCreateXML, xml, 16 | 128))
            for number in reversed(range(repeats)):
                deleted.append(elapsed(domain.snapshotLookupByName("s%d" % number).delete, 0))
            domain.destroy()
            domain.undefineFlags(2)
            connection.close()
            figures.append((median(taken), median(deleted)))
        bench.note("QEMU alone makes, opens and switches to %d overlay%s in %.1f ms" % (count, "s" * (count > 1), 1e3 * bare))
        disks = "%d disk%s" % (count, "s" * (count > 1))
        bench.row("", "external snapshot of %s, running" % disks, "ms", *(1e3 * f[0] for f in figures), goal=1.2e3 * bare)
        bench.row("", "its deletion, running", "ms", *(1e3 * f[1] for f in figures), goal=1e3 * figures[0][1])
    reverting(bench, repeats)


def reverting(bench, repeats):
    figures = []
    for host in bench.hosts:
        path = image(bench, "%s-back.qcow2" % os.path.basename(host.root))
        connection = host.connect()
        domain = connection.defineXML(domain_xml(
            bench.assets, "back", boots=False, memory_mib=64, serial="", devices=disk_xml(path)))
        domain.snapshotCreateXML("<domainsnapshot><name>off</name></domainsnapshot>", 0)
        domain.create()
        taken = [elapsed(domain.snapshotCreateXML, "<domainsnapshot><name>full</name></domainsnapshot>", 0)]
        offline, running = [], []
        for _ in range(repeats):
            running.append(elapsed(domain.revertToSnapshot, domain.snapshotLookupByName("full"), 0))
        domain.destroy()
        for _ in range(repeats):
            offline.append(elapsed(domain.revertToSnapshot, domain.snapshotLookupByName("off"), 0))
        domain.undefineFlags(2)
        connection.close()
        figures.append((taken[0], median(running), median(offline)))
    bench.row("", "internal snapshot with 64 MiB of memory, running", "ms", *(1e3 * f[0] for f in figures))
    bench.row("", "going back to it, running", "ms", *(1e3 * f[1] for f in figures), goal=1e3 * figures[0][1])
    bench.row("", "going back to an internal snapshot, shut off", "ms", *(1e3 * f[2] for f in figures), goal=1e3 * figures[0][2])
