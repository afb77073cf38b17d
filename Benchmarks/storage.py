# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes beside libvirtd: reading a pool, making, copying, filling and emptying volumes."""
import os
import shutil
import time

GIB = 1 << 30
POOL = "<pool type='dir'><name>%s</name><target><path>%s</path></target></pool>"
VOLUME = ("<volume><name>%s</name><capacity unit='bytes'>%d</capacity><allocation>0</allocation><target><format type='%s'/></target>"
          "</volume>")


def elapsed(action, *arguments):
    started = time.monotonic()
    action(*arguments)
    return time.monotonic() - started


def best(times, action, *arguments):
    return min(elapsed(action, *arguments) for _ in range(times))


def written(times, action):
    """As `best`, for what writes much: nothing that is still to be written of an earlier measure slows this one."""
    figures = []
    for _ in range(times):
        os.sync()
        figures.append(elapsed(action))
    return min(figures)


def pools(bench):
    """R33 and issue 5: none slower than libvirtd, a refresh of 10,000 files at least twice as fast."""
    figures = {}
    for name, host in zip(bench.names, bench.hosts):
        folder = os.path.join(bench.directory, "pool-" + name)
        os.makedirs(folder)
        connection = host.connect()
        pool = connection.storagePoolCreateXML(POOL % ("bench-" + name, folder), 0)
        try:
            figures[name] = figures_of(bench, connection, pool, folder)
        finally:
            pool.destroy()
            shutil.rmtree(folder, ignore_errors=True)
    # What share of libvirtd's time is allowed.
    rows = [
        ("pool-refresh, 10,000 files, nothing changed", "ms", 1e3, 0.5),
        ("pool-refresh, 10,000 files, the first time", "ms", 1e3, 0.5),
        ("list of 10,000 volumes", "ms", 1e3, 1),
        ("vol-create, qcow2", "ms", 1e3, 1),
        ("vol-clone, raw with 256 MiB of data", "ms", 1e3, 1),
        ("vol-upload, 1 GiB", "s", 1, 1),
        ("vol-download, 1 GiB", "s", 1, 1),
    ]
    for index, (what, unit, factor, share) in enumerate(rows):
        theirs, ours = (factor * figures[name][index] for name in bench.names)
        bench.row("I5", what, unit, theirs, ours, goal=share * theirs)


def figures_of(bench, connection, pool, folder):
    count = max(100, int(10000 * bench.scale))
    for number in range(count):
        with open("%s/f%05d.img" % (folder, number), "wb") as file:
            file.truncate(1 << 20)
    first = elapsed(pool.refresh, 0)
    again = best(3, pool.refresh, 0)
    listed = best(3, pool.listAllVolumes, 0)
    for number in range(count):
        os.unlink("%s/f%05d.img" % (folder, number))
    pool.refresh(0)
    created = [elapsed(pool.createXML, VOLUME % ("v%d" % number, 10 * GIB, "qcow2"), 0) for number in range(10)]
    block = os.urandom(1 << 20)
    with open(folder + "/source.raw", "wb") as file:
        for _ in range(256):
            file.write(block)
    pool.refresh(0)
    source = pool.storageVolLookupByName("source.raw")

    def clone(number):
        pool.createXMLFrom(VOLUME % ("copy%d" % number, 256 << 20, "raw"), source, 0)

    cloned = min(written(1, lambda: clone(number)) for number in range(3))
    volume = pool.createXML(VOLUME % ("big.raw", GIB, "raw"), 0)

    def upload():
        stream, left = connection.newStream(0), GIB
        volume.upload(stream, 0, GIB, 0)
        while left > 0:
            left -= stream.send(block[:min(left, 256 << 10)])
        stream.finish()

    def download():
        stream = connection.newStream(0)
        volume.download(stream, 0, GIB, 0)
        while stream.recv(1 << 20):
            pass
        stream.finish()

    return again, first, listed, sorted(created)[5], cloned, written(2, upload), best(2, download)
