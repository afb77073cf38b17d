# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""A vireod of its own below a directory, driven through the clients that people use."""
import os
import re
import select
import signal
import subprocess
import time

from harness import Failure, processes_mentioning


class CommandFailure(Failure):
    """A client program ended with a status other than 0; `text` is what it said."""

    def __init__(self, command, status, text):
        super().__init__("%s: status %s: %s" % (" ".join(command), status, text.strip()))
        self.status, self.text = status, text


class Daemon:
    """vireod --root DIRECTORY. Its log is DIRECTORY.log, which outlives restarts."""

    def __init__(self, context, root, arguments=(), environment=None, prefix=()):
        self.context, self.root, self.arguments = context, root, list(arguments)
        # A program that prepares something and then executes the rest of its command line in its own process.
        self.prefix = list(prefix)
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.connections = []
        os.makedirs(root, exist_ok=True)
        os.chmod(root, 0o755)

    @property
    def socket(self):
        return os.path.join(self.root, "run", "libvirt-sock")

    @property
    def uri(self):
        return "qemu+unix:///%s?socket=%s" % ("system" if os.geteuid() == 0 else "session", self.socket)

    @property
    def read_only_uri(self):
        return "qemu+unix:///system?socket=" + self.socket + "-ro"

    @property
    def pid(self):
        return self.process.pid

    def command(self):
        name = os.path.basename(self.root)
        return self.prefix + [self.context.program("vireod"), "--root", self.root, "--hostname", name] + self.arguments

    def start(self, seconds=20):
        """Starts it and waits for its line `ready`; returns the seconds that took."""
        started = time.monotonic()
        with open(self.root + ".log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.environment, start_new_session=True)
        said = b""
        while b"ready\n" not in said:
            left = started + seconds - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise Failure("vireod did not get ready in %g s:\n%s" % (seconds, self.log_tail()))
            data = os.read(self.process.stdout.fileno(), 4096)
            if not data:
                raise Failure("vireod ended with status %s:\n%s" % (self.process.wait(), self.log_tail()))
            said += data
        return time.monotonic() - started

    def kill(self):
        self.forget_connections()
        self.process.kill()
        self.process.wait()

    def restart(self):
        """kill -9, then a new one on the same directory; returns the seconds until it answered again."""
        self.kill()
        return self.start()

    def stop(self, seconds=10):
        """SIGTERM, as systemd does; guests run on."""
        self.forget_connections()
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure("vireod ignored SIGTERM for %g s:\n%s" % (seconds, self.log_tail())) from None

    def forget_connections(self):
        for connection in self.connections:
            try:
                connection.close()
            except Exception:
                pass
        self.connections.clear()

    def close(self):
        self.forget_connections()
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in processes_mentioning(self.root):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def log_tail(self, lines=40):
        try:
            with open(self.root + ".log", encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""

    # Clients

    def run(self, command, seconds=30, text=None):
        """Runs a client program to its end; returns (status, what it said on both outputs)."""
        try:
            ended = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False,
                                   env=dict(self.environment, LC_ALL="C.UTF-8"))
        except subprocess.TimeoutExpired as error:
            raise Failure("%s: no end after %g s; so far: %s" % (" ".join(command), seconds, error.stdout)) from None
        return ended.returncode, ended.stdout + ended.stderr

    def virsh(self, *arguments, seconds=30, fails=False, uri=None):
        """What `virsh ARGUMENTS` says; with `fails` it has to end with an error."""
        command = ["virsh", "-q", "-c", uri or self.uri] + [str(argument) for argument in arguments]
        status, text = self.run(command, seconds)
        if (status != 0) != fails:
            raise CommandFailure(command, status, text)
        return text.strip()

    def vireo(self, *arguments, seconds=30, fails=False):
        command = [self.context.program("vireo"), "--root", self.root] + [str(argument) for argument in arguments]
        status, text = self.run(command, seconds)
        if (status != 0) != fails:
            raise CommandFailure(command, status, text)
        return text.strip()

    def connect(self, read_only=False):
        """A connection of libvirt's own Python module; closed with the daemon."""
        import libvirt

        connection = libvirt.openReadOnly(self.read_only_uri) if read_only else libvirt.open(self.uri)
        self.connections.append(connection)
        return connection

    def define(self, xml):
        """Defines a domain from XML and returns its name."""
        name = re.search(r"<name>([^<]*)</name>", xml).group(1)
        path = self.context.path("%s-%s.xml" % (os.path.basename(self.root), name))
        with open(path, "w", encoding="utf-8") as file:
            file.write(xml)
        self.virsh("define", path)
        return name

    def qemu(self, name):
        """The pid of the QEMU that runs domain `name`, or None."""
        uuid = self.virsh("domuuid", name)
        found = [pid for pid in processes_mentioning(uuid) if _is_qemu(pid)]
        return found[0] if found else None

    def all_qemus(self):
        return [pid for pid in processes_mentioning(self.root) if _is_qemu(pid)]


def _is_qemu(pid):
    try:
        return "qemu-system" in os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return False
