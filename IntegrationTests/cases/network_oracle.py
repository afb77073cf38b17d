# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The same calls about networks against vireod and against Debian's libvirtd."""
import difflib
import re
import xml.etree.ElementTree as ElementTree

import libvirt

from cases.oracle import both
from harness import Failure, test
from harness.oracle import lines_of

IP = "<ip address='10.126.0.1' netmask='255.255.255.0'>%s</ip>"
DHCP = "<dhcp><range start='10.126.0.10' end='10.126.0.99'/>%s</dhcp>"
BRIDGE = "<bridge name='vcmp0'/><mac address='52:54:00:4e:4e:01'/>"


def network(content, name="compared"):
    return "<network><name>%s</name><uuid>6e7a53ea-7ee4-4d13-8f0e-2a8d8b1c0f3f</uuid>%s</network>" % (name, content)


DEFINITIONS = [
    "",
    "<forward mode='nat'/>" + BRIDGE + IP % (DHCP % ""),
    "<forward mode='nat' dev='lo'><nat><address start='192.0.2.1' end='192.0.2.2'/><port start='5000' end='6000'/></nat></forward>"
    + BRIDGE + IP % "",
    "<forward mode='route'/>" + BRIDGE + IP % "" + "<route address='10.125.0.0' prefix='24' gateway='10.126.0.2'/>",
    "<forward mode='open'/>" + BRIDGE + "<mtu size='1400'/>" + IP % "",
    "<domain name='lab' localOnly='yes'/><dns><txt name='a' value='b'/><srv service='s' protocol='tcp' target='t' port='1'/>"
    "<forwarder addr='192.0.2.9'/><host ip='10.126.0.5'><hostname>h</hostname></host></dns>" + BRIDGE
    + IP % ("<tftp root='/tmp'/>" + DHCP % "<host mac='52:54:00:4e:4e:02' name='x' ip='10.126.0.7'/><bootp file='pxe'/>"),
    BRIDGE + IP % "" + "<ip family='ipv6' address='fd00:126::1' prefix='64'/>"
    "<portgroup name='p' default='yes'><bandwidth><inbound average='10'/></bandwidth></portgroup>",
    "<forward mode='bridge'/><bridge name='br-none'/>",
    "<forward mode='private'><interface dev='lo'/></forward>",
    "<forward mode='hostdev' managed='yes'><pf dev='eth7'/></forward>",
    "<metadata><a:b xmlns:a='urn:a'>c</a:b></metadata>" + BRIDGE,
]

REFUSED = [
    "<ip address='999.1.1.1' netmask='255.255.255.0'/>",
    BRIDGE + IP % "<dhcp><range start='10.126.0.99' end='10.126.0.10'/></dhcp>",
    BRIDGE + IP % "<dhcp><range start='10.99.0.1' end='10.99.0.9'/></dhcp>",
    "<forward mode='bridge'/>" + IP % "",
    "<forward mode='nonsense'/>",
    "<forward mode='route'><nat><port start='1' end='2'/></nat></forward>" + IP % "",
    "<route address='10.125.0.0' prefix='24' gateway='10.1.0.2'/>" + IP % "",
    "<portgroup name='a' default='yes'/><portgroup name='b' default='yes'/>",
    "<mac address='nonsense'/>",
]

UPDATES = [
    ("add", "ip-dhcp-host", "<host mac='52:54:00:4e:4e:09' ip='10.126.0.9'/>"),
    ("add", "ip-dhcp-host", "<host mac='52:54:00:4e:4e:09' ip='10.126.0.8'/>"),
    ("modify", "ip-dhcp-host", "<host mac='52:54:00:4e:4e:09' ip='10.126.0.6'/>"),
    ("delete", "ip-dhcp-host", "<host mac='52:54:00:4e:4e:09'/>"),
    ("delete", "ip-dhcp-host", "<host mac='52:54:00:4e:4e:09'/>"),
    ("add", "ip-dhcp-range", "<range start='10.126.0.100' end='10.126.0.120'/>"),
    ("modify", "ip-dhcp-range", "<range start='10.126.0.100' end='10.126.0.121'/>"),
    ("delete", "ip-dhcp-range", "<range start='10.126.0.100' end='10.126.0.120'/>"),
    ("add", "portgroup", "<portgroup name='g'/>"),
    ("add", "portgroup", "<portgroup name='g'/>"),
    ("delete", "portgroup", "<portgroup name='g'/>"),
    ("add", "dns-host", "<host ip='10.126.0.50'><hostname>q</hostname></host>"),
    ("delete", "dns-host", "<host ip='10.126.0.50'><hostname>q</hostname></host>"),
    ("add", "dns-txt", "<txt name='n' value='v'/>"),
    ("modify", "dns-txt", "<txt name='n' value='w'/>"),
    ("delete", "dns-txt", "<txt name='n'/>"),
    ("add", "dns-srv", "<srv service='s' protocol='tcp'/>"),
    ("delete", "dns-srv", "<srv service='s' protocol='tcp'/>"),
    ("add", "bridge", "<bridge name='x'/>"),
    ("add", "forward-interface", "<interface dev='lo'/>"),
]


def answer(action, *arguments):
    """What a call comes to: its result, or the code of its error."""
    try:
        return action(*arguments)
    except libvirt.libvirtError as error:
        return "error %d" % error.get_error_code()


def told(host):
    """What one daemon says to everything; what it made on the host is gone at the end."""
    conn, said = host.connect(), []

    def say(what, text):
        said.extend("%s: %s" % (what, line) for line in (lines_of(ElementTree.fromstring(text)) if text.startswith("<") else text.splitlines()))

    for number, content in enumerate(DEFINITIONS):
        net = answer(conn.networkDefineXML, network(content))
        if isinstance(net, str):
            say("definition %d" % number, net)
            continue
        text = net.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        if "<mac" not in content:
            text = re.sub(r"<mac address='[^']*'/>", "", text)
        say("definition %d" % number, re.sub(r"'virbr\d+'", "'virbrN'", text))
        net.undefine()
    for number, content in enumerate(REFUSED):
        net = answer(conn.networkDefineXML, network(content))
        say("refused %d" % number, net if isinstance(net, str) else "defined")
        if not isinstance(net, str):
            net.undefine()

    net = conn.networkDefineXML(network("<forward mode='nat'/>" + BRIDGE + IP % (DHCP % "")))
    say("down", "%s %s %s" % (answer(net.destroy), answer(net.DHCPLeases), answer(net.isActive)))
    net.create()
    say("up", net.XMLDesc())
    say("info", host.virsh("net-info", "compared"))
    say("again", "%s %s" % (answer(net.create), answer(conn.networkCreateXML, network(BRIDGE))))
    say("another uuid", str(answer(conn.networkDefineXML, "<network><name>compared</name><uuid>%s</uuid></network>" % ("1" * 32))))
    for number, (command, section, xml) in enumerate(UPDATES):
        # libvirtd 9.0 wants the XML from a file or as the argument, just as virsh passes it on.
        status, _ = host.run(["virsh", "-q", "-c", host.uri, "net-update", "compared", command, section, xml, "--live", "--config"])
        say("update %d %s %s" % (number, command, section), "done" if status == 0 else "refused")
    say("after updates", net.XMLDesc())
    say("after updates, inactive", net.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
    net.setAutostart(1)
    say("list", host.virsh("net-list", "--all"))
    net.undefine()
    say("transient", "%s %s %s" % (net.isPersistent(), answer(net.undefine), answer(net.setAutostart, 1)))
    net.destroy()
    say("gone", "%s" % answer(conn.networkLookupByName, "compared"))
    host.forget_connections()
    return said


@test("What virsh and its library see of networks is what libvirtd shows", seconds=120, alone=True)
def networks(t):
    ours, theirs = both(t)
    mine, other = told(ours), told(theirs)
    if mine != other:
        raise Failure("networks differ\n%s" % "\n".join(difflib.unified_diff(other, mine, "libvirtd", "vireod", lineterm="", n=1)))
