#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the parts of the test suite, and ends with one line that counts the cases of all of them.

usage: run-tests.py [--add] [--hours N] [--only WORDS] PART...      PART: check, unit, integration, fuzz, acceptance

--hours lets each part run so long, for those that are chosen to be long. --add keeps the counts of earlier runs in the closing
line, as continuous integration wants after `make test`. With CI set, a case that was skipped because a tool is missing counts as
failed.
"""
import argparse
import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(HERE, ".build", "test-results")
ACCEPTANCE = os.path.join(HERE, "..", "shared", "acceptance")
LIMITS_SECONDS = {"build": 30 * 60, "check": 5 * 60, "unit": 10 * 60, "integration": 20 * 60, "fuzz": 10 * 60,
                  "acceptance": 25 * 60}


class Counts:
    """How many cases of a part passed, failed and were skipped, and the names of those that failed."""

    def __init__(self, passed=0, failed=0, skipped=0, failures=()):
        self.passed, self.failed, self.skipped, self.failures = passed, failed, skipped, list(failures)


def run(part, command, **options):
    """Runs `command` in its own process group until the part's deadline; returns its exit status, 124 when cut off."""
    process = subprocess.Popen(command, cwd=HERE, start_new_session=True, **options)
    try:
        return process.wait(LIMITS_SECONDS[part])
    except subprocess.TimeoutExpired:
        print("%s: cut off after %d s" % (part, LIMITS_SECONDS[part]))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return 124
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def check(_):
    status = run("check", [os.path.join(HERE, "Tools", "check.sh")])
    return Counts(passed=1) if status == 0 else Counts(failed=1, failures=["make check"])


def build_tests():
    return run("build", ["swift", "build", "--build-tests"])


def unit(_):
    if build_tests() != 0:
        return Counts(failed=1, failures=["the build"])
    report = os.path.join(RESULTS, "unit.xml")
    measured = report.replace(".xml", "-swift-testing.xml")
    for path in (report, measured):
        if os.path.exists(path):
            os.remove(path)
    status = run("unit", ["swift", "test", "--skip-build", "--no-parallel", "--xunit-output", report])
    try:
        suite = ElementTree.parse(measured).getroot().find("testsuite")
        cases = suite.findall("testcase")
    except (OSError, ElementTree.ParseError, AttributeError):
        return Counts(failed=1, failures=["swift test ended with status %d and left no report" % status])
    failures = [case.get("classname", "") + "/" + case.get("name", "") for case in cases if case.find("failure") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    if status != 0 and not failures:
        failures = ["swift test ended with status %d" % status]
    return Counts(max(0, len(cases) - len(failures) - skipped), len(failures), skipped, failures)


def integration(arguments):
    report = os.path.join(RESULTS, "integration-cases.json")
    if os.path.exists(report):
        os.remove(report)
    command = ["/usr/bin/python3", os.path.join(HERE, "IntegrationTests", "run.py"), "--json", report]
    if not os.path.exists(os.path.join(HERE, ".build", "debug", "vireod")) and build_tests() != 0:
        return Counts(failed=1, failures=["the build"])
    status = run("integration", command + (["--only", arguments.only] if arguments.only else []))
    return counts_of(report, status)


def counts_of(report, status):
    try:
        with open(report, encoding="utf-8") as file:
            cases = json.load(file)
    except (OSError, ValueError):
        return Counts(failed=1, failures=["ended with status %d and left no report" % status])
    failures = [case["name"] for case in cases if case["result"] == "failed"]
    if os.environ.get("CI"):
        failures += [case["name"] + " (skipped)" for case in cases if case["result"] == "skipped"]
    skipped = 0 if os.environ.get("CI") else sum(case["result"] == "skipped" for case in cases)
    return Counts(sum(case["result"] == "passed" for case in cases), len(failures), skipped, failures)


def fuzz(_):
    report = os.path.join(RESULTS, "fuzz-cases.json")
    if os.path.exists(report):
        os.remove(report)
    status = run("fuzz", [os.path.join(HERE, "Fuzz", "run.py"), "--seconds", "20", "--json", report])
    return counts_of(report, status)


def acceptance(_):
    if not os.path.exists(os.path.join(ACCEPTANCE, "run.py")):
        print("acceptance: no suite beside this checkout, nothing to run")
        return Counts()
    report = os.path.join(RESULTS, "acceptance-cases.json")
    if os.path.exists(report):
        os.remove(report)
    status = run("acceptance", ["/usr/bin/python3", os.path.join(HERE, "IntegrationTests", "acceptance.py"), "--json", report,
                                ACCEPTANCE])
    return counts_of(report, status)


PARTS = {"check": check, "unit": unit, "integration": integration, "fuzz": fuzz, "acceptance": acceptance}


def main():
    parser = argparse.ArgumentParser(usage="%(prog)s [--add] [--hours N] [--only WORDS] PART...")
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--hours", type=int)
    parser.add_argument("--only")
    parser.add_argument("parts", nargs="+", choices=PARTS)
    arguments = parser.parse_args()
    if os.path.exists("/opt/swift/usr/bin/swift"):
        os.environ["PATH"] = "/opt/swift/usr/bin:" + os.environ["PATH"]

    if arguments.hours:
        LIMITS_SECONDS.update({part: arguments.hours * 3600 for part in PARTS})
    os.makedirs(RESULTS, exist_ok=True)
    if not arguments.add:
        for part in PARTS:
            path = os.path.join(RESULTS, part + ".json")
            if os.path.exists(path):
                os.remove(path)
    for part in arguments.parts:
        started = time.monotonic()
        print("== %s" % part, flush=True)
        counts = PARTS[part](arguments)
        with open(os.path.join(RESULTS, part + ".json"), "w", encoding="utf-8") as file:
            json.dump(dict(vars(counts), seconds=round(time.monotonic() - started, 1)), file)

    print("\n%-12s %7s %7s %7s %9s" % ("part", "passed", "failed", "skipped", "seconds"))
    total = Counts()
    for part in PARTS:
        path = os.path.join(RESULTS, part + ".json")
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as file:
            counts = json.load(file)
        print("%-12s %7d %7d %7d %9.1f" % (part, counts["passed"], counts["failed"], counts["skipped"], counts["seconds"]))
        total.passed += counts["passed"]
        total.failed += counts["failed"]
        total.skipped += counts["skipped"]
        total.failures += ["%s: %s" % (part, name) for name in counts["failures"]]
    for name in total.failures:
        print("FAILED  " + name)
    print("%d passed, %d failed, %d skipped" % (total.passed, total.failed, total.skipped), flush=True)
    sys.exit(1 if total.failed else 0)


if __name__ == "__main__":
    main()
