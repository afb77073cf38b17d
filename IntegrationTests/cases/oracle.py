# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The same commands against vireod and against Debian's libvirtd; what they say has to be the same."""
import difflib
import os
import re
import subprocess

import libvirt

from harness import Failure, Skip, test
from harness.guest import disk_xml, domain_xml
from harness.oracle import Libvirtd, lines_of, normalised

UUID = "<uuid>6e7a53ea-7ee4-4d13-8f0e-2a8d8b1c0f3e</uuid>"


def both(t):
    libvirtd = Libvirtd(t, t.path("libvirt"))
    t.daemons.append(libvirtd)
    libvirtd.start()
    return t.daemon("vireo"), libvirtd


def compare_xml(ours, theirs, what, differences):
    mine, other = lines_of(normalised(ours)), lines_of(normalised(theirs))
    if mine != other:
        differences.append("%s:\n%s" % (what, "\n".join(difflib.unified_diff(other, mine, "libvirtd", "vireod", lineterm="", n=2))))


def definitions(t):
    """Definitions that between them touch what this release can do."""
    images = {}
    for name in ("a", "b", "c"):
        path = t.path(name + ".raw")
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        images[name] = path
    yield "q35", domain_xml(t.assets, "d1", boots=False)
    yield "pc", domain_xml(t.assets, "d2", boots=False, machine="pc")
    yield "bare", ("<domain type='qemu'><name>d3</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>")
    yield "disks", domain_xml(t.assets, "d4", boots=False, devices=(
        disk_xml(images["a"], form="raw") + disk_xml(images["b"], "sda", "scsi", "raw", "<readonly/><serial>S-1</serial>")
        + "<controller type='scsi' model='virtio-scsi'/>" + disk_xml(images["c"], "sdb", "sata", "raw")
        + "<disk type='file' device='cdrom'><target dev='sdc' bus='sata'/><readonly/></disk>"))
    yield "network", domain_xml(t.assets, "d5", boots=False, devices=(
        "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>"
        "<interface type='user'><mac address='52:54:00:11:22:34'/><model type='e1000'/></interface>"))
    yield "display", domain_xml(t.assets, "d6", boots=False, devices=(
        "<graphics type='vnc' autoport='yes'/><video><model type='virtio'/></video><input type='tablet' bus='usb'/>"
        "<sound model='ich9'/>"))
    yield "SPICE as virt-manager asks for it", domain_xml(t.assets, "d10", boots=False, devices=(
        "<controller type='usb' model='qemu-xhci' ports='15'/><controller type='pci' model='pcie-root'/>"
        + "<controller type='pci' model='pcie-root-port'/>" * 14 + "<console type='pty'/>"
        "<channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
        "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel><input type='tablet' bus='usb'/>"
        "<graphics type='spice' port='-1' tlsPort='-1' autoport='yes'><image compression='off'/></graphics><sound model='ich9'/>"
        "<video><model type='virtio'/></video><redirdev bus='usb' type='spicevmc'/><redirdev bus='usb' type='spicevmc'/>"
        "<memballoon model='virtio'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"))
    yield "odds", domain_xml(t.assets, "d7", boots=False, devices=(
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng><watchdog model='i6300esb' action='reset'/>"
        "<memballoon model='virtio'><stats period='5'/></memballoon><panic model='isa'/>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"))
    yield "cpu and clock", domain_xml(t.assets, "d8", boots=False, cpus=4, top=(
        "<title>A title</title><description>and more</description><cpu mode='custom' match='exact'><model>qemu64</model>"
        "<topology sockets='2' dies='1' cores='2' threads='1'/></cpu><clock offset='utc'>"
        "<timer name='rtc' tickpolicy='catchup'/><timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/></clock>"
        "<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>restart</on_crash>"
        "<pm><suspend-to-mem enabled='no'/></pm>"))
    yield "metadata", domain_xml(t.assets, "d9", boots=False, top=(
        "<metadata><my:app xmlns:my='urn:my'><my:owner>me</my:owner></my:app></metadata>"))


@test("What libvirtd makes of a definition, vireod makes of it too", seconds=150)
def inactive_xml(t):
    ours, theirs = both(t)
    differences = []
    for title, xml in definitions(t):
        try:
            name = theirs.define(xml)
        except Failure as error:
            raise Skip("libvirtd itself refuses '%s': %s" % (title, error)) from None
        try:
            ours.define(xml)
            compare_xml(ours.virsh("dumpxml", name), theirs.virsh("dumpxml", name), title, differences)
        except Failure as error:
            differences.append("%s: %s" % (title, error))
    if differences:
        raise Failure("%d definitions differ\n%s" % (len(differences), "\n".join(differences)))


@test("The XML of a running domain is the same as libvirtd's", seconds=150)
def live_xml(t):
    ours, theirs = both(t)
    differences = []
    for title, xml in definitions(t):
        texts = []
        for host in (theirs, ours):
            try:
                name = host.define(xml)
                host.virsh("start", name, seconds=60)
                texts.append(host.virsh("dumpxml", name))
                host.virsh("destroy", name)
            except Failure as error:
                differences.append("%s: %s" % (title, error))
        if len(texts) == 2:
            compare_xml(texts[1], texts[0], title, differences)
    if differences:
        raise Failure("%d live definitions differ\n%s" % (len(differences), "\n".join(differences)))


SCRIPT = """
list --all
list --all --name --uuid
dominfo d1
domstate d1 --reason
domuuid d1
vcpucount d1
vcpucount d1 --maximum --config
domblklist d1
domiflist d1
autostart d1
dominfo d1
domjobinfo d1
domjobabort d1
domlaunchsecinfo d1
schedinfo d1
schedinfo d1 --config
vcpupin d1 9 0 --config
guestvcpus d1
restore /nonexistent
save-image-dumpxml /nonexistent
autostart d1 --disable
desc d1 --title --config Title
desc d1 --title
list --all --title
start d1
start d1
domid d1
domname 1
domstate d1 --reason
dommemstat missing
iothreadadd d1 1
emulatorpin d1 0
iothreadinfo d1
iothreadpin d1 1 1
iothreadinfo d1
iothreadpin d1 7 0
iothreadpin d1 1 0 --config
iothreaddel d1 1
save d1 /nonexistent/image
snapshot-create-as d1 s1 --memspec snapshot=internal --disk-only
suspend d1
suspend d1
domlaunchsecinfo d1
perf d1
perf d1 --enable cmt
guestvcpus d1
setvcpus d1 1 --guest
get-user-sshkeys d1 root
vcpupin d1 9 0 --live
blkdeviotune d1 vdx
domblkinfo d1 vdx
domifstat d1 vnet77
domjobinfo d1 --completed
qemu-monitor-command d1 --hmp info status
dominfo d1
domstate d1 --reason
resume d1
domcontrol d1
domjobinfo d1
domstats d1 --state --vcpu --balloon --raw
undefine d1
domrename d1 d2
destroy d1
destroy d1
domrename d1 d2
list --all
domid d2
define /nonexistent.xml
undefine d2
undefine d2
list --all
start missing
domstate missing
nodeinfo
maxvcpus qemu
hostname
sysinfo missing
freecell --all
uri missing
"""


def scrubbed(text, host):
    text = text.replace(os.path.basename(host.root), "HOST").replace(host.root, "ROOT")
    text = re.sub(r"\d+\.\d+s", "T", text)
    text = re.sub(r"(CPU frequency: +)\d+", r"\1N", text)
    text = re.sub(r"(?m)^(\s*\d+|Total|.*):\s+\d+ KiB$", "FREE", text)
    # Measured, and which of them there are depends on the moment.
    text = re.sub(r"(?m)^ +(vcpu\.\d+\.(time|wait|delay|halted)|balloon\.(rss|last-update))\S*=.*\n?", "", text)
    text = re.sub(r"Security (model|DOI|label): .*\n?", "", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@test("A virsh session says the same words as with libvirtd", seconds=150)
def virsh_session(t):
    ours, theirs = both(t)
    xml = domain_xml(t.assets, "d1", boots=False, top=UUID, devices=(
        "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>"))
    differences = []
    for host in (ours, theirs):
        host.define(xml)
    for line in SCRIPT.strip().splitlines():
        said = [(status, scrubbed(text, host)) for host in (theirs, ours)
                for status, text in [host.run(["virsh", "-c", host.uri] + line.split())]]
        if said[0] != said[1]:
            differences.append("virsh %s\n    libvirtd: %s\n    vireod:   %s" % (line, said[0], said[1]))
    if differences:
        raise Failure("%d commands differ\n%s" % (len(differences), "\n".join(differences)))


def changes(t):
    """What is done to the devices of a running domain, in this order: which call, the XML, the flags (1 live, 2 config, 4 force)."""
    def image(name, form="raw"):
        path = t.path(name)
        if not os.path.exists(path):
            subprocess.run(["qemu-img", "create", "-q", "-f", form, path, "1M"], check=True)
        return path

    def disk(name, target, bus, extra="", kind="disk"):
        # Two QEMUs have the image open at once.
        return ("<disk type='file' device='%s'><driver name='qemu' type='raw'/><source file='%s'/><target dev='%s' bus='%s'/>"
                "<shareable/>%s</disk>" % (kind, image(name), target, bus, extra))

    tray = "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>%s<target dev='sdc' bus='sata'/><readonly/></disk>"
    card = "<interface type='user'><mac address='52:54:00:aa:00:01'/><model type='%s'/>%s</interface>"
    rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
    yield "attach", disk("v.img", "vdb", "virtio"), 1
    yield "attach", disk("v.img", "vdb", "virtio"), 1
    yield "attach", disk("v2.img", "vdc", "virtio", "<serial>two</serial><iotune><total_iops_sec>50</total_iops_sec></iotune>"), 3
    yield "attach", disk("v2.img", "vdc", "virtio"), 2
    yield "attach", disk("s.img", "sda", "scsi"), 1
    yield "attach", disk("u.img", "sdd", "usb"), 3
    yield "attach", disk("x.img", "fda", "fdc", "", "floppy"), 1
    yield "attach", disk("x.img", "vde", "virtio", "<boot order='1'/>"), 1
    yield "update", tray % "", 1
    yield "update", tray % ("<source file='%s'/>" % image("other.iso")), 3
    yield "update", (tray % "").replace("sdc", "sdz"), 1
    yield "update", (tray % "").replace("sdc", "sdz"), 2
    yield "update", disk("v3.img", "vdb", "virtio"), 1
    yield "update", disk("v.img", "vdb", "virtio").replace("type='raw'", "type='raw' cache='none'"), 1
    yield "attach", card % ("virtio", ""), 3
    yield "update", card % ("virtio", "<link state='down'/>"), 3
    yield "update", card % ("e1000", ""), 1
    yield "update", rng, 1
    yield "update", rng, 2
    yield "attach", rng, 3
    yield "attach", "<input type='tablet' bus='usb'/>", 1
    yield "attach", "<input type='mouse' bus='ps2'/>", 1
    yield "attach", "<input type='keyboard' bus='virtio'/>", 1
    yield "attach", "<channel type='pty'><target type='virtio' name='org.example.1'/></channel>", 1
    yield "attach", "<memballoon model='virtio'/>", 1
    yield "attach", "<memballoon model='virtio'/>", 2
    yield "attach", "<controller type='usb' model='qemu-xhci'/>", 1
    yield "attach", "<controller type='scsi' index='0' model='virtio-scsi'/>", 1
    yield "attach", "<controller type='scsi' index='1' model='virtio-scsi'/>", 3
    yield "attach", "<watchdog model='i6300esb' action='reset'/>", 2
    yield "attach", "<watchdog model='i6300esb' action='reset'/>", 2
    yield "attach", "<sound model='ich9'/>", 1
    yield "attach", "<nonsense/>", 1
    yield "attach", "<disk", 1
    yield "detach", disk("s.img", "sdq", "scsi"), 1
    yield "detach", disk("s.img", "sdq", "scsi"), 2
    yield "detach", (card % ("virtio", "")).replace("00:01", "00:99"), 1
    yield "detach", (card % ("virtio", "")).replace("00:01", "00:99"), 2
    yield "detach", "<memballoon model='virtio'/>", 1
    yield "detach", "<input type='mouse' bus='ps2'/>", 1
    yield "detach", rng.replace("urandom", "random"), 1
    yield "detach", "<controller type='scsi' index='7' model='virtio-scsi'/>", 1
    yield "detach", "<controller type='pci' index='1' model='pcie-root-port'/>", 1
    yield "detach", disk("c.img", "sdc", "sata", "", "cdrom"), 1
    yield "detach", disk("u.img", "sdd", "usb"), 3
    yield "detach", rng, 2
    yield "detach", card % ("virtio", ""), 2
    yield "detach", disk("v2.img", "vdc", "virtio"), 2


@test("Devices that are attached, detached and changed look, and are refused, as with libvirtd", seconds=200)
def device_changes(t):
    ours, theirs = both(t)
    differences = []
    ports = "<controller type='pci' index='0' model='pcie-root'/><controller type='scsi' index='0' model='virtio-scsi'/><controller type='virtio-serial' index='0'/>" + "".join(
        "<controller type='pci' index='%d' model='pcie-root-port'/>" % index for index in range(1, 15))
    tray = "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='sdc' bus='sata'/><readonly/></disk>"
    xml = domain_xml(t.assets, "changes", boots=False, devices=ports + tray)
    domains = []
    for host in (theirs, ours):
        name = host.define(xml)
        host.virsh("start", name, "--paused", seconds=60)
        domains.append(host.connect().lookupByName(name))
    for number, (call, piece, flags) in enumerate(changes(t)):
        codes = []
        for domain in domains:
            action = {"attach": domain.attachDeviceFlags, "detach": domain.detachDeviceFlags, "update": domain.updateDeviceFlags}[call]
            try:
                action(piece, flags)
                codes.append((None, ""))
            except libvirt.libvirtError as error:
                codes.append((error.get_error_code(), error.get_error_message()))
        title = "%d: %s %s, flags %d" % (number, call, piece, flags)
        if codes[0][0] != codes[1][0]:
            differences.append("%s: libvirtd %s, vireod %s" % (title, codes[0], codes[1]))
            continue
        for what, options in (("live", 0), ("inactive", libvirt.VIR_DOMAIN_XML_INACTIVE)):
            before = len(differences)
            # Failed attempts use up numbers of layers in libvirtd, and it learns of a new channel's state by events only.
            texts = [re.sub(r"(<source [^>]*?) index='[0-9]+'| state='disconnected'", r"\1", domain.XMLDesc(options))
                     for domain in domains]
            compare_xml(texts[1], texts[0], "%s, %s" % (title, what), differences)
            if len(differences) > before:
                break
    if differences:
        raise Failure("%d changes differ\n%s" % (len(differences), "\n".join(differences)))
