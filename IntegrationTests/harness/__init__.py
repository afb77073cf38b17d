# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""What the integration tests are written with: a registry of cases, and a context that cleans up after each."""
import os
import shutil
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

CASES = []


class Skip(Exception):
    """A tool or a host feature is missing; the reason is the text."""


class Failure(AssertionError):
    """What was seen is not what was promised."""


class Case:
    def __init__(self, name, body, seconds, alone):
        self.name, self.body, self.seconds, self.alone = name, body, seconds, alone
        self.area = os.path.basename(body.__code__.co_filename)[:-3]


def test(name, seconds=180, alone=False):
    """Registers a case. `seconds` is its deadline; `alone` keeps others from running beside it (it measures time)."""

    def register(body):
        CASES.append(Case(name, body, seconds, alone))
        return body

    return register


def processes_mentioning(text):
    """The pids that have `text` in their command line or environment, where vireod puts the directory of each QEMU."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            try:
                with open("/proc/%s/%s" % (entry, name), "rb") as file:
                    if text.encode() in file.read():
                        found.append(int(entry))
                        break
            except OSError:
                break
    return found


def seconds_of_processor(pid):
    """User and system time that the process has used, in seconds."""
    with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    with open("/proc/%d/statm" % pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held_bytes(pid):
    """Memory that the process holds for itself, without pages of files such as the program, which come and go with use."""
    with open("/proc/%d/status" % pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) * 1024


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Context:
    """Handed to each case: makes daemons and directories below one short directory, and removes all of it at the end."""

    def __init__(self, assets):
        self.assets = assets
        self.directory = tempfile.mkdtemp(prefix="vireo-", dir="/var/tmp")
        os.chmod(self.directory, 0o755)
        self.daemons = []
        self.cleanups = []

    def daemon(self, name="host", **options):
        from harness.daemon import Daemon
        from harness.oracle import Libvirtd

        # Whether a case asks too much is seen by running it against libvirtd.
        kind = Libvirtd if os.environ.get("VIREO_TEST_ORACLE") else Daemon
        daemon = kind(self, os.path.join(self.directory, name), **options)
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, name):
        return os.path.join(os.environ.get("VIREO_BIN", os.path.join(HERE, ".build", "debug")), name)

    def on_exit(self, action):
        self.cleanups.append(action)

    def wait(self, condition, seconds, what):
        """Polls `condition` until it is true, and returns what it gave; fails after `seconds`, naming `what`."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise Failure("waited %g s for %s" % (seconds, what))
            time.sleep(0.02)

    def equal(self, seen, wanted, what=""):
        if seen != wanted:
            raise Failure("%s%r, not %r" % (what and what + ": ", seen, wanted))

    def true(self, condition, what):
        if not condition:
            raise Failure(what)

    def less(self, seen, limit, what):
        print("    %s: %.4g (limit %.4g)" % (what, seen, limit))
        if not seen <= limit:
            raise Failure("%s: %.4g is above %.4g" % (what, seen, limit))

    def raises(self, code, action, *arguments):
        import libvirt

        try:
            action(*arguments)
        except libvirt.libvirtError as error:
            if error.get_error_code() != code:
                raise Failure("error %d (%s), not %d" % (error.get_error_code(), error.get_error_message(), code)) from None
            return error
        raise Failure("no error, where %d was to come" % code)

    def close(self):
        """Ends everything that this case started. Nothing may be left; what is left is killed all the same."""
        for action in reversed(self.cleanups):
            action()
        for daemon in self.daemons:
            daemon.close()
        for pid in processes_mentioning(self.directory):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["umount", "-l", self.path("small")], capture_output=True, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
