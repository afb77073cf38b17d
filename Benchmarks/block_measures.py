# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""What is measured of block jobs."""
import subprocess
import time

import libvirt

from harness.guest import disk_xml, domain_xml

MIB = 1 << 20


def make_images(bench, host, name, mebibytes):
    base, top = ("%s/%s-%s.qcow2" % (host.context.directory, name, part) for part in ("base", "top"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "1G"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top], check=True)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 7 0 %dM" % mebibytes, top], check=True)
    return base, top


def block_jobs(bench):
    """An active commit with pivot as `virsh --wait` does it, and what a query of the job costs meanwhile."""
    commits, queries, pulls = [], [], []
    for host in bench.hosts:
        times, asked, pulled = [], [], []
        for number in range(3):
            name = "job%d" % number
            _, top = make_images(bench, host, name, 256)
            connection = host.connect()
            domain = connection.createXML(domain_xml(bench.assets, name, boots=False, memory_mib=64, serial="", devices=disk_xml(top)))
            started = time.monotonic()
            domain.blockCommit("vda", None, None, 0, libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE)
            while True:
                began = time.monotonic()
                state = domain.blockJobInfo("vda", 0)
                asked.append(time.monotonic() - began)
                if state["cur"] == state["end"]:
                    break
                time.sleep(0.002)
            while True:
                try:
                    domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
                    break
                except libvirt.libvirtError as error:
                    if error.get_error_code() != libvirt.VIR_ERR_BLOCK_COPY_ACTIVE:
                        raise
                    time.sleep(0.002)
            times.append(time.monotonic() - started)
            domain.destroy()
            _, top = make_images(bench, host, name, 64)
            domain = connection.createXML(domain_xml(bench.assets, name, boots=False, memory_mib=64, serial="", devices=disk_xml(top)))
            started = time.monotonic()
            domain.blockPull("vda", 0, 0)
            while domain.blockJobInfo("vda", 0):
                time.sleep(0.002)
            pulled.append(time.monotonic() - started)
            domain.destroy()
            connection.close()
        commits.append(min(times))
        queries.append(sorted(asked)[len(asked) // 2])
        pulls.append(min(pulled))
    bench.row("", "active commit of 256 MiB with pivot", "ms", *(1e3 * value for value in commits), goal=1.15e3 * commits[0])
    bench.row("", "query of a job that runs, median", "us", *(1e6 * value for value in queries), goal=1e6 * queries[0])
    bench.row("", "pull that copies nothing", "ms", *(1e3 * value for value in pulls))
