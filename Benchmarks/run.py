#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures vireod beside Debian's libvirtd on this machine, in one run, and prints a table with ratios.

usage: Benchmarks/run.py [--scale N] [--only WORDS] [--json FILE]        (as root; `make bench` builds what it needs)

/dev/kvm is hidden from libvirtd, and vireod finds out by itself that it has none, so that both run the same emulated guests.
--scale 10 and more gives the lengths that the bars in Benchmarks/README.md ask for.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(HERE, "IntegrationTests"), os.path.join(HERE, "Benchmarks")]
os.environ.setdefault("VIREO_BIN", os.path.join(HERE, "dist"))

import libvirt

import block_measures
import harness
import measures
import networks
import snapshots
from harness.daemon import Daemon
from harness.oracle import Libvirtd


class Bench:
    names = ("libvirtd", "vireod")

    def __init__(self, scale):
        self.scale, self.rows, self.notes = scale, [], []
        self.directory = tempfile.mkdtemp(prefix="vireo-bench-", dir="/var/tmp")
        os.chmod(self.directory, 0o755)
        self.assets = os.path.join(self.directory, "assets")
        os.mkdir(self.assets)
        for name in ("vmlinuz", "initrd.img", "initrd-agent.img"):
            shutil.copy(os.path.join(HERE, ".cache", "guest", name), self.assets)
        self.calls = os.path.join(self.directory, "calls")
        subprocess.run(["gcc", "-O2", "-o", self.calls, os.path.join(HERE, "Benchmarks", "calls.c"), "-lvirt", "-lpthread"],
                       check=True)
        self.context = harness.Context(self.assets)
        self.counter = 0
        self.hosts = []

    def make(self, kind, name):
        self.counter += 1
        host = kind(self.context, os.path.join(self.context.directory, "%s%d" % (name[0], self.counter)))
        self.context.daemons.append(host)
        return host

    def fresh(self):
        """Makers of daemons that are not started yet, with nothing cached."""
        return {"libvirtd": lambda: self.make(Libvirtd, "libvirtd"), "vireod": lambda: self.make(Daemon, "vireod")}

    def start(self):
        self.hosts = [make() for make in self.fresh().values()]
        for host in self.hosts:
            host.start()
            connection = host.connect()
            connection.getLibVersion()
            host.forget_connections()

    def write(self, name, text):
        path = os.path.join(self.directory, name + ".xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def image(self, name):
        path = os.path.join(self.directory, name + ".raw")
        with open(path, "wb") as file:
            file.truncate(1 << 20)
        return path

    def note(self, text):
        self.notes.append(text)
        print("       " + text, flush=True)

    def row(self, bar, what, unit, theirs, ours, goal=None, higher=False, ratio_goal=None):
        """Adds a figure of both. `goal` is a limit for ours; `ratio_goal` how many times theirs ours has to be."""
        ratio = ours / theirs if theirs else None
        met = None
        if goal is not None:
            met = ours <= goal
        if ratio_goal is not None and ratio is not None:
            met = ratio >= ratio_goal
        self.rows.append({"bar": bar, "what": what, "unit": unit, "libvirtd": theirs, "vireod": ours, "ratio": ratio,
                          "goal": goal, "ratioGoal": ratio_goal, "higherIsBetter": higher, "met": met})
        aim = "" if met is None else ("<= %.4g" % goal if goal is not None else ">= %.3gx" % ratio_goal)
        print("%-4s %-66s %11.4g %11.4g %-11s %7s  %-9s %s" % (
            bar, what, theirs, ours, unit, "%.2fx" % ratio if ratio is not None else "", aim,
            "" if met is None else "met" if met else "MISSED"), flush=True)

    def close(self):
        self.context.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only")
    parser.add_argument("--json", default=os.path.join(HERE, "dist", "bench.json"))
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench: run as root, since libvirtd gets a host of its own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    libvirt.registerErrorHandler(lambda _, __: None, None)
    bench = Bench(arguments.scale)
    failed = 0
    try:
        facts = measures.host_facts()
        print(", ".join("%s: %s" % pair for pair in facts.items()))
        print("%-4s %-66s %11s %11s" % ("", "", "libvirtd", "vireod"))
        bench.start()
        for measure in measures.ALL + [snapshots.snapshots, block_measures.block_jobs, networks.networks]:
            if arguments.only and arguments.only not in measure.__name__:
                continue
            try:
                measure(bench)
            except Exception:
                failed += 1
                print("%s could not be measured:" % measure.__name__)
                traceback.print_exc(limit=-4, file=sys.stdout)
    finally:
        bench.close()
    os.makedirs(os.path.dirname(arguments.json), exist_ok=True)
    with open(arguments.json, "w", encoding="utf-8") as file:
        json.dump({"host": facts, "scale": arguments.scale, "notes": bench.notes, "figures": bench.rows}, file, indent=1)
    judged = [row for row in bench.rows if row["met"] is not None]
    print("%d of %d goals met, %d measures failed; figures in %s" % (
        sum(row["met"] for row in judged), len(judged), failed, arguments.json))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
