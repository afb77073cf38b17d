#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""vireo image beside qemu-img: the same operations on the same files, in turns, in the same run.

usage: Benchmarks/images.py [--vireo PATH] [--calls PATH] [--directory DIR] [--mebibytes N] [--rounds N] [--only WORDS] [--json FILE]

Each figure is the best of the rounds. qemu-img is given the better of its options. The files stay in the page cache, as both
have them there; the directory should have five times the size free.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROUNDS = 3


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stdout.decode()}")


def timed(command, before=None):
    if before:
        before()
    start = time.monotonic()
    run(*command)
    return time.monotonic() - start


def memory(*command):
    """Bytes of memory that a command had at most."""
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.execvp(command[0], command)
    _, status, used = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)}: status {status}")
    return used.ru_maxrss * 1024


class Bench:
    def __init__(self, options):
        self.vireo, self.size, self.rounds = options.vireo, options.mebibytes, options.rounds
        self.calls = options.calls
        self.only = options.only
        self.directory = tempfile.mkdtemp(prefix="vireo-bench-", dir=options.directory)
        self.rows = []

    def path(self, name):
        return os.path.join(self.directory, name)

    def compare(self, name, ours, theirs, bar, before=None):
        """Runs both sides in turns; theirs is a list of commands of which the best counts."""
        if self.only and not any(word in name for word in self.only.split()):
            return
        mine, best = [], []
        for _ in range(self.rounds):
            mine.append(timed(ours, before))
            best.append(min(timed(command, before) for command in theirs))
        mine, best = min(mine), min(best)
        self.rows.append({"what": name, "vireo": mine, "qemu-img": best, "ratio": best / mine, "bar": bar})
        verdict = "ok" if best / mine >= bar else "BELOW"
        print(f"{name:44} {mine:8.3f} s {best:8.3f} s  x{best / mine:5.2f}  bar x{bar:<5} {verdict}", flush=True)

    def bound(self, name, value, most, unit):
        """A figure of ours that has a limit of its own."""
        if self.only and not any(word in name for word in self.only.split()):
            return
        value = value()
        self.rows.append({"what": name, "vireo": value, "ratio": most / value, "bar": 1, "unit": unit})
        print(f"{name:44} {value:10.3f} {unit:24} at most {most} {'ok' if value <= most else 'ABOVE'}", flush=True)

    def data(self):
        """Half of it compresses by about two, a quarter hardly, a quarter is zeros."""
        with open("/usr/bin/qemu-system-x86_64", "rb") as binary:
            text = binary.read(64 << 20)
        with open(self.path("raw"), "wb") as out:
            for chunk in range(self.size // 4):
                if chunk % 4 == 3:
                    out.seek(4 << 20, 1)
                elif chunk % 4 == 2:
                    out.write(os.urandom(4 << 20))
                else:
                    start = chunk * 1_234_567 % (len(text) - (4 << 20))
                    out.write(text[start:start + (4 << 20)])
            out.truncate(self.size << 20)

    def chain(self):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.path("qcow2"), "-F", "qcow2", self.path("c1"))
        for layer in range(1, 5):
            if layer > 1:
                run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.path(f"c{layer - 1}"), "-F", "qcow2", self.path(f"c{layer}"))
            writes = []
            for piece in range(layer, self.size, 40):
                writes += ["-c", f"write -q -P {layer} {piece}M 256k"]
            run("qemu-io", "-f", "qcow2", *writes, self.path(f"c{layer}"))

    def all(self):
        v, q, p = self.vireo, "qemu-img", self.path
        self.data()
        run(q, "convert", "-f", "raw", "-O", "qcow2", p("raw"), p("qcow2"))
        run(q, "convert", "-c", "-W", "-m", "16", "-f", "raw", "-O", "qcow2", p("raw"), p("deflate"))
        run(q, "convert", "-c", "-W", "-m", "16", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", p("raw"), p("zstd"))
        self.chain()

        def fresh():
            for name in ("out.v", "out.q"):
                if os.path.exists(p(name)):
                    os.unlink(p(name))
            os.sync()

        def convert(name, source, source_format, target_format, bar, *more):
            def command(program, out):
                return [program] + (["image"] if program == v else []) + [
                    "convert", "-f", source_format, "-O", target_format, *more, p(source), out]
            theirs = command(q, p("out.q"))
            options = [theirs, theirs[:2] + ["-W", "-m", "16"] + theirs[2:]]
            if source_format == "raw" and target_format == "raw":
                options.append(theirs[:2] + ["-C"] + theirs[2:])
            self.compare(f"convert {name}", command(v, p("out.v")), options, bar, fresh)

        convert("raw to qcow2", "raw", "raw", "qcow2", 1)
        convert("qcow2 to raw", "qcow2", "qcow2", "raw", 2)
        convert("raw to raw", "raw", "raw", "raw", 2)
        convert("a chain of 5 to qcow2", "c4", "qcow2", "qcow2", 1.5)
        convert("to deflate", "raw", "raw", "qcow2", 8, "-c")
        convert("to zstd", "raw", "raw", "qcow2", 2, "-c", "-o", "compression_type=zstd")
        convert("from deflate", "deflate", "qcow2", "raw", 2)
        convert("from zstd", "zstd", "qcow2", "raw", 2)
        self.compare("compare qcow2 with raw", [v, "image", "compare", "-f", "raw", "-F", "qcow2", p("raw"), p("qcow2")],
                     [[q, "compare", "-f", "raw", "-F", "qcow2", p("raw"), p("qcow2")]], 1)
        self.compare("check", [v, "image", "check", p("qcow2")], [[q, "check", p("qcow2")]], 1)
        self.compare("map", [v, "image", "map", "--output", "json", p("c4")], [[q, "map", "--output", "json", p("c4")]], 1)
        self.commit()
        self.info()
        self.large()
        for name, source, source_format, more in (
                ("to raw", "qcow2", "qcow2", ["-O", "raw"]), ("to deflate", "raw", "raw", ["-O", "qcow2", "-c"]),
                ("from zstd", "zstd", "qcow2", ["-O", "raw"])):
            self.bound(f"memory of convert {name}",
                       lambda s=source, f=source_format, m=more: memory(v, "image", "convert", "-f", f, *m, p(s), p("out.v")) / (1 << 20), 64, "MiB")

    def commit(self):
        v, q, p = self.vireo, "qemu-img", self.path
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", p("qcow2"), "-F", "qcow2", p("over"))
        scattered = []
        for piece in range(0, self.size * 1024, 256):
            scattered += ["-c", f"write -q -P 3 {piece}k 4k"]
        run("qemu-io", "-f", "qcow2", *scattered, p("over"))
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", p("qcow2"), "-F", "qcow2", p("large"))
        run("qemu-io", "-f", "qcow2", *sum((["-c", f"write -q -P 4 {piece}M 8M"] for piece in range(0, self.size - 8, 16)), []), p("large"))
        for name, overlay in (("commit scattered 4 KiB", "over"), ("commit 8 MiB pieces", "large")):
            def before(overlay=overlay):
                shutil.copyfile(p("qcow2"), p("base"))
                shutil.copyfile(p(overlay), p("top"))
                run(q, "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", p("base"), p("top"))
                os.sync()
            self.compare(name, [v, "image", "commit", "-f", "qcow2", "-d", p("top")], [[q, "commit", "-q", "-f", "qcow2", "-d", p("top")]], 1.5, before)

            def flat(overlay=overlay):
                shutil.copyfile(p(overlay), p("top"))
                os.sync()
            self.compare(name.replace("commit", "rebase"), [v, "image", "rebase", "-f", "qcow2", "-b", "", p("top")],
                         [[q, "rebase", "-f", "qcow2", "-b", "", p("top")]], 1.5, flat)

    def info(self):
        v, q, p = self.vireo, "qemu-img", self.path
        run(q, "create", "-q", "-f", "qcow2", p("i0"), "1G")
        for layer in range(1, 200):
            run(v, "image", "create", "-q", "-f", "qcow2", "-b", p(f"i{layer - 1}"), "-F", "qcow2", p(f"i{layer}"))
        self.compare("info of 200 layers", [v, "image", "info", "--backing-chain", "--output", "json", p("i199")],
                     [[q, "info", "--backing-chain", "--output", "json", p("i199")]], 4)


    def large(self):
        """Images whose size is all that is large: 100 GiB of which 10 are allocated, and 1 TiB with some MiB."""
        v, q, p = self.vireo, "qemu-img", self.path
        run(q, "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", p("large10"), "10G")
        run(q, "resize", "-q", p("large10"), "100G")
        shutil.copyfile(p("large10"), p("large10b"))
        os.truncate(p("large10b"), os.path.getsize(p("large10")))
        self.compare("check of 100 GiB, 10 allocated", [v, "image", "check", p("large10")], [[q, "check", p("large10")]], 1)
        self.compare("map of 100 GiB, 10 allocated", [v, "image", "map", "--output", "json", p("large10")],
                     [[q, "map", "--output", "json", p("large10")]], 1)
        self.compare("compare of 100 GiB, 10 allocated", [v, "image", "compare", p("large10"), p("large10b")],
                     [[q, "compare", p("large10"), p("large10b")]], 1)
        run(q, "create", "-q", "-f", "qcow2", p("tera"), "1T")
        run("qemu-io", "-f", "qcow2", *sum((["-c", f"write -q -P 5 {piece}G 1M"] for piece in range(0, 1024, 16)), []), p("tera"))
        for target in ("raw", "qcow2"):
            self.compare(f"convert 1 TiB with 64 MiB to {target}",
                         [v, "image", "convert", "-f", "qcow2", "-O", target, p("tera"), p("out.v")],
                         [[q, "convert", "-f", "qcow2", "-O", target, p("tera"), p("out.q")]], 1)
        self.bound("memory of check, 100 GiB", lambda: memory(v, "image", "check", p("large10")) / (1 << 20), 64, "MiB")
        self.bound("memory of map, 1 TiB", lambda: memory(v, "image", "map", p("tera")) / (1 << 20), 64, "MiB")
        if self.calls:
            self.bound("info of 200 layers, as a call", lambda: 1000 * float(subprocess.check_output([self.calls, "info", p("i199"), "20"])), 2, "ms")
            self.overlays(1000)

    def overlays(self, count):
        """New overlays by the library, beside as many processes of qemu-img."""
        name = f"create of {count} overlays"
        if self.only and not any(word in name for word in self.only.split()):
            return
        base, mine, theirs = self.path("i0"), self.path("mine"), self.path("theirs")
        os.mkdir(mine)
        os.mkdir(theirs)
        ours = float(subprocess.check_output([self.calls, "create", base, mine, str(count)]))
        start = time.monotonic()
        for number in range(count):
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", f"{theirs}/o{number}")
        other = time.monotonic() - start
        run("qemu-img", "check", "-q", f"{mine}/o{count - 1}")
        self.rows.append({"what": name, "vireo": ours, "qemu-img": other, "ratio": other / ours, "bar": 10})
        print(f"{name:44} {ours:8.3f} s {other:8.3f} s  x{other / ours:5.2f}  bar x10 {'ok' if other / ours >= 10 else 'BELOW'}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vireo", default=os.path.join(os.path.dirname(__file__), "../.build/release/vireo"))
    parser.add_argument("--calls", help="the program vireo-image-bench, for what is measured as library calls")
    parser.add_argument("--directory", default="/tmp")
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="")
    parser.add_argument("--json")
    options = parser.parse_args()
    bench = Bench(options)
    try:
        bench.all()
    finally:
        shutil.rmtree(bench.directory)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(bench.rows, out, indent=2)
    return 0 if all(row["ratio"] >= row["bar"] for row in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
