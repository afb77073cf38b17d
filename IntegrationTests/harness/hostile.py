# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Disk images that somebody made to do harm: the same ones each time, in one directory, with what should never be opened beside it."""
import os
import random
import struct
import subprocess

# Fields of qcow2's header: where, and how wide (docs/interop/qcow2.txt of QEMU).
QCOW2_FIELDS = [(4, 4), (8, 8), (16, 4), (20, 4), (24, 8), (32, 4), (36, 4), (40, 8), (48, 8), (56, 4), (60, 4), (64, 8), (72, 8), (80, 8),
                (88, 8), (96, 4), (100, 4), (104, 1)]
ODD_NUMBERS = [0, 1, 2, 7, 511, 513, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 55, (1 << 56) - 512, 1 << 62, 1 << 63, (1 << 64) - 1]


class Corpus:
    """`files` is a list of (path, kinds of commands)."""

    def __init__(self, directory, outside):
        self.directory, self.outside, self.files = directory, outside, []
        self.random = random.Random(20)
        self.sound = self.make_sound()
        self.headers()
        self.truncated()
        self.tables()
        self.names()
        self.chains()
        self.snapshots()
        self.bombs()
        self.other_formats()
        self.descriptors()
        self.appliances()
        self.file_systems()

    def path(self, name):
        return os.path.join(self.directory, name)

    def add(self, name, content, kinds="qcow2"):
        """Writes a file, with holes for its zeros: there are hundreds."""
        with open(self.path(name), "wb") as file:
            for at in range(0, len(content), 65536):
                piece = content[at:at + 65536]
                if piece.strip(b"\0"):
                    file.seek(at)
                    file.write(piece)
            file.truncate(len(content))
        self.files.append((self.path(name), kinds))

    def overlay(self, name, below, kind=b"qcow2"):
        """A sound, empty image of one cluster of 512 bytes each for header, tables and refcounts, on whatever is named."""
        raw = below.encode()[:300]
        content = bytearray(2048)
        content[:104] = struct.pack(
            ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 200 if raw else 0, len(raw), 9, 512, 0, 1, 512, 1024, 1, 0, 0, 0, 0, 0, 4, 104)
        content[104:120] = struct.pack(">II8s", 0xE2792ACA, len(kind), kind)
        content[200:200 + len(raw)] = raw
        content[1024:1032] = struct.pack(">Q", 1536)
        content[1536:1544] = struct.pack(">4H", 1, 1, 1, 1)
        with open(self.path(name), "wb") as file:
            file.write(content)
        self.files.append((self.path(name), "qcow2"))

    def tool(self, *command):
        subprocess.run(command, check=True, capture_output=True, cwd=self.directory)

    def make(self, name, *arguments):
        """The bytes of an image that qemu-img makes."""
        self.tool("qemu-img", *arguments)
        with open(self.path(name), "rb") as file:
            return file.read()

    def make_sound(self):
        self.tool("qemu-img", "create", "-q", "-f", "raw", "base", "64k")
        self.tool("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "-b", "base", "-F", "raw", "sound", "64k")
        self.tool("qemu-io", "-f", "qcow2", *sum((["-c", "write -P 9 %d 3000" % at] for at in range(0, 60000, 7000)), []), "sound")
        self.tool("qemu-img", "snapshot", "-c", "s1", "sound")
        self.tool("qemu-io", "-f", "qcow2", "-c", "write -P 7 100 3000", "sound")
        with open(self.path("sound"), "rb") as file:
            return file.read()

    def changed(self, *changes, of=None):
        content = bytearray(of or self.sound)
        for at, width, value in changes:
            content[at:at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "big")
        return bytes(content)

    def headers(self):
        for at, width in QCOW2_FIELDS:
            for number, value in enumerate(ODD_NUMBERS):
                self.add("field-%d-%d" % (at, number), self.changed((at, width, value)))

    def truncated(self):
        for length in range(0, len(self.sound), max(1, len(self.sound) // 30)):
            self.add("cut-%d" % length, self.sound[:length])

    def tables(self):
        """Random words anywhere behind the header: L1 and L2 entries, refcounts, the snapshot table."""
        for number in range(60):
            changes = [(self.random.randrange(14, len(self.sound) // 8) * 8, 8, self.random.choice(ODD_NUMBERS + [self.random.getrandbits(64)]))
                       for _ in range(self.random.randint(1, 12))]
            self.add("words-%d" % number, self.changed(*changes))

    def names(self):
        """Images that name a file outside, in every way that QEMU knows."""
        secret = os.path.join(self.outside, "secret")
        for number, name in enumerate([
                secret, "../outside/secret", "link", "./../outside/secret", "file:" + secret, "raw:" + secret, "fat:" + self.outside,
                'json:{"driver":"raw","file":{"driver":"file","filename":"%s"}}' % secret, 'json:{"file.filename":"%s"}' % secret, "json:{",
                "nbd://localhost/x", "nbd:unix:" + secret, "ssh://localhost" + secret, "http://localhost/x", "/dev/sda", "", "a\0b", "x" * 900]):
            self.overlay("name-%d" % number, name, b"raw")
        os.symlink(secret, self.path("link"))
        # A data file outside: the incompatible bit, and the header extension that names it.
        for number, name in enumerate([secret, "../outside/secret", "link"]):
            raw = name.encode()
            extension = struct.pack(">II", 0x44415441, len(raw)) + raw + bytes(-len(raw) % 8) + bytes(8)
            header = self.changed((8, 8, 0), (16, 4, 0), (72, 8, 4), (88, 8, 2), of=self.sound)
            length = struct.unpack(">I", header[100:104])[0]
            self.add("data-file-%d" % number, header[:length] + extension + header[length + len(extension):])

    def chains(self):
        for name, below in (("circle-a", "circle-b"), ("circle-b", "circle-c"), ("circle-c", "circle-a"), ("itself", "itself"), ("missing", "none")):
            self.overlay(name, below)
        tried = len(self.files) + 1
        for number in range(10_000):
            self.overlay("long-%d" % number, "long-%d" % (number + 1))
        del self.files[tried:]

    def snapshots(self):
        for number, (count, offset) in enumerate([(0xFFFFFFFF, 512), (65536, 512), (65537, 0), (1000, len(self.sound) - 8), (1, 1 << 62), (1, 513)]):
            self.add("snapshots-%d" % number, self.changed((60, 4, count), (64, 8, offset)))

    def bombs(self):
        """A few bytes that stand for much: a sparse table of 32 MiB, and a disk of which all clusters are one compressed one."""
        for number, (bits, size, entries) in enumerate([(16, 1 << 40, 1 << 22), (9, 1 << 35, 1 << 20), (21, 1 << 60, 1 << 22), (16, 1 << 50, 1 << 25)]):
            content = bytearray(4096)
            content[:112] = struct.pack(">4sIQIIQIIQQIIQQQQII8x", b"QFI\xfb", 3, 0, 0, bits, size, 0, entries, 1 << 22, 1 << 21, 1, 0, 0, 0, 0, 0, 4, 104)
            with open(self.path("bomb-%d" % number), "wb") as file:
                file.write(content)
                file.truncate((1 << 22) + entries * 8)
            self.files.append((self.path("bomb-%d" % number), "qcow2"))
        self.tool("qemu-img", "create", "-q", "-f", "raw", "zeros", "4M")
        for kind in ("zlib", "zstd"):
            content = bytearray(self.make("packed", "convert", "-c", "-f", "raw", "-O", "qcow2", "-S", "0", "-o", "compression_type=" + kind, "zeros", "packed"))
            l1 = struct.unpack(">Q", content[40:48])[0]
            l2 = struct.unpack(">Q", content[l1:l1 + 8])[0] & ((1 << 56) - 512)
            content[24:32] = struct.pack(">Q", 512 << 20)
            if l2:
                content[l2:l2 + 65536] = struct.pack(">Q", 1 << 62 | 0x3F << 54 | 0x50000) * 8192
            self.add("bomb-" + kind, bytes(content) + os.urandom(1 << 16))
        with open(self.path("huge"), "wb") as file:
            file.truncate(8 << 40)
        self.files.append((self.path("huge"), "raw"))

    def other_formats(self):
        self.tool("qemu-img", "create", "-q", "-f", "raw", "source", "256k")
        self.tool("qemu-io", "-f", "raw", "-c", "write -P 5 0 100k", "source")
        for kind, places in (("vmdk", list(range(80)) + list(range(512, 600))), ("vpc", list(range(90)) + list(range(512, 600)) + list(range(1536, 1552))),
                             ("vhdx", list(range(65536, 65536 + 90)) + list(range(196608, 196608 + 90)) + list(range(2 << 20, (2 << 20) + 120))),
                             ("vdi", list(range(0x40, 0x1D8)) + list(range(512, 528)))):
            content = self.make("disk." + kind, "convert", "-f", "raw", "-O", kind, "source", "disk." + kind)
            for number in range(25):
                changed = bytearray(content)
                for _ in range(self.random.randint(1, 3)):
                    at = self.random.choice([place for place in places if place + 8 <= len(content)])
                    changed[at:at + 8] = struct.pack("<Q", self.random.choice(ODD_NUMBERS + [self.random.getrandbits(64)]))
                self.add("%s-%d" % (kind, number), bytes(changed), kind)
            for number in range(5):
                self.add("%s-cut-%d" % (kind, number), content[:len(content) * number // 5], kind)

    def descriptors(self):
        secret = os.path.join(self.outside, "secret")
        for number, extent in enumerate([
                'FLAT "%s" 0' % secret, 'FLAT "../outside/secret" 0', 'FLAT ".." 0', 'FLAT "" 0', 'FLAT "link" 0', 'SPARSE "%s"' % secret, 'VMFS "/dev/sda"',
                'FLAT "nbd://localhost/x" 0', 'FLAT "json:{}" 0', 'VMFSRDM "link"', 'FLAT "base" 18446744073709551615', 'FLAT "base" -1']):
            text = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 %s\n' % extent
            self.add("descriptor-%d" % number, text.encode(), "vmdk")
        self.add("descriptor-parent", ('# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=00000001\nparentFileNameHint="%s"\n'
                                       'createType="monolithicFlat"\nRW 8 FLAT "base" 0\n' % secret).encode(), "vmdk")
        self.add("descriptor-long", b"# Disk DescriptorFile\n" + b'RW 1 FLAT "base" 0\n' * 100_000, "vmdk")

    def appliances(self):
        for number, reference in enumerate([os.path.join(self.outside, "secret"), "../outside/secret", "http://localhost/x", "link", "box.ovf", "none", "base"]):
            text = ('<?xml version="1.0"?><Envelope><References><File id="f" href="%s"/></References><DiskSection><Disk diskId="d" fileRef="f"/>'
                    "</DiskSection></Envelope>" % reference).encode()
            self.add("ovf-%d" % number, text, "ova")
            with open(self.path("box.ovf"), "wb") as file:
                file.write(text)
            self.tool("tar", "--format=ustar", "-cf", "ova-%d" % number, "box.ovf", "base")
            self.files.append((self.path("ova-%d" % number), "ova"))
        self.add("ovf-bomb", b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaaaaaa'>]><Envelope>" + b"&a;" * 200_000, "ova")
        self.add("ovf-deep", b"<?xml version='1.0'?><Envelope>" + b"<a>" * 300_000, "ova")

    def file_systems(self):
        for kind, command in (("ext4", ["mke2fs", "-q", "-F", "-t", "ext4", "disk.fs", "4M"]), ("vfat", ["mkfs.vfat", "-C", "disk.fs", "4096"])):
            if os.path.exists(self.path("disk.fs")):
                os.unlink(self.path("disk.fs"))
            try:
                self.tool(*command)
            except FileNotFoundError:
                continue
            with open(self.path("disk.fs"), "rb") as file:
                content = file.read()
            places = list(range(1024, 1500, 4)) + list(range(4096, 4200, 4)) if kind == "ext4" else list(range(11, 90))
            for number in range(25):
                changed = bytearray(content)
                for _ in range(self.random.randint(1, 4)):
                    at = self.random.choice(places)
                    changed[at:at + 4] = struct.pack("<I", self.random.choice(ODD_NUMBERS) & 0xFFFFFFFF)
                self.add("%s-%d" % (kind, number), bytes(changed), "files")
