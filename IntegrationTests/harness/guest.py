# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The small guest: its domain XML, and its serial console as a person at a keyboard sees it."""
import os
import re
import select
import signal
import termios
import time
import tty

from harness import Failure

def domain_xml(assets, name, memory_mib=96, cpus=1, machine="q35", devices="", boots=True, agent=False, top="", os_extra="",
               serial="<serial type='pty'/>", command_line=""):
    """A domain of type qemu. With `boots` false it has no kernel and stays in the firmware, which is cheap.

    With `agent` "disks" the guest has tools for partitions, LVM and file systems beside its agent.
    """
    kernel = ""
    if boots:
        # An emulated timer on a busy host may come too late for the kernel's check of it.
        kernel = "<kernel>%s/vmlinuz</kernel><initrd>%s/%s</initrd><cmdline>console=ttyS0 no_timer_check panic=-1 quiet %s</cmdline>" % (
            assets, assets, {False: "initrd.img", True: "initrd-agent.img", "disks": "initrd-disks.img"}[agent], command_line)
    if agent:
        devices += "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    return """<domain type='qemu'>
  <name>%s</name>
  <memory unit='MiB'>%d</memory>
  <vcpu>%d</vcpu>
  %s
  <os><type arch='x86_64' machine='%s'>hvm</type>%s%s</os>
  <features><acpi/><apic/></features>
  <devices>%s%s</devices>
</domain>
""" % (name, memory_mib, cpus, top, machine, kernel, os_extra, serial, devices)


def disk_xml(path, target="vda", bus="virtio", form="qcow2", extra=""):
    return ("<disk type='file' device='disk'><driver name='qemu' type='%s'/><source file='%s'/><target dev='%s' bus='%s'/>%s"
            "</disk>" % (form, path, target, bus, extra))


def freeze(t, host, name):
    """Stops the guest's QEMU as a hung storage would; it goes on when the case ends."""
    pid = host.qemu(name)
    os.kill(pid, signal.SIGSTOP)

    def thaw():
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    t.on_exit(thaw)
    return pid


class Console:
    """The guest's serial console by its terminal (`virsh ttyconsole`)."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            tty.setraw(self.descriptor)
        except termios.error:
            pass
        self.seen = ""

    @classmethod
    def on(cls, descriptor):
        """A console on an open terminal, such as one that a client program was given."""
        console = cls.__new__(cls)
        console.descriptor, console.seen = descriptor, ""
        os.set_blocking(descriptor, False)
        return console

    @classmethod
    def of(cls, daemon, name):
        console = cls(daemon.virsh("ttyconsole", name))
        daemon.context.on_exit(console.close)
        return console

    def until(self, pattern, seconds=40):
        """Reads until `pattern` has come; returns what came before it, and the match. The rest is kept."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.seen)
            if match:
                before, self.seen = self.seen[:match.start()], self.seen[match.end():]
                return before, match
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure("the console did not show %r in %g s; last: %r" % (pattern, seconds, self.seen[-400:]))
            if select.select([self.descriptor], [], [], min(left, 0.2))[0]:
                try:
                    self.seen += os.read(self.descriptor, 65536).decode("utf-8", "replace")
                except BlockingIOError:
                    pass
                except OSError as error:
                    raise Failure("the console went away: %s; last: %r" % (error, self.seen[-400:])) from None

    def expect(self, pattern, seconds=40):
        return self.until(pattern, seconds)[1]

    def type(self, text):
        data = text.encode()
        while data:
            try:
                data = data[os.write(self.descriptor, data):]
            except BlockingIOError:
                time.sleep(0.01)

    def wake(self, seconds=90):
        """Waits until the shell answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # The quotes tell the answer from the echo of the line.
            marker = "%x" % time.monotonic_ns()
            self.type("echo aw''ake-%s\n" % marker)
            try:
                return self.expect(r"awake-%s" % marker, 2)
            except Failure:
                pass
        raise Failure("no shell within %g s; last: %r" % (seconds, self.seen[-400:]))

    def shell(self, command, seconds=20):
        """Runs a command in the guest and returns what it printed."""
        marker = "%x" % time.monotonic_ns()
        self.type("echo be''gin-%s; %s; echo e''nd-%s\n" % (marker, command, marker))
        self.until(r"begin-%s\r?\n" % marker, seconds)
        output, _ = self.until(r"end-%s" % marker, seconds)
        return output.replace("\r", "").strip("\n")

    def close(self):
        try:
            os.close(self.descriptor)
        except OSError:
            pass
