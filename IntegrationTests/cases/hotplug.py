# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that come and go while the guest runs."""
import json
import os
import random
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import libvirt

from harness import test
from harness.guest import Console, disk_xml, domain_xml

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
PORTS = ("<controller type='pci' index='0' model='pcie-root'/>"
         + "".join("<controller type='pci' index='%d' model='pcie-root-port'/>" % index for index in range(1, 9)))
SCSI = "<controller type='scsi' index='0' model='virtio-scsi'/>"


def image(t, name, form="qcow2", size="16M"):
    path = t.path(name)
    subprocess.run(["qemu-img", "create", "-q", "-f", form, path, size], check=True)
    return path


def qmp(host, name, command, **arguments):
    line = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(host.virsh("qemu-monitor-command", name, line))["return"]


def plugged(host, name):
    """The names of the devices that QEMU has."""
    listed = qmp(host, name, "qom-list", path="/machine/peripheral")
    return {entry["name"] for entry in listed if entry["type"].startswith("child<")}


def nodes(host, name):
    """The files that QEMU has open as images."""
    return {node["file"] for node in qmp(host, name, "query-named-block-nodes")}


def devices(host, name, kind, *options):
    return ElementTree.fromstring(host.virsh("dumpxml", name, *options)).findall("devices/" + kind)


def targets(host, name, *options):
    return [disk.find("target").get("dev") for disk in devices(host, name, "disk", *options)]


def write(t, name, text):
    path = t.path(name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


@test("A disk that is plugged in is written by the guest, goes on its wish, and belongs to its owner again")
def disk(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "plug", devices=PORTS))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    path = image(t, "data.img", "raw")
    owner = os.stat(path).st_uid
    host.virsh("attach-disk", name, path, "vdb", "--subdriver", "raw", "--live")
    t.wait(lambda: "vda" in console.shell("cat /proc/partitions"), 10, "the disk in the guest")
    console.shell("echo plugged-in | dd of=/dev/vda conv=fsync 2>/dev/null")
    with open(path, "rb") as file:
        t.equal(file.read(10), b"plugged-in")
    t.equal((targets(host, name), targets(host, name, "--inactive")), (["vdb"], []))
    domain = host.connect().lookupByName(name)
    t.true(domain.isUpdated(), "the running definition differs from the stored one")
    host.virsh("detach-disk", name, "vdb", "--live")
    t.equal(targets(host, name), [])
    t.true(path not in nodes(host, name), "QEMU has closed the image")
    t.equal(os.stat(path).st_uid, owner, "owner of the image")
    t.wait(lambda: "vda" not in console.shell("cat /proc/partitions"), 10, "the disk to be gone")


@test("Live and configuration change together, or neither does")
def transaction(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "both", boots=False, devices=PORTS))
    host.virsh("start", name)
    domain = host.connect().lookupByName(name)
    first = image(t, "first.qcow2")
    domain.attachDeviceFlags(disk_xml(first, "vdb"), LIVE | CONFIG)
    t.equal((targets(host, name), targets(host, name, "--inactive")), (["vdb"], ["vdb"]))

    # QEMU refuses: what calls itself qcow2 is none.
    broken = t.path("broken.qcow2")
    with open(broken, "wb") as file:
        file.write(b"not an image" * 100)
    owner, before = os.stat(broken).st_uid, (host.virsh("dumpxml", name), plugged(host, name), nodes(host, name))
    t.raises(libvirt.VIR_ERR_INTERNAL_ERROR, domain.attachDeviceFlags, disk_xml(broken, "vdc"), LIVE | CONFIG)
    t.equal((host.virsh("dumpxml", name), plugged(host, name), nodes(host, name)), before)
    t.equal(targets(host, name, "--inactive"), ["vdb"])
    t.equal(os.stat(broken).st_uid, owner, "owner of the refused image")

    # The configuration refuses: the target is taken there, and only there.
    domain.attachDeviceFlags(disk_xml(image(t, "stored.qcow2"), "vdd"), CONFIG)
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDeviceFlags, disk_xml(image(t, "other.qcow2"), "vdd"), LIVE | CONFIG)
    t.equal((targets(host, name), targets(host, name, "--inactive")), (["vdb"], ["vdb", "vdd"]))
    t.raises(libvirt.VIR_ERR_DEVICE_MISSING, domain.detachDeviceFlags, disk_xml(first, "vdd"), LIVE | CONFIG)
    t.equal(targets(host, name, "--inactive"), ["vdb", "vdd"])
    t.raises(libvirt.VIR_ERR_DEVICE_MISSING, domain.detachDeviceFlags, disk_xml(first, "vdq"), LIVE)
    t.raises(libvirt.VIR_ERR_XML_ERROR, domain.attachDeviceFlags, disk_xml(first, "vdb"), LIVE)


@test("A guest that ignores an unplug keeps the device; the caller has an answer after five seconds")
def ignored(t):
    host = t.daemon()
    path = image(t, "kept.qcow2")
    name = host.define(domain_xml(t.assets, "deaf", boots=False, machine="pc", devices=disk_xml(path)))
    host.virsh("start", name)
    host.virsh("suspend", name)
    domain = host.connect().lookupByName(name)
    started = time.monotonic()
    domain.detachDeviceFlags(disk_xml(path), LIVE)
    t.less(time.monotonic() - started, 6, "seconds until the answer")
    t.equal(targets(host, name), ["vda"])
    t.true(path in nodes(host, name), "QEMU still has the image")
    # Others wait for nothing, and the domain is as well as before.
    t.equal(host.virsh("domstate", name), "paused")
    host.virsh("destroy", name)
    t.equal(targets(host, name), ["vda"])


@test("A device keeps its place over a kill of the daemon, and what the guest let go of meanwhile is noticed")
def killed(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "keeps", devices=PORTS))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    paths = [image(t, "one.qcow2"), image(t, "two.qcow2")]
    host.virsh("attach-disk", name, paths[0], "vdb", "--subdriver", "qcow2", "--live")
    host.virsh("attach-disk", name, paths[1], "vdc", "--subdriver", "qcow2", "--live", "--config")
    before = host.virsh("dumpxml", name)
    host.restart()
    t.equal(host.virsh("dumpxml", name), before)
    t.equal(targets(host, name, "--inactive"), ["vdc"])
    alias = [disk.find("alias").get("name") for disk in devices(host, name, "disk")][0]
    # The wish goes out, and the daemon dies before the guest answers.
    try:
        qmp(host, name, "device_del", id=alias)
    finally:
        host.kill()
    time.sleep(2)
    host.start()
    t.wait(lambda: targets(host, name) == ["vdc"], 10, "the removal to be noticed")
    t.wait(lambda: paths[0] not in nodes(host, name), 5, "QEMU to close the image")
    host.virsh("detach-disk", name, "vdc", "--live", "--config")
    t.equal((targets(host, name), targets(host, name, "--inactive")), ([], []))


@test("Kills of the daemon in the middle of attaching and detaching leave QEMU and the definition of one mind", seconds=240)
def kill_loop(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "torn", devices=PORTS + SCSI))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    path = image(t, "torn.qcow2")
    owner = os.stat(path).st_uid
    xml = write(t, "disk.xml", disk_xml(path, "sdb", "scsi"))
    seed = int(os.environ.get("VIREO_TEST_SEED", time.time_ns() % 100000))
    print("    seed %d" % seed)
    dice = random.Random(seed)
    seen = set()
    for _ in range(int(24 * float(os.environ.get("VIREO_TEST_SCALE", "1")))):
        action = "detach-device" if targets(host, name) else "attach-device"
        client = subprocess.Popen(["virsh", "-q", "-c", host.uri, action, name, xml, "--live", "--config"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random() * 0.12)
        host.restart()
        client.wait(20)

        def agree():
            there = targets(host, name)
            return (("sdb" in there) == ("scsi0-0-0-1" in plugged(host, name)) == (path in nodes(host, name))
                    and owner == os.stat(path).st_uid)

        t.wait(agree, 10, "QEMU and the definition to agree; %s, %s, %s" % (targets(host, name), plugged(host, name), nodes(host, name)))
        live, stored = targets(host, name), targets(host, name, "--inactive")
        # A removal that the guest carried out after the daemon's death is a live one.
        if live != stored:
            t.equal((action, live), ("detach-device", []), "half of a change")
            host.virsh("detach-device", name, xml, "--config")
        seen.add((action, bool(live)))
    print("    seen: %s" % sorted(seen))
    t.equal(console.shell("echo $((6 * 7))"), "42")


@test("A drive gets another medium, loses it, and keeps the old one where the new one cannot be opened")
def medium(t):
    host = t.daemon()
    first, second = image(t, "first.iso", "raw", "1M"), image(t, "second.iso", "raw", "2M")
    drive = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/>"
             "<target dev='sda' bus='scsi'/><readonly/></disk>" % first)
    name = host.define(domain_xml(t.assets, "media", devices=SCSI + drive))
    host.virsh("start", name)

    def source(*options):
        found = devices(host, name, "disk", *options)[0].find("source")
        return found.get("file") if found is not None else None

    host.virsh("change-media", name, "sda", "--eject", "--live")
    t.equal((source(), source("--inactive")), (None, first))
    t.true(first not in nodes(host, name), "QEMU has closed the medium")
    host.virsh("change-media", name, "sda", second, "--insert", "--live")
    t.equal(source(), second)
    t.raises(libvirt.VIR_ERR_SYSTEM_ERROR, host.connect().lookupByName(name).updateDeviceFlags,
             drive.replace(first, t.path("missing.iso")), LIVE | CONFIG)
    t.equal((source(), source("--inactive")), (second, first))
    t.true(second in nodes(host, name), "the medium is in")
    host.virsh("change-media", name, "sda", first, "--update", "--live", "--config")
    host.restart()
    t.equal((source(), source("--inactive")), (first, first))
    t.equal(len([node for node in nodes(host, name) if node.endswith(".iso")]), 1)


@test("A locked tray keeps its medium until force is used")
def locked(t):
    host = t.daemon()
    first, second = image(t, "locked.iso", "raw", "1M"), image(t, "next.iso", "raw", "1M")
    drive = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='%s'/>"
             "<target dev='sda' bus='scsi'/><readonly/></disk>")
    name = host.define(domain_xml(t.assets, "locks", devices=SCSI + drive % first))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    # Whoever has the drive open locks its tray.
    console.shell("sleep 1000 </dev/sr0 & sleep 1")
    domain = host.connect().lookupByName(name)
    t.raises(libvirt.VIR_ERR_OPERATION_FAILED, domain.updateDeviceFlags, drive % second, LIVE)
    t.true(first in nodes(host, name) and second not in nodes(host, name), "the first medium is still in")
    domain.updateDeviceFlags(drive % second, LIVE | libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE)
    t.true(second in nodes(host, name) and first not in nodes(host, name), "the second medium is in")


@test("Interfaces come and go, and their cable can be pulled")
def interface(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "cards", devices=PORTS))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    mac = "52:54:00:12:34:56"
    xml = "<interface type='user'><mac address='%s'/><model type='virtio'/>%s</interface>"
    domain = host.connect().lookupByName(name)
    domain.attachDeviceFlags(xml % (mac, ""), LIVE | CONFIG)
    t.wait(lambda: "eth0" in console.shell("ls /sys/class/net"), 10, "eth0")
    console.shell("ip link set eth0 up")
    t.wait(lambda: console.shell("cat /sys/class/net/eth0/carrier") == "1", 5, "the carrier")
    host.virsh("domif-setlink", name, mac, "down")
    t.wait(lambda: console.shell("cat /sys/class/net/eth0/carrier") == "0", 5, "the carrier to go")
    t.equal(host.virsh("domif-getlink", name, mac).split()[-1], "down")
    domain.updateDeviceFlags(xml % (mac, "<link state='up'/>"), LIVE)
    t.wait(lambda: console.shell("cat /sys/class/net/eth0/carrier") == "1", 5, "the carrier again")
    t.raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.updateDeviceFlags, xml.replace("virtio", "e1000") % (mac, ""), LIVE)
    host.virsh("detach-interface", name, "user", "--mac", mac, "--live", "--config")
    t.wait(lambda: "eth0" not in console.shell("ls /sys/class/net"), 10, "eth0 to go")
    t.equal(devices(host, name, "interface") + devices(host, name, "interface", "--inactive"), [])


@test("Other devices come and go: random numbers, input, a watchdog, a channel, a SCSI controller by itself")
def others(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "zoo", devices=PORTS))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    domain = host.connect().lookupByName(name)
    pieces = {
        "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "input": "<input type='tablet' bus='usb'/>",
        "channel": "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>",
        "controller": "<controller type='scsi' index='0' model='virtio-scsi'/>",
    }
    before = plugged(host, name)
    for kind, xml in pieces.items():
        count = len(devices(host, name, kind))
        domain.attachDeviceFlags(xml, LIVE)
        t.true(len(devices(host, name, kind)) > count, "a %s more" % kind)
    domain.attachDeviceFlags(disk_xml(image(t, "scsi.qcow2"), "sda", "scsi"), LIVE)
    t.raises(libvirt.VIR_ERR_OPERATION_FAILED, domain.detachDeviceFlags, pieces["controller"], LIVE)
    domain.detachDeviceFlags(disk_xml("x", "sda", "scsi"), LIVE)
    host.restart()
    domain = host.connect().lookupByName(name)
    for kind in ["controller", "channel", "input", "rng"]:
        domain.detachDeviceFlags(pieces[kind], LIVE)
    t.equal([alias for alias in plugged(host, name) - before if not alias.startswith("virtio-serial")], [], "devices left")


@test("What cannot be plugged is refused with libvirt's codes")
def refusals(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "refuses", boots=False))
    host.virsh("start", name)
    domain = host.connect().lookupByName(name)
    for code, xml in [
            (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "<memballoon model='virtio'/>"),
            (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, disk_xml(image(t, "s.qcow2"), "sdb", "sata")),
            (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "<controller type='usb' model='qemu-xhci'/>"),
            (libvirt.VIR_ERR_OPERATION_UNSUPPORTED, "<input type='mouse' bus='ps2'/>"),
            (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "<nonsense/>"),
            (libvirt.VIR_ERR_SYSTEM_ERROR, disk_xml(t.path("missing"), "vdb")),
            (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "<hostdev mode='subsystem' type='pci'><source>"
             "<address domain='0' bus='0x1e' slot='0x1d' function='1'/></source></hostdev>")]:
        t.raises(code, domain.attachDeviceFlags, xml, LIVE)
    t.raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.detachDeviceFlags, "<memballoon model='virtio'/>", LIVE)
    host.virsh("destroy", name)
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDeviceFlags, disk_xml(image(t, "d.qcow2"), "vdb"), LIVE)
    t.raises(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDevice, disk_xml(t.path("d.qcow2"), "vdb"))
    domain.attachDeviceFlags(disk_xml(t.path("d.qcow2"), "vdb"), 0)
    t.equal(targets(host, name, "--inactive"), ["vdb"])


@test("vCPUs come while the guest runs and are there after a kill of the daemon; what the next start has is another matter")
def vcpus(t):
    host = t.daemon()
    xml = domain_xml(t.assets, "cpus").replace("<vcpu>1</vcpu>", "<vcpu current='1'>3</vcpu>")
    name = host.define(xml)
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    host.virsh("setvcpus", name, "2", "--live")
    t.wait(lambda: console.shell("ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l") == "2", 10, "the second CPU in the guest")
    host.virsh("setvcpu", name, "2", "--enable", "--live")
    t.equal(sorted(plugged(host, name) & {"vcpu1", "vcpu2"}), ["vcpu1", "vcpu2"])
    host.restart()
    domain = host.connect().lookupByName(name)
    t.equal((domain.vcpusFlags(LIVE), domain.vcpusFlags(CONFIG)), (3, 1))
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.setVcpusFlags, 4, LIVE)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.setVcpu, "0", 0, LIVE)
    # A definition whose vCPUs can be taken out again starts with them.
    host.virsh("destroy", name)
    host.virsh("setvcpus", name, "2", "--config", "--hotpluggable")
    host.virsh("start", name)
    t.equal(host.connect().lookupByName(name).vcpusFlags(LIVE), 2)
    t.true("vcpu1" in plugged(host, name), "the second one can be taken out")


@test("I/O threads come and go, live and in the definition, both or neither")
def iothreads(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "threads", boots=False, top="<iothreads>1</iothreads>",
                                  devices=PORTS + disk_xml(image(t, "d.qcow2")).replace("type='qcow2'", "type='qcow2' iothread='1'")))
    host.virsh("start", name)
    domain = host.connect().lookupByName(name)
    domain.addIOThread(4, LIVE | CONFIG)
    t.equal(sorted(thread["id"] for thread in qmp(host, name, "query-iothreads")), ["iothread1", "iothread4"])
    domain.setIOThreadParams(4, {"poll_max_ns": 2000}, LIVE)
    t.true(2000 in [thread["poll-max-ns"] for thread in qmp(host, name, "query-iothreads")], "the new polling time")
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.addIOThread, 4, LIVE)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.delIOThread, 1, LIVE | CONFIG)
    domain.delIOThread(4, CONFIG)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.delIOThread, 4, LIVE | CONFIG)
    host.restart()
    domain = host.connect().lookupByName(name)
    t.equal((len(domain.ioThreadInfo(LIVE)), len(domain.ioThreadInfo(CONFIG))), (2, 1))
    domain.delIOThread(4, LIVE)
    t.equal(len(domain.ioThreadInfo(LIVE)), 1)


@test("Memory is plugged in, counts as the domain's, and a daemon that was killed knows of it")
def memory(t):
    host = t.daemon()
    xml = domain_xml(t.assets, "grows", memory_mib=128, boots=False,
                     top="<cpu><numa><cell id='0' cpus='0' memory='128' unit='MiB'/></numa></cpu>").replace(
        "<memory", "<maxMemory slots='2' unit='MiB'>512</maxMemory><memory", 1)
    name = host.define(xml)
    host.virsh("start", name)
    module = "<memory model='dimm'><target><size unit='MiB'>%d</size><node>0</node></target></memory>"
    domain = host.connect().lookupByName(name)
    domain.attachDeviceFlags(module % 128, LIVE | CONFIG)
    t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, domain.attachDeviceFlags, module % 384, LIVE)
    host.restart()
    for options in ([], ["--inactive"]):
        t.equal(ElementTree.fromstring(host.virsh("dumpxml", name, *options)).find("memory").text, str(256 << 10))
    t.equal(qmp(host, name, "query-memory-devices")[0]["data"]["size"], 128 << 20)
    host.virsh("destroy", name)
    host.virsh("start", name)
    t.equal(qmp(host, name, "query-memory-devices")[0]["data"]["id"], "dimm0")
