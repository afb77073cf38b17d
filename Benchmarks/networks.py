# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Times of virtual networks beside libvirtd's, measured as in measures.py."""
from measures import elapsed, median

NETWORK = ("<network><name>bench%d</name><forward mode='nat'/><bridge name='vbench%d'/>"
           "<ip address='10.12%d.0.1' netmask='255.255.255.0'><dhcp><range start='10.12%d.0.10' end='10.12%d.0.99'/></dhcp></ip></network>")


def networks(bench):
    """net-start and net-destroy of a NAT network with DHCP; neither may be slower than libvirtd's."""
    figures = []
    for index, host in enumerate(bench.hosts):
        connection = host.connect()
        network = connection.networkDefineXML(NETWORK % ((index,) * 5))
        network.create()
        network.destroy()
        starts, stops = [], []
        for _ in range(max(5, int(10 * bench.scale))):
            starts.append(elapsed(network.create))
            stops.append(elapsed(network.destroy))
        network.undefine()
        figures.append((1e3 * median(starts), 1e3 * median(stops)))
        host.forget_connections()
    for what, theirs, ours in zip(("net-start, NAT with DHCP", "net-destroy"), *figures):
        bench.row("", what, "ms", theirs, ours, goal=theirs)
