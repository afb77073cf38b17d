# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""`vireo image` on hundreds of hostile images: each refused or contained, within 2 s and 64 MiB, and nothing outside is opened."""
import concurrent.futures
import ctypes
import os
import subprocess
import tempfile

from harness import test
from harness.hostile import Corpus

# Of processor time: the kernel ends who takes more, whatever else the machine does.
SECONDS = 2
# Of memory, above what a sound image takes.
MEMORY = 64 << 20
IN_OPEN, IN_ACCESS = 0x20, 0x1

COMMANDS = {
    "qcow2": [["info", "--backing-chain", "-f", "qcow2"], ["check", "-f", "qcow2"], ["map", "-l", "1G", "--output", "json", "-f", "qcow2"], "dd"],
    "raw": [["info", "-f", "raw"], ["map", "-f", "raw"]],
    "ova": [["info"], ["check"], "dd"],
    "files": [["ls", "-f", "raw"], ["ls", "-l", "-f", "raw", "PATH", "/lost+found"]],
}


class Watch:
    """Which of a directory's files are opened, as the kernel tells (inotify)."""

    def __init__(self, directory):
        self.library = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self.library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.library.inotify_add_watch(self.descriptor, directory.encode(), IN_OPEN | IN_ACCESS) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def saw(self):
        try:
            return os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return b""


def commands(path, kind):
    for command in COMMANDS.get(kind, [["info", "-f", kind], "dd"]):
        if command == "dd":
            form = ["-f", kind] if kind != "ova" else []
            yield ["dd", *form, "bs=1M", "count=8", "if=" + path, "of=" + path + ".out"]
        elif "PATH" in command:
            yield [path if word == "PATH" else word for word in command]
        else:
            yield [*command, path]


def limited(program, command, within):
    """Runs it with limits that end it; its status, what it said, and the most memory that it had."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            ["prlimit", "--cpu=%d" % SECONDS, "--fsize=%d" % (64 << 20), "--core=0", program, "image", command[0], "--within", within, *command[1:]],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return child.returncode, said.read(4096).decode(errors="replace"), used.ru_maxrss * 1024


@test("Hundreds of hostile images are refused or contained, each within 2 s and 64 MiB, and nothing outside their directory is opened", seconds=600)
def hostile(t):
    directory, outside = t.path("images"), t.path("outside")
    os.makedirs(directory)
    os.makedirs(outside)
    with open(os.path.join(outside, "secret"), "wb") as file:
        file.write(b"secret" * 20_000)
    corpus = Corpus(directory, outside)
    t.true(len(corpus.files) >= 500, "there are only %d images" % len(corpus.files))
    program = t.program("vireo")
    status, said, usual = limited(program, ["info", corpus.path("sound")], directory)
    t.equal(status, 0, said)
    watch = Watch(outside)
    with open(os.path.join(outside, "secret"), "rb"):
        t.true(watch.saw(), "the watch sees who opens the secret")

    def try_one(entry):
        bad = []
        for command in commands(*entry):
            status, said, most = limited(program, command, directory)
            if status not in (0, 1, 2, 3, 63) or "Fatal error" in said:
                bad.append("%s: status %d: %s" % (" ".join(command), status, said[-300:]))
            if status != 0 and not said and command[0] != "check":
                bad.append("%s: status %d, and no word why" % (" ".join(command), status))
            if most > usual + MEMORY:
                bad.append("%s: %d MiB of memory, %d more than for a sound image" % (" ".join(command), most >> 20, (most - usual) >> 20))
        return bad, watch.saw() and entry[0]

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = list(pool.map(try_one, corpus.files))
    bad = [line for lines, _ in found for line in lines]
    t.true(not bad, "%d of %d images did harm:\n%s" % (len(bad), len(corpus.files), "\n".join(bad[:20])))
    opened = [path for _, path in found if path]
    t.true(not opened, "something outside was opened by (or about the time of) %s" % opened[:5])
    print("    %d images" % len(corpus.files))
