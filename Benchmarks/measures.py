# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured: each function takes the bench, measures both daemons the same way, and adds rows."""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import libvirt

from harness import Failure, descriptors, held_bytes, resident_bytes, seconds_of_processor, wire
from harness.guest import disk_xml, domain_xml
from storage import pools

SMALL = dict(boots=False, memory_mib=64, serial="")


def elapsed(action, *arguments):
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


def median(values):
    return sorted(values)[len(values) // 2]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def start_up(bench):
    """R20: a daemon with nothing cached, to its first answers."""
    figures = {}
    for name, make in bench.fresh().items():
        host = make()
        try:
            until_list = elapsed(host.start)
            connection = host.connect()
            lists, done = [], threading.Event()

            def poll(host=host, lists=lists, done=done):
                other = libvirt.open(host.uri)
                while not done.is_set():
                    lists.append(elapsed(other.listAllDomains))
                    time.sleep(0.005)
                other.close()

            poller = threading.Thread(target=poll)
            poller.start()
            first = elapsed(connection.getCapabilities)
            done.set()
            poller.join()
            figures[name] = (until_list, first, max(lists or [0]), elapsed(connection.getCapabilities))
        finally:
            host.close()
    bench.row("R20", "start, nothing cached, until it answers", "ms", *(1e3 * figures[n][0] for n in bench.names))
    bench.row("R20", "first capabilities, nothing cached", "ms", *(1e3 * figures[n][1] for n in bench.names), goal=500)
    bench.row("R20", "longest list meanwhile", "ms", *(1e3 * figures[n][2] for n in bench.names), goal=100)
    bench.row("", "capabilities again", "ms", *(1e3 * figures[n][3] for n in bench.names))


def idle(bench):
    # Both have things to do at first: capabilities are probed, and what start-up needed is given back.
    time.sleep(5)
    bench.row("", "RSS idle, no client, nothing defined", "MiB", *(resident_bytes(h.pid) / 2**20 for h in bench.hosts), goal=25)


def calls(bench):
    """R21 and the rates: libvirt's C client against both."""
    for host in bench.hosts:
        host.virsh("create", bench.write("info", domain_xml(bench.assets, "info", **SMALL)), seconds=120)
    for call, clients, ratio in (("version", 1, 1.2), ("version", 16, 3), ("info", 1, None), ("info", 16, None)):
        figures = []
        for host in bench.hosts:
            best = None
            for _ in range(3):
                text = subprocess.run([bench.calls, host.uri, str(clients), str(2 * min(bench.scale, 5)), call, "info"],
                                      capture_output=True, text=True, check=True, timeout=300).stdout.split()
                numbers = [float(word) for word in text]
                best = numbers if best is None or numbers[0] > best[0] else best
            figures.append(best)
        words = {"version": "getLibVersion", "info": "domainGetInfo of a running guest"}[call]
        bench.row("", "%s, %d client%s" % (words, clients, "s" * (clients > 1)), "calls/s", *(f[0] for f in figures),
                  higher=True, ratio_goal=ratio)
        if clients == 1:
            bench.row("R21", "%s, p99" % words, "us", *(f[2] for f in figures), goal=300 if call == "version" else None)
    for host in bench.hosts:
        host.virsh("destroy", "info")


def many_domains(bench):
    """R21: 500 definitions."""
    count, figures = 500, []
    for host in bench.hosts:
        connection = host.connect()
        definitions = [domain_xml(bench.assets, "many%d" % n, **SMALL) for n in range(count)]
        define = elapsed(lambda: [connection.defineXML(xml) for xml in definitions])
        lists = [elapsed(connection.listAllDomains) for _ in range(20)]
        looks = [elapsed(connection.lookupByName, "many250") for _ in range(200)]
        domain = connection.lookupByName("many250")
        texts = [elapsed(domain.XMLDesc) for _ in range(200)]
        stats = [elapsed(connection.getAllDomainStats) for _ in range(10)]
        memory = resident_bytes(host.pid) / 2**20
        undefine = elapsed(lambda: [domain.undefine() for domain in connection.listAllDomains()])
        connection.close()
        figures.append((1e3 * define / count, 1e3 * median(lists), 1e6 * median(looks), 1e6 * median(texts), 1e3 * median(stats),
                        memory, 1e3 * undefine / count))
    rows = (("R21", "define, each of 500", "ms", None), ("R21", "list all 500", "ms", 4), ("", "look-up by name", "us", None),
            ("", "XML of a domain", "us", None), ("R21", "statistics of 500 that are shut off", "ms", 15),
            ("", "RSS with 500 defined", "MiB", None), ("", "undefine, each of 500", "ms", None))
    for index, (bar, what, unit, goal) in enumerate(rows):
        bench.row(bar, what, unit, *(f[index] for f in figures), goal=goal)


def bare_qemu(bench):
    """Seconds from the spawn of QEMU until its monitor answers query-status: what no daemon can undercut."""
    times = []
    for number in range(10):
        path = os.path.join(bench.directory, "bare%d" % number)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        started = time.monotonic()
        process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35,accel=tcg", "-m", "64",
             "-S", "-chardev", "socket,id=m,fd=%d,server=on,wait=off" % listener.fileno(), "-mon", "chardev=m,mode=control"],
            pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL)
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        client.sendall(b'{"execute":"qmp_capabilities"}{"execute":"query-status"}')
        text = b""
        while b'"status"' not in text:
            text += client.recv(65536)
        times.append(time.monotonic() - started)
        process.kill()
        process.wait()
        listener.close()
        client.close()
    return median(times)


def start_and_destroy(bench):
    """R04, and start beside bare QEMU."""
    figures = []
    repeats = int(15 * min(bench.scale, 7))
    bare = bare_qemu(bench)
    for host in bench.hosts:
        connection = host.connect()
        domain = connection.defineXML(domain_xml(bench.assets, "cycle", **SMALL))
        domain.create()
        domain.destroy()
        starts, ends = [], []
        for _ in range(repeats):
            starts.append(elapsed(domain.create))
            ends.append(elapsed(domain.destroy))
        domain.create()
        stats = [elapsed(connection.getAllDomainStats) for _ in range(30)]
        domain.destroy()
        domain.undefine()
        connection.close()
        figures.append((median(starts), percentile(starts, 0.95), median(ends), percentile(ends, 0.95), median(stats)))
    bench.note("bare QEMU answers query-status %.1f ms after its spawn" % (1e3 * bare))
    bench.row("", "start of a guest, median of %d" % repeats, "ms", *(1e3 * f[0] for f in figures), goal=1.3e3 * bare)
    bench.row("", "start of a guest, p95", "ms", *(1e3 * f[1] for f in figures))
    bench.row("", "destroy, median", "ms", *(1e3 * f[2] for f in figures), goal=200)
    bench.row("R04", "destroy, p95", "ms", *(1e3 * f[3] for f in figures), goal=500)
    bench.row("", "all statistics of one running guest", "ms", *(1e3 * f[4] for f in figures), goal=2)


def frozen(bench):
    """R01 to R03: one guest's QEMU is stopped, callers wait on it; what do others feel?"""
    callers, figures = 100, []
    for host in bench.hosts:
        disk = bench.image("frozen-%s" % os.path.basename(host.root))
        stuck = host.define(domain_xml(bench.assets, "stuck", devices=disk_xml(disk, form="raw"), **SMALL))
        other = host.define(domain_xml(bench.assets, "other", **SMALL))
        host.virsh("start", stuck)
        host.virsh("start", other)
        host.virsh("destroy", other)
        pid = host.qemu(stuck) or host.all_qemus()[0]
        os.kill(pid, signal.SIGSTOP)
        stop, longest = threading.Event(), []

        def caller(host=host, stop=stop, longest=longest):
            connection = libvirt.open(host.uri)
            domain = connection.lookupByName("stuck")
            while not stop.is_set():
                began = time.monotonic()
                try:
                    domain.blockStats("vda")
                except libvirt.libvirtError:
                    pass
                longest.append(time.monotonic() - began)
            connection.close()

        threads = [threading.Thread(target=caller, daemon=True) for _ in range(callers)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        connection = host.connect()
        lists = [elapsed(connection.listAllDomains) for _ in range(20)]
        started = [None]

        def start(host=host, started=started):
            mine = libvirt.open(host.uri)
            began = time.monotonic()
            try:
                mine.lookupByName("other").create()
                started[0] = time.monotonic() - began
            except libvirt.libvirtError:
                pass

        starter = threading.Thread(target=start, daemon=True)
        starter.start()
        starter.join(120)
        took = started[0] or 120.0
        destroyer = threading.Thread(target=lambda c=connection: c.lookupByName("stuck").destroy(), daemon=True)
        destroyed = elapsed(lambda d=destroyer: (d.start(), d.join(60)))
        stop.set()
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass
        for thread in threads:
            thread.join(60)
        figures.append((took, max(lists), max(longest or [0]), destroyed))
        host.run(["virsh", "-q", "-c", host.uri, "destroy", "other"])
        for name in (stuck, other):
            host.run(["virsh", "-q", "-c", host.uri, "undefine", name])
    what = "one guest frozen, %d callers on it: " % callers
    bench.row("R01", what + "start of another", "ms", *(1e3 * f[0] for f in figures), goal=1000)
    bench.row("R01", what + "list, worst", "ms", *(1e3 * f[1] for f in figures), goal=50)
    bench.row("R02", what + "longest read call", "ms", *(1e3 * f[2] for f in figures), goal=1000)
    bench.row("R03", what + "destroy of the frozen one", "ms", *(1e3 * f[3] for f in figures), goal=1000)


def kills(bench):
    """R05: kill -9 of the daemon with ten guests running."""
    figures = []
    for host, loops in zip(bench.hosts, (int(10 * min(bench.scale, 3)), int(50 * bench.scale))):
        names = [host.define(domain_xml(bench.assets, "k%d" % n, **dict(SMALL, memory_mib=32))) for n in range(10)]
        for name in names:
            host.virsh("start", name, seconds=60)
        pids = sorted(host.all_qemus())
        times, wrong = [], 0
        for _ in range(loops):
            host.kill()
            began = time.monotonic()
            host.start()
            connection = host.connect()
            connection.listAllDomains()
            times.append(time.monotonic() - began)
            deadline = time.monotonic() + 3
            while True:
                running = sum(domain.state()[0] == 1 for domain in connection.listAllDomains())
                if running == 10 or time.monotonic() > deadline:
                    break
                time.sleep(0.01)
            wrong += running != 10
            host.forget_connections()
        lost = len(set(pids) - set(host.all_qemus()))
        for name in names:
            host.run(["virsh", "-q", "-c", host.uri, "destroy", name])
            host.run(["virsh", "-q", "-c", host.uri, "undefine", name])
        figures.append((lost, wrong, percentile(times, 0.99), loops))
    what = "kill -9 of the daemon, 10 guests, %d times (libvirtd %d): " % (figures[-1][3], figures[0][3])
    bench.row("R05", what + "guests lost", "", *(f[0] for f in figures), goal=0)
    bench.row("R05", what + "wrong states", "", *(f[1] for f in figures), goal=0)
    bench.row("R05", what + "back, p99", "ms", *(1e3 * f[2] for f in figures), goal=300)


def bad_clients(bench):
    """R16: many that are connected and idle, half messages, and some that never read."""
    count, figures = int(min(5000, 1000 * bench.scale)), []
    for host in bench.hosts:
        connection = host.connect()
        connection.listAllDomains()
        time.sleep(0.5)
        before, open_before = held_bytes(host.pid), descriptors(host.pid)
        clients = []
        try:
            for _ in range(count):
                clients.append(wire.WireClient(host.socket, open_connection=False))
                clients[-1].call(wire.AUTH_LIST)
                clients[-1].call(wire.CONNECT_OPEN, wire.optional_string("qemu:///system") + b"\0\0\0\0")
        except (Failure, OSError) as error:
            bench.note("%s: client %d was not served: %s" % (os.path.basename(host.root), len(clients), error))
        halves = []
        for _ in range(100):
            half = socket.socket(socket.AF_UNIX)
            try:
                half.connect(host.socket)
                half.sendall(b"\0\0")
                halves.append(half)
            except OSError:
                break
        lists = [elapsed(connection.listAllDomains) for _ in range(20)]
        memory = (held_bytes(host.pid) - before) / max(1, len(clients) + len(halves)) / 1024
        for client in clients:
            client.close()
        for half in halves:
            half.close()
        began = time.monotonic()
        while descriptors(host.pid) > open_before + 1 and time.monotonic() < began + 30:
            time.sleep(0.01)
        figures.append((max(lists), memory, time.monotonic() - began))
        host.forget_connections()
    bench.row("R16", "list beside %d idle clients and 100 half messages" % count, "ms", *(1e3 * f[0] for f in figures), goal=50)
    bench.row("R16", "memory for each idle client", "KiB", *(f[1] for f in figures), goal=64)
    bench.row("R16", "all freed after they left", "ms", *(1e3 * f[2] for f in figures), goal=5000)


def keepalive(bench):
    """R17: pings of a client that has 256 slow calls in flight."""
    figures, length = [], min(120, 15 * bench.scale)
    for host in bench.hosts:
        name = host.define(domain_xml(bench.assets, "slow", **SMALL))
        host.virsh("start", name)
        client = wire.WireClient(host.socket, seconds=60)
        # As a client that takes part in keepalive says first.
        domain = client.domain(name)
        pid = host.qemu(name) or host.all_qemus()[0]
        os.kill(pid, signal.SIGSTOP)
        worst, end, in_flight = 0.0, time.monotonic() + length, 0
        try:
            while time.monotonic() < end:
                while in_flight < 256:
                    client.send(wire.QEMU_MONITOR_COMMAND, wire.monitor_command(domain, '{"execute":"query-status"}'), wire.QEMU)
                    in_flight += 1
                    if time.monotonic() > end:
                        # libvirtd reads on only when one of the calls before has ended.
                        raise Failure("the calls are not even read")
                began = time.monotonic()
                client.ping()
                while client.receive(30).program != wire.KEEPALIVE:
                    in_flight -= 1
                worst = max(worst, time.monotonic() - began)
                time.sleep(0.25)
        except (Failure, OSError):
            # No answer in the time that the client waits, or a daemon that does not even read any more.
            worst = 60.0
        os.kill(pid, signal.SIGCONT)
        client.close()
        host.run(["virsh", "-q", "-c", host.uri, "destroy", name], seconds=60)
        host.run(["virsh", "-q", "-c", host.uri, "undefine", name])
        figures.append(worst)
    bench.row("R17", "keepalive answer beside 256 slow calls, worst in %d s" % length, "ms", *(1e3 * f for f in figures), goal=5000)


def leaks(bench):
    """R18: cycles and calls, then what was kept."""
    figures = []
    for host, cycles in zip(bench.hosts, (int(10 * min(bench.scale, 3)), int(100 * bench.scale))):
        connection = host.connect()
        domain = connection.defineXML(domain_xml(bench.assets, "leak", **SMALL))

        def work(times, connection=connection, domain=domain):
            for _ in range(times):
                domain.create()
                domain.destroy()
                for _ in range(200):
                    connection.getLibVersion()
                domain.XMLDesc()

        work(5 if cycles < 50 else 25)
        time.sleep(1)
        before, open_before = held_bytes(host.pid), descriptors(host.pid)
        work(cycles)
        time.sleep(1)
        figures.append(((held_bytes(host.pid) - before) / 2**20, descriptors(host.pid) - open_before, cycles))
        domain.undefine()
        host.forget_connections()
    what = "%d starts (libvirtd %d) and 200 calls after each: " % (figures[-1][2], figures[0][2])
    bench.row("R18", what + "memory kept", "MiB", *(f[0] for f in figures), goal=5)
    bench.row("R18", what + "descriptors kept", "", *(f[1] for f in figures), goal=0)


def idle_with_guests(bench):
    """R19: 50 defined, 10 running, nobody looks."""
    length, figures = min(600, 30 * bench.scale), []
    for host in bench.hosts:
        connection = host.connect()
        domains = [connection.defineXML(domain_xml(bench.assets, "idle%d" % n, **dict(SMALL, memory_mib=32))) for n in range(50)]
        for domain in domains[:10]:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        host.forget_connections()
        time.sleep(2)
        pid = host.pid
        before = seconds_of_processor(pid)
        time.sleep(length)
        used = seconds_of_processor(pid) - before
        figures.append((100 * used / length, resident_bytes(pid) / 2**20))
        for domain in host.connect().listAllDomains():
            if domain.isActive():
                domain.destroy()
            domain.undefine()
        host.forget_connections()
    bench.row("R19", "idle with 50 defined and 10 running, over %d s" % length, "% of a core", *(f[0] for f in figures), goal=0.5)
    bench.row("R19", "RSS then", "MiB", *(f[1] for f in figures), goal=60)


ALL = [start_up, idle, calls, many_domains, start_and_destroy, idle_with_guests, frozen, bad_clients, keepalive, leaks, kills, pools]


def host_facts():
    def first_line(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[0]
        except (OSError, IndexError):
            return "unknown"

    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    with open("/proc/loadavg", encoding="ascii") as file:
        load = file.read().split()[0]
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": os.uname().release, "load": load,
            "qemu": first_line("qemu-system-x86_64", "--version"), "libvirtd": first_line("libvirtd", "--version"),
            "debian": json.dumps(open("/etc/debian_version", encoding="ascii").read().strip())}
