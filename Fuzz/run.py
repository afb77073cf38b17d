#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the fuzzers with libFuzzer and AddressSanitizer, and runs each for a time.

usage: Fuzz/run.py [--seconds N] [--only rpc|xml|qmp|qcow2|vmdk|vhd|vhdx|vdi|appliance|partitions|fat] [--json FILE]

Seeds are Fuzz/corpus/NAME and the golden files of the tests. What is found interesting stays in .build-fuzz/corpus/NAME for
the next run; what makes a target fail is left in .build-fuzz/found/ and becomes a test in the change that repairs it.
"""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(HERE, ".build-fuzz")
TARGETS = {"rpc": 65536, "xml": 32768, "qmp": 16384, "qcow2": 65536, "vmdk": 16384, "vhd": 16384, "vhdx": 65537, "vdi": 16384,
           "appliance": 16384, "partitions": 16384, "fat": 32768}


def build():
    command = ["swift", "build", "--scratch-path", BUILD, "--product", "VireoFuzz", "-Xswiftc", "-sanitize=fuzzer,address",
               "-Xswiftc", "-O"]
    ended = subprocess.run(command, cwd=HERE, env=dict(os.environ, VIREO_FUZZ="1"), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        lines = [line for line in (ended.stdout + ended.stderr).splitlines() if "Cannot export local symbol" not in line]
        print("\n".join(lines[-60:]))
        return False
    return True


def seeds(target):
    """The bytes of all seeds, by name."""
    found = {}
    folders = [os.path.join(HERE, "Fuzz", "corpus", target)]
    if target == "xml":
        folders += [os.path.join(HERE, "Tests", tests, "Golden") for tests in ("VireoXMLTests", "VireoQEMUTests")]
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                if target != "xml" or name.endswith(".xml"):
                    with open(os.path.join(parent, name), "rb") as file:
                        found[name] = file.read()
    vectors = os.path.join(HERE, "Tests", "VireoRPCTests", "Vectors", "libvirt-rpc-vectors.json")
    if target == "rpc" and os.path.exists(vectors):
        with open(vectors, encoding="utf-8") as file:
            text = file.read()
        # Each recorded message is a string of hexadecimal digits; its length word is put before it if it lacks one.
        for digits in re.findall(r'"((?:[0-9a-f]{2}){28,})"', text):
            message = bytes.fromhex(digits)
            if int.from_bytes(message[:4], "big") != len(message):
                message = (len(message) + 4).to_bytes(4, "big") + message
            if len(message) <= TARGETS["rpc"]:
                found[hashlib.sha1(message).hexdigest()[:16]] = message
    return found


def fuzz(target, seconds):
    corpus, found = os.path.join(BUILD, "corpus", target), os.path.join(BUILD, "found")
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(found, exist_ok=True)
    start = seeds(target)
    for name, data in start.items():
        path = os.path.join(corpus, "seed-" + name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(data)
    environment = dict(os.environ, VIREO_FUZZ_TARGET=target, SWIFT_BACKTRACE="enable=no",
                       ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1:abort_on_error=0")
    command = [os.path.join(BUILD, "debug", "VireoFuzz"), corpus, "-max_total_time=%d" % seconds, *(["-seed=1", "-runs=10000"] if os.environ.get("CI") else []), "-timeout=5",
               "-rss_limit_mb=2048", "-max_len=%d" % TARGETS[target], "-print_final_stats=1", "-use_value_profile=0",
               "-artifact_prefix=%s/%s-" % (found, target)]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL,
                               timeout=seconds + 120, check=False)
        output, status = ended.stdout + ended.stderr, ended.returncode
    except subprocess.TimeoutExpired as error:
        output, status = (error.stderr or b"").decode(errors="replace"), "none"
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    covered = re.findall(r"cov: (\d+)", output)
    print("%s: %s runs in %d s from %d seeds, %s edges covered, exit status %s" % (
        target, runs.group(1) if runs else "?", seconds, len(start), covered[-1] if covered else "?", status), flush=True)
    if status != 0:
        print("\n".join(output.splitlines()[-60:]))
        print("%s: what failed is in %s" % (target, found))
    return status == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if os.path.exists("/opt/swift/usr/bin/swift"):
        os.environ["PATH"] = "/opt/swift/usr/bin:" + os.environ["PATH"]
    results = {"fuzz: the build": build()}
    if results["fuzz: the build"]:
        del results["fuzz: the build"]
        for target in [arguments.only] if arguments.only else TARGETS:
            results["fuzz: " + target] = fuzz(target, arguments.seconds)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump([{"name": name, "result": "passed" if good else "failed"} for name, good in results.items()], file)
    sys.exit(0 if all(results.values()) else 1)


if __name__ == "__main__":
    main()
