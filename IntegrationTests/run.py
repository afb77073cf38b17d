#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the integration tests: real clients, a real vireod, real guests.

usage: IntegrationTests/run.py [--only WORDS] [--jobs N] [--json FILE] [--list]

Each case runs in a process and a directory of its own, with a deadline. VIREO_BIN names a folder with other builds of
vireod and vireo; VIREO_TEST_SCALE=10 makes the loops of the trouble cases ten times as long.
"""
import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness

ASSETS = os.path.join(harness.HERE, ".cache", "guest")


def load_cases():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            importlib.import_module("cases." + name[:-3])
    return harness.CASES


def run_one(case, assets):
    """Runs a case in this process; the exit status says how it went: 0, 1 for a failure, 2 for a skip."""
    context = harness.Context(assets)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        import libvirt

        # Errors are looked at where they are caught.
        libvirt.registerErrorHandler(lambda _, __: None, None)
        case.body(context)
        return 0
    except harness.Skip as reason:
        print("skipped: %s" % reason)
        return 2
    except BaseException:
        traceback.print_exc(limit=-6, file=sys.stdout)
        for daemon in context.daemons:
            print("--- the log of %s\n%s" % (daemon.root, daemon.log_tail()))
        return 1
    finally:
        context.close()


class Runner:
    def __init__(self, assets):
        self.assets, self.results, self.lock = assets, [], threading.Lock()

    def run(self, case, number):
        started = time.monotonic()
        process = subprocess.Popen(["/usr/bin/python3", os.path.abspath(__file__), "--one", str(number), "--assets", self.assets],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True)
        try:
            output, _ = process.communicate(timeout=case.seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                output, _ = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
            output += "\nno end after %d s" % case.seconds
            process.returncode = 1
        result = {0: "passed", 2: "skipped"}.get(process.returncode, "failed")
        with self.lock:
            elapsed = time.monotonic() - started
            print("%-7s %-9s %6.1f s  %s" % (result.upper(), case.area, elapsed, case.name), flush=True)
            measured = [line for line in output.splitlines() if line.startswith("    ")]
            shown = output if result == "failed" else "\n".join(measured) if result == "passed" else output
            if shown.strip():
                print("\n".join("        " + line for line in shown.rstrip().splitlines()[-120:]), flush=True)
            self.results.append({"name": case.name, "result": result, "seconds": round(elapsed, 2)})

    def run_all(self, cases, jobs):
        together = [pair for pair in cases if not pair[0].alone]
        threads = []
        for _ in range(jobs):
            thread = threading.Thread(target=self.take, args=(together,))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        for case, number in cases:
            if case.alone:
                self.run(case, number)

    def take(self, queue):
        while True:
            with self.lock:
                if not queue:
                    return
                case, number = queue.pop(0)
            self.run(case, number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--json")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", type=int)
    parser.add_argument("--assets")
    arguments = parser.parse_args()
    cases = load_cases()
    if arguments.one is not None:
        sys.exit(run_one(cases[arguments.one], arguments.assets))
    chosen = [(case, number) for number, case in enumerate(cases)
              if not arguments.only or arguments.only.lower() in (case.area + "/" + case.name).lower()]
    if arguments.list:
        for case, _ in chosen:
            print("%-10s %s" % (case.area, case.name))
        return
    assets = tempfile.mkdtemp(prefix="vireo-assets-", dir="/var/tmp")
    try:
        # Where an unprivileged QEMU can read them, wherever the checkout lies.
        os.chmod(assets, 0o755)
        for name in ("vmlinuz", "initrd.img", "initrd-agent.img", "initrd-disks.img"):
            shutil.copy(os.path.join(ASSETS, name), assets)
        runner = Runner(assets)
        runner.run_all(chosen, arguments.jobs)
    finally:
        shutil.rmtree(assets, ignore_errors=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(runner.results, file, indent=1)
    failed = [result for result in runner.results if result["result"] == "failed"]
    print("%d of %d cases passed" % (sum(r["result"] == "passed" for r in runner.results), len(runner.results)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
