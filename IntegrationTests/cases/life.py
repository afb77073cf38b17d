# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""A domain's everyday life through virsh and libvirt's Python module."""
import os
import subprocess
import threading
import time

from harness import Failure, Skip, test
from harness.guest import Console, disk_xml, domain_xml


@test("A guest defined and started with virsh boots, and its console answers")
def boots(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "web1"))
    t.equal(host.virsh("domstate", name), "shut off")
    host.virsh("start", name)
    t.equal(host.virsh("domstate", "--reason", name), "running (booted)")
    console = Console.of(host, name)
    console.wake()
    t.equal(console.shell("echo $((6 * 7))"), "42")
    t.true("web1" in host.virsh("list"), "virsh list shows it")
    host.virsh("destroy", name)
    t.equal(host.virsh("domstate", "--reason", name), "shut off (destroyed)")
    t.equal(host.all_qemus(), [], "processes left")
    host.virsh("undefine", name)
    t.equal(host.virsh("list", "--all", "--name"), "")


def virsh_console(t, host, *arguments):
    """`virsh console` on a terminal of its own, as a person uses it."""
    master, slave = os.openpty()
    client = subprocess.Popen(["setsid", "--ctty", "--wait", "virsh", "-c", host.uri, "console", *arguments], stdin=slave,
                              stdout=slave, stderr=slave)
    os.close(slave)
    t.on_exit(client.kill)
    return client, Console.on(master)


@test("virsh console talks to the guest, a second one is refused, and --force throws the first out")
def consoles(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "talk"))
    host.virsh("start", name)
    client, console = virsh_console(t, host, name)
    console.expect("Escape character is")
    console.wake()
    t.equal(console.shell("echo $((5 * 5))"), "25")
    refused, said = virsh_console(t, host, name)
    said.expect("Active console session exists", 10)
    t.wait(lambda: refused.poll() is not None, 10, "the refused virsh to end")
    _, second = virsh_console(t, host, name, "--force")
    second.expect("Escape character is")
    t.wait(lambda: client.poll() is not None, 10, "the first console to end")
    second.wake()
    host.virsh("destroy", name)


def event_loop():
    """Has libvirt's client library call back from a thread; before the first connection."""
    import libvirt

    libvirt.virEventRegisterDefaultImpl()

    def loop():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=loop, daemon=True).start()


@test("The power button shuts the guest down, with the events in their order")
def power_button(t):
    import libvirt

    host = t.daemon()
    event_loop()
    connection = host.connect()
    seen = []
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                      lambda c, d, event, detail, o: seen.append((event, detail)), None)
    name = host.define(domain_xml(t.assets, "button"))
    host.virsh("start", name)
    Console.of(host, name).wake()
    host.virsh("shutdown", "--mode", "acpi", name)
    t.wait(lambda: host.virsh("domstate", name) == "shut off", 15, "the guest to power off")
    t.equal(host.virsh("domstate", "--reason", name), "shut off (shutdown)")
    wanted = [(libvirt.VIR_DOMAIN_EVENT_DEFINED, 0), (libvirt.VIR_DOMAIN_EVENT_RESUMED, 0),
              (libvirt.VIR_DOMAIN_EVENT_STARTED, 0), (libvirt.VIR_DOMAIN_EVENT_STOPPED, 0)]
    t.wait(lambda: all(event in seen for event in wanted), 5, "the events; seen: %s" % seen)
    t.true(seen.index(wanted[0]) < seen.index(wanted[2]) < seen.index(wanted[3]), "the order of %s" % seen)


@test("A start that cannot work leaves the domain as it was, with a reason that names the file")
def failed_start(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "nodisk", boots=False, devices=disk_xml(t.path("absent.qcow2"))))
    text = host.virsh("start", name, fails=True)
    t.true("absent.qcow2" in text, "the file is named: " + text)
    t.equal(host.virsh("domstate", name), "shut off")
    # A probe of what QEMU can do may just be ending.
    t.wait(lambda: not host.all_qemus(), 5, "the end of every QEMU")
    run = os.path.join(host.root, "run", "domains")
    t.equal(os.listdir(run) if os.path.isdir(run) else [], [], "run directories left")


@test("A guest writes to its disk, and the file has its owner back afterwards")
def disk(t):
    path = t.path("disk.raw")
    with open(path, "wb") as file:
        file.truncate(8 << 20)
    owner = os.stat(path).st_uid
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "writer", devices=disk_xml(path, form="raw")))
    host.virsh("start", name)
    console = Console.of(host, name)
    console.wake()
    t.equal(console.shell("echo vireo-was-here | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null; sync; echo done"), "done")
    host.virsh("destroy", name)
    with open(path, "rb") as file:
        t.equal(file.read(15), b"vireo-was-here\n")
    t.wait(lambda: os.stat(path).st_uid == owner, 2, "the owner of the image to be restored")


@test("Pausing stops the guest's clock and resuming goes on")
def pause(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "pauser"))
    host.virsh("start", name, "--paused")
    t.equal(host.virsh("domstate", "--reason", name), "paused (user)")
    host.virsh("resume", name)
    console = Console.of(host, name)
    console.wake()
    host.virsh("suspend", name)
    t.equal(host.virsh("domstate", "--reason", name), "paused (user)")
    console.type("echo sleep''ing\n")
    time.sleep(0.5)
    t.true("sleeping" not in console.seen, "a paused guest answered")
    host.virsh("resume", name)
    console.expect("sleeping", 10)


@test("The read-only socket reads and cannot change")
def read_only(t):
    import libvirt

    host = t.daemon()
    host.define(domain_xml(t.assets, "watched"))
    reader = host.connect(read_only=True)
    t.equal([d.name() for d in reader.listAllDomains()], ["watched"])
    # libvirt's client refuses by itself; what counts is that the daemon does.
    from harness import wire

    client = wire.WireClient(host.socket + "-ro", open_connection=False)
    client.call(wire.AUTH_LIST)
    client.call(wire.CONNECT_OPEN, wire.optional_string("qemu:///system") + b"\0\0\0\0")
    domain = client.domain("watched")
    for procedure, payload in ((9, domain), (12, domain), (11, wire.string("<domain/>"))):
        reply = client.call(procedure, payload)
        t.true(reply.error_code in (libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED),
               "procedure %d: %s" % (procedure, reply.error_code))
    t.equal(host.virsh("domstate", "watched"), "shut off")


@test("Twenty clients start, look at and destroy domains of their own at once", seconds=150)
def many_clients(t):
    host = t.daemon()
    failures = []

    def client(number):
        name = "many%d" % number
        try:
            host.define(domain_xml(t.assets, name, boots=False, memory_mib=32, serial=""))
            for _ in range(2):
                host.virsh("start", name, seconds=60)
                host.virsh("dominfo", name)
                host.virsh("destroy", name, seconds=60)
            host.virsh("undefine", name)
        except Failure as error:
            failures.append(str(error))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.equal(failures, [])
    t.equal(host.all_qemus(), [], "processes left")


@test("A client that hands over files with a start is served; the files themselves are refused, as QEMU has no use for them")
def start_with_files(t):
    import libvirt

    host = t.daemon()
    connection = host.connect()
    xml = domain_xml(t.assets, "filed", boots=False, memory_mib=32, serial="")
    domain = connection.defineXML(xml)
    with open(os.devnull, "rb") as file:
        t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, domain.createWithFiles, [file.fileno()], 0)
        t.equal(domain.isActive(), 0)
        domain.createWithFiles([], libvirt.VIR_DOMAIN_START_PAUSED)
        t.equal(domain.state(), [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER])
        domain.destroy()
        domain.undefine()
        t.raises(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, connection.createXMLWithFiles, xml, [file.fileno()], 0)
    t.equal(connection.createXMLWithFiles(xml, [], 0).isActive(), 1)


@test("Where only version 2 of control groups is mounted, QEMU is in a group of its own, which goes with the guest")
def cgroup2(t):
    tree = "/sys/fs/cgroup/unified"
    if os.geteuid() != 0 or not os.path.exists(tree + "/cgroup.procs"):
        raise Skip("needs root and a mounted cgroup2 beside version 1")
    script = t.path("only-cgroup2")
    with open(script, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nset -e\nfor tree in /sys/fs/cgroup/*; do umount -l $tree 2>/dev/null || true; done\n"
                   "mount -t cgroup2 none /sys/fs/cgroup\nexec \"$@\"\n")
    os.chmod(script, 0o755)
    host = t.daemon(prefix=["unshare", "--mount", script])
    name = host.define(domain_xml(t.assets, "grouped", boots=False, memory_mib=32, cpus=2))
    host.virsh("start", name)

    def group(pid):
        with open("/proc/%d/cgroup" % pid, encoding="ascii") as file:
            return [line.strip()[3:] for line in file if line.startswith("0::")][0]

    own = group(host.qemu(name))
    t.true(own.startswith("/vireo/") and "-grouped" in own, "QEMU's group: " + own)
    t.true("cpu.time=" in host.virsh("domstats", "--cpu-total", name), "the group's processor time is told")
    if "cpu" not in open(tree + "/cgroup.controllers", encoding="ascii").read().split():
        refused = host.virsh("schedinfo", "--live", "--set", "cpu_shares=200", name, fails=True)
        t.true("cpu" in refused, "what cannot be limited is refused by name: " + refused)
    else:
        host.virsh("schedinfo", "--live", "--set", "cpu_shares=200", name)
        with open(tree + own + "/cpu.weight", encoding="ascii") as file:
            t.equal(file.read().strip(), "200")
    host.restart()
    t.wait(lambda: host.virsh("domcontrol", name) == "ok", 10, "the guest to be managed")
    t.equal(group(host.qemu(name)), own, "the group after a restart of the daemon")
    host.virsh("destroy", name)
    t.true(not os.path.exists(tree + own), "the group is gone with the guest")


@test("Limits of memory and weights of block I/O hold at once, and are taken away again")
def live_limits(t):
    root = "/sys/fs/cgroup/memory/vireo"
    if os.geteuid() != 0 or not os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        raise Skip("needs root and version 1 of control groups")
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "limited", boots=False, memory_mib=32))
    host.virsh("start", name)
    with open("/proc/%d/cgroup" % host.qemu(name), encoding="ascii") as file:
        own = "/sys/fs/cgroup/memory" + [line.strip() for line in file if ":memory:" in line][0].rpartition(":")[2]
    t.true(own.startswith(root), "QEMU's group: " + own)

    def limit(file):
        with open(os.path.join(own, file), encoding="ascii") as opened:
            return int(opened.read())

    before = limit("memory.limit_in_bytes")
    host.virsh("memtune", name, "--hard-limit", "900000", "--soft-limit", "800000", "--live")
    t.equal((limit("memory.limit_in_bytes"), limit("memory.soft_limit_in_bytes")), (900000 * 1024, 800000 * 1024))
    t.true("900000" in host.virsh("memtune", name) and "<hard_limit unit='KiB'>900000" in host.virsh("dumpxml", name), "the limit is told")
    host.virsh("memtune", name, "--hard-limit", "-1", "--live")
    t.equal(limit("memory.limit_in_bytes"), before, "the limit was taken away")
    t.true("hard_limit" not in host.virsh("dumpxml", name), "no limit in the XML")
    t.true("unlimited" in host.virsh("memtune", name, "--config"), "the definition is untouched")


@test("Limits of single block devices are kept, hold at once and at start, and are taken away again")
def device_limits(t):
    if os.geteuid() != 0 or not os.path.exists("/sys/fs/cgroup/blkio/vireo") and not os.path.exists("/sys/fs/cgroup/blkio/tasks"):
        raise Skip("needs root and version 1 of control groups")
    with open(t.path("disk"), "wb") as file:
        file.truncate(1 << 20)
    made = subprocess.run(["losetup", "--find", "--show", t.path("disk")], capture_output=True, text=True)
    if made.returncode != 0:
        raise Skip("no loop device: " + made.stderr)
    device = made.stdout.strip()
    t.on_exit(lambda: subprocess.run(["losetup", "--detach", device], check=True))
    number = "%d:%d" % (os.major(os.stat(device).st_rdev), os.minor(os.stat(device).st_rdev))
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "metered", boots=False, memory_mib=32))
    host.virsh("blkiotune", name, "--device-read-bytes-sec", device + ",4000000", "--device-weights", "/dev/sdz,300", "--config")
    told = host.virsh("blkiotune", name)
    t.true("device_read_bytes_sec: %s,4000000" % device in told and "device_weight  : /dev/sdz,300" in told, told)
    t.true("<weight>300</weight>" in host.virsh("dumpxml", name), "the definition has it")
    for wrong in ("junk", "/dev/sdz,", "/dev/sdz,-1", ",5", "/dev/sdz,99999999999"):
        t.true("unable to parse blkio device" in host.virsh("blkiotune", name, "--device-read-iops-sec", wrong, "--config", fails=True), wrong)
    host.virsh("blkiotune", name, "--device-weights", "/dev/sdz,0", "--config")
    t.true("sdz" not in host.virsh("dumpxml", name), "a device without limits is no device")
    host.virsh("start", name)
    with open("/proc/%d/cgroup" % host.qemu(name), encoding="ascii") as file:
        own = "/sys/fs/cgroup/blkio" + [line.strip() for line in file if ":blkio:" in line][0].rpartition(":")[2]

    def limit(what):
        with open(os.path.join(own, "blkio.throttle.%s_device" % what), encoding="ascii") as opened:
            return dict(line.split() for line in opened).get(number)

    t.equal(limit("read_bps"), "4000000", "the limit of the start")
    host.virsh("blkiotune", name, "--device-read-bytes-sec", device + ",0", "--device-write-iops-sec", device + ",70", "--live")
    t.equal((limit("read_bps"), limit("write_iops")), (None, "70"), "the limits now")
    for wrong, why in (("/dev/nosuch-vireo", "No such file"), ("/dev/null", "not a block device")):
        said = host.virsh("blkiotune", name, "--device-write-iops-sec", wrong + ",70", "--live", fails=True)
        t.true(why in said, said)
    t.true("nosuch" not in host.virsh("dumpxml", name), "what was refused is not told")


@test("Threads that come later run where the definition says, not where the emulator is tied to")
def later_threads(t):
    if len(os.sched_getaffinity(0)) < 2:
        raise Skip("needs two processors")
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "threads", boots=False, memory_mib=32))
    host.virsh("start", name)
    host.virsh("emulatorpin", name, "0", "--live")
    host.virsh("iothreadadd", name, "5", "--live")
    t.true(host.virsh("iothreadinfo", name).split()[-1] != "0", "the new I/O thread may run anywhere: " + host.virsh("iothreadinfo", name))


@test("What is tuned of a running guest is told as events, and a burst without its limit is refused")
def tuning_events(t):
    import libvirt

    host = t.daemon()
    event_loop()
    connection = host.connect()
    seen = []
    connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE, lambda c, d, changed, o: seen.append(changed), None)
    with open(t.path("disk"), "wb") as file:
        file.truncate(1 << 20)
    name = host.define(domain_xml(t.assets, "tuned", boots=False, memory_mib=32, devices=disk_xml(t.path("disk"), form="raw")))

    def tune(*arguments, told=None):
        seen.clear()
        host.virsh(*arguments)
        if told:
            t.wait(lambda: seen, 5, "the event of " + " ".join(arguments))
        t.equal(seen, [told] if told else [])

    tune("blkdeviotune", name, "vda", "--total-iops-sec", "500", "--config")
    host.virsh("start", name)
    tune("blkdeviotune", name, "vda", "--total-bytes-sec", "5000", "--group-name", "slow", "--live",
         told={"blkdeviotune.disk": "vda", "blkdeviotune.total_bytes_sec": 5000, "blkdeviotune.group_name": "slow"})
    tune("vcpupin", name, "0", "0", "--live", told={"cputune.vcpupin0": "0"})
    tune("emulatorpin", name, "0", "--live", told={"cputune.emulatorpin": "0"})
    for wrong, why in ((("--total-bytes-sec-max", "4000"), "'total_bytes_sec_max' cannot be smaller than 'total_bytes_sec'"),
                       (("--read-iops-sec-max", "4000"), "'read_iops_sec_max' cannot be set if 'read_iops_sec' is not set"),
                       (("--total-iops-sec-max-length", "4"), "_max_length' cannot be set if 'total_iops_sec_max' is not set")):
        for scope in ("--live", "--config"):
            if scope == "--config" and wrong[0] == "--total-bytes-sec-max":
                continue
            said = host.virsh("blkdeviotune", name, "vda", *wrong, scope, fails=True)
            t.true("unsupported configuration" in said and why in said, said)


@test("Flags and parameters that nobody knows are refused with libvirt's codes")
def unknown_flags(t):
    import libvirt

    host = t.daemon()
    connection = host.connect()
    domain = connection.defineXML(domain_xml(t.assets, "flags", boots=False, memory_mib=32))
    unknown = 1 << 30
    t.raises(libvirt.VIR_ERR_INVALID_ARG, connection.createXML, domain.XMLDesc(), unknown)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, domain.setMemoryStatsPeriod, 3, unknown)
    t.raises(libvirt.VIR_ERR_INVALID_ARG, connection.getMemoryParameters, unknown)
    t.raises(libvirt.VIR_ERR_NO_DOMAIN_BACKUP, domain.backupGetXMLDesc)
    t.raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, domain.fSTrim, "/", 0)
    said = host.virsh("perf", domain.name(), "--enable", "bogus", "--config", fails=True)
    t.true("argument unsupported: parameter 'bogus' not supported" in said, said)
    t.equal(connection.getMemoryParameters().keys(), connection.getMemoryParameters(0).keys())
    t.true(not domain.isActive(), "nothing was started")


@test("A descriptor goes along with a monitor command")
def monitor_descriptor(t):
    host = t.daemon()
    name = host.define(domain_xml(t.assets, "passed", boots=False, memory_mib=32))
    host.virsh("start", name)
    with open(os.devnull, "rb") as file:
        said = subprocess.run(
            ["virsh", "-c", host.uri, "qemu-monitor-command", "--pass-fds", str(file.fileno()), name,
             '{"execute": "add-fd", "arguments": {"fdset-id": 7}}'],
            pass_fds=[file.fileno()], capture_output=True, text=True, timeout=20, check=True).stdout
    t.true('"fdset-id":7' in said.replace(" ", ""), "QEMU has it: " + said)
    t.true('"fdset-id":7' in host.virsh("qemu-monitor-command", name, '{"execute": "query-fdsets"}').replace(" ", ""), "QEMU keeps it")
    t.true("custom monitor control commands issued" in host.virsh("dominfo", name), "the guest is marked")
    host.restart()
    t.true("custom monitor control commands issued" in host.virsh("dominfo", name), "the mark is kept")
