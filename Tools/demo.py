#!/usr/bin/python3
# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Shows Vireo at work in a directory of its own, and leaves nothing behind: `make demo` runs it."""
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.environ.get("VIREO_BIN", os.path.join(HERE, ".build", "debug"))
GUEST = os.path.join(HERE, ".cache", "guest")


def step(text):
    print("\n\033[1m== %s\033[0m" % text if sys.stdout.isatty() else "\n== %s" % text, flush=True)


def shown(command):
    print("$ " + " ".join(os.path.basename(word) if word == command[0] else word for word in command), flush=True)
    subprocess.run(command, check=True, timeout=60)


def read_until(terminal, text, seconds):
    """Copies what the terminal shows to standard output until `text` has come."""
    seen, deadline = "", time.monotonic() + seconds
    while text not in seen:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise SystemExit("\ndemo: the guest did not show %r in %d s" % (text, seconds))
        try:
            data = os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            raise SystemExit("\ndemo: the console ended before it showed %r" % text) from None
        seen += data
        sys.stdout.write(data.replace("\x1b[6n", ""))
        sys.stdout.flush()


def main():
    directory = tempfile.mkdtemp(prefix="vireo-demo-", dir="/tmp")
    os.chmod(directory, 0o755)
    root = os.path.join(directory, "root")
    os.mkdir(root)
    for name in ("vmlinuz", "initrd.img"):
        # Beside the demo's state, where QEMU may read it even when the checkout lies in a private home.
        shutil.copy(os.path.join(GUEST, name), directory)
    vireo = [os.path.join(PROGRAMS, "vireo"), "--root", root]
    kind = "system" if os.geteuid() == 0 else "session"
    virsh = ["virsh", "-c", "qemu+unix:///%s?socket=%s/run/libvirt-sock" % (kind, root)]
    daemon = None
    try:
        step("Start a daemon that keeps everything below %s" % root)
        print("$ vireod --root %s &" % root, flush=True)
        with open(os.path.join(directory, "vireod.log"), "wb") as log:
            daemon = subprocess.Popen([os.path.join(PROGRAMS, "vireod"), "--root", root], stdout=subprocess.PIPE, stderr=log,
                                      stdin=subprocess.DEVNULL, start_new_session=True)
        if not select.select([daemon.stdout], [], [], 30)[0] or daemon.stdout.readline() != b"ready\n":
            with open(os.path.join(directory, "vireod.log"), encoding="utf-8", errors="replace") as file:
                raise SystemExit("demo: vireod did not get ready:\n" + file.read())

        step("Run a machine and join its console")
        command = vireo + ["run", "--name", "demo", "--kernel", directory + "/vmlinuz", "--initrd", directory + "/initrd.img",
                           "--append", "console=ttyS0 no_timer_check", "--memory", "128M", "--cpus", "1"]
        print("$ vireo run --name demo --kernel vmlinuz --initrd initrd.img --append 'console=ttyS0 no_timer_check' --memory 128M --cpus 1",
              flush=True)
        child, terminal = pty.fork()
        if child == 0:
            os.execv(command[0], command)
        try:
            read_until(terminal, "guest# ", 180)
            os.write(terminal, b"uname -sr; echo \"6 * 7 = $((6 * 7))\"\r")
            read_until(terminal, "6 * 7 = 42", 60)
            time.sleep(0.5)
            os.write(terminal, b"\x1d")
            time.sleep(0.5)
        finally:
            # Leaving the console is what Ctrl-] does; a vireo that does not is told by its terminal going away.
            os.close(terminal)
            deadline = time.monotonic() + 10
            while os.waitpid(child, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(child, signal.SIGKILL)
                time.sleep(0.05)

        step("Both commands list it")
        shown(vireo + ["ls"])
        shown(virsh + ["list"])

        step("Stop it")
        shown(vireo + ["stop", "demo"])
        shown(vireo + ["ls"])
        shown(vireo + ["rm", "demo"])
        step("That was Vireo. Everything that it made is removed again.")
    finally:
        if daemon:
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for entry in os.listdir("/proc"):
            # Whatever went wrong above: no machine of the demo is left running.
            try:
                with open("/proc/%s/environ" % entry, "rb") as file:
                    if entry.isdigit() and int(entry) != os.getpid() and root.encode() in file.read():
                        os.kill(int(entry), signal.SIGKILL)
            except OSError:
                continue
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
