# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Displays: where they listen, and what a viewer finds there."""
import os
import socket

from harness import test
from harness.guest import domain_xml


def greeting(address, port, wanted):
    with socket.create_connection((address, port), 5) as viewer:
        viewer.settimeout(5)
        if wanted == b"REDQ":
            # A SPICE client speaks first: a link message of version 2.2, for the main channel, with no capabilities.
            viewer.sendall(b"REDQ" + (2).to_bytes(4, "little") + (2).to_bytes(4, "little") + (18).to_bytes(4, "little")
                           + bytes(4) + bytes([1, 0]) + bytes(8) + (18).to_bytes(4, "little"))
        return viewer.recv(len(wanted))


@test("Displays listen on the address of their network, by VNC and SPICE, and say why not while it is down")
def listens(t):
    host = t.daemon()
    prefix = "10.%d.%d" % (128 + os.getpid() % 100, os.getpid() // 100 % 250)
    path = t.path("network.xml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("<network><name>screens</name><bridge name='vtsc%d'/><ip address='%s.1' netmask='255.255.255.0'/></network>"
                   % (os.getpid() % 1000000, prefix))
    host.virsh("net-define", path)
    for kind, wanted in (("vnc", b"RFB "), ("spice", b"REDQ")):
        name = host.define(domain_xml(t.assets, kind, boots=False, memory_mib=32, devices=(
            "<graphics type='%s' autoport='yes'><listen type='network' network='screens'/></graphics>" % kind)))
        said = host.virsh("start", name, fails=True)
        assert "network 'screens', which is not active" in said, said
        host.virsh("net-start", "screens")
        try:
            host.virsh("start", name)
            assert "<listen type='network' address='%s.1' network='screens'/>" % prefix in host.virsh("dumpxml", name)
            # spice://10.1.2.1:5900 or vnc://10.1.2.1:0
            address, number = host.virsh("domdisplay", name).split("//")[1].split(":")
            t.equal(address, prefix + ".1")
            t.equal(greeting(address, int(number) + (5900 if kind == "vnc" else 0), wanted), wanted)
            assert "address" not in host.virsh("dumpxml", "--inactive", name).split("<listen", 1)[1].split("/>")[0]
            host.virsh("destroy", name)
        finally:
            host.virsh("net-destroy", "screens")
