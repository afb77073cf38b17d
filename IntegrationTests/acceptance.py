#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the black-box acceptance suite that may lie beside the checkout against a vireod of its own.

usage: acceptance.py [--only PATTERN] [--all] [--json FILE] [--jobs N] SUITE-DIRECTORY
       acceptance.py --restart ROOT        (what the suite calls to kill the daemon with -9 and start it again)

Without --only or --all it runs the cases that acceptance-passing.txt lists: those that must not fail any more.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Beyond so many failures something is really wrong, and a second run would only take time.
RETRY_LIMIT = 12
LIST = os.path.join(HERE, "IntegrationTests", "acceptance-passing.txt")


def start(root):
    """Starts vireod on `root`, waits until it answers and notes its pid in ROOT.pid.

    It listens on TCP and TLS, too: ROOT.ports names the two ports, ROOT.pki has the certificates.
    """
    program = os.path.join(os.environ.get("VIREO_BIN", os.path.join(HERE, ".build", "debug")), "vireod")
    command = [program, "--root", root, "--hostname", "acceptance"]
    with open(root + ".ports", encoding="ascii") as file:
        tcp, tls = file.read().split()
    command += ["--listen-tcp", "127.0.0.1:" + tcp, "--listen-tls", "127.0.0.1:" + tls, "--pki", root + ".pki"]
    with open(root + ".log", "ab") as log:
        read, write = os.pipe()
        process = subprocess.Popen(command, stdout=write, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        os.close(write)
    with os.fdopen(read) as said:
        if said.readline() != "ready\n":
            sys.exit("vireod did not get ready; see %s.log" % root)
    with open(root + ".pid", "w", encoding="ascii") as file:
        file.write(str(process.pid))


def end(root):
    try:
        with open(root + ".pid", encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + 5
    while os.path.exists("/proc/%d" % pid) and time.monotonic() < deadline:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        time.sleep(0.02)


def kill_guests(root):
    for entry in os.listdir("/proc"):
        try:
            # vireod puts the directory of each QEMU into its environment.
            with open("/proc/%s/environ" % entry, "rb") as file:
                if entry.isdigit() and root.encode() in file.read() and int(entry) != os.getpid():
                    os.kill(int(entry), signal.SIGKILL)
        except OSError:
            continue


def passing():
    with open(LIST, encoding="utf-8") as file:
        return [line.split("#")[0].strip() for line in file if line.split("#")[0].strip()]


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def run_cases(suite, root, report, environment, chosen, jobs):
    """Runs the chosen cases (all for an empty list) and returns what the suite says of each."""
    with open(root + ".ports", encoding="ascii") as file:
        tcp, tls = file.read().split()
    command = ["/usr/bin/python3", os.path.join(suite, "run.py"), "--json", report, "--jobs", jobs,
               "--uri", "qemu+unix:///system?socket=%s/run/libvirt-sock" % root,
               "--tcp-uri", "qemu+tcp://127.0.0.1:%s/system" % tcp,
               "--tls-uri", "qemu+tls://localhost:%s/system?pkipath=%s.pki" % (tls, root),
               "--restart-cmd", "/usr/bin/python3 %s --restart %s" % (os.path.abspath(__file__), root)]
    for pattern in chosen:
        command += ["--only", pattern]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False)
    with open(report, encoding="utf-8") as file:
        cases = json.load(file)["results"]
    # The suite takes a pattern as a part of a name too: "dev/rng" would bring "dev/rng-hotplug" along.
    exact = bool(chosen) and not any("*" in pattern or pattern.endswith("/") for pattern in chosen)
    return [case for case in cases if not exact or case["id"] in chosen]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--json")
    parser.add_argument("--jobs", default="2")
    parser.add_argument("--restart")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("suite", nargs="?")
    arguments = parser.parse_args()
    if arguments.restart:
        end(arguments.restart)
        return start(arguments.restart)

    environment = dict(os.environ, ACC_CACHE=os.environ.get("ACC_CACHE", os.path.join(HERE, ".cache", "acceptance")))
    if not os.path.exists(os.path.join(environment["ACC_CACHE"], "vmlinuz")):
        subprocess.run([os.path.join(arguments.suite, "tools", "get-assets.sh")], env=environment, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
    chosen = arguments.only or ([] if arguments.all else passing())
    directory = tempfile.mkdtemp(prefix="vireo-acc-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    root, report = os.path.join(directory, "h"), os.path.join(directory, "report.json")
    os.mkdir(root)
    subprocess.run([os.path.join(arguments.suite, "tools", "mkpki.sh"), root + ".pki"], check=True)
    with open(root + ".ports", "w", encoding="ascii") as file:
        file.write("%d %d" % tuple(free_ports(2)))
    start(root)
    try:
        suite = [arguments.suite, root, report, environment]
        cases = run_cases(*suite, chosen, arguments.jobs)
        # Two emulated guests at once can starve one's timer while it boots: what failed gets one more try, alone.
        failed = [case["id"] for case in cases if case["status"] in ("FAIL", "ERROR")]
        if failed and len(failed) <= RETRY_LIMIT:
            print("once more, alone: %s" % " ".join(failed), flush=True)
            again = {case["id"]: case for case in run_cases(*suite, failed, "1")}
            cases = [again.get(case["id"], case) for case in cases]
        status = int(any(case["status"] in ("FAIL", "ERROR") for case in cases))
    finally:
        end(root)
        kill_guests(root)
    if not arguments.only and not arguments.all:
        # What is listed has to run: a pattern that meets no case any more, or a case that is skipped, is a failure.
        seen = {case["id"] for case in cases}
        cases += [{"id": name, "status": "ERROR"} for name in chosen if "*" not in name and name not in seen]
    if arguments.json:
        words = {"PASS": "passed", "SKIP": "skipped", "XPASS": "passed", "XFAIL": "skipped"}
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([{"name": case["id"], "result": words.get(case["status"], "failed")} for case in cases], file, indent=1)
    if arguments.keep or status:
        print("the daemon's log: %s.log" % root)
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
