# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""The habits of go-libvirt, which terraform and exporters use: other flags, other ends of streams than libvirt's own library."""
import os

from harness import descriptors, test, wire


@test("A client like go-libvirt opens, uploads and downloads, and leaves nothing open though it never ends a download", seconds=60)
def streams(t):
    host = t.daemon()
    images = t.path("images")
    os.mkdir(images)
    host.virsh("pool-define-as", "images", "dir", "--target", images)
    host.virsh("pool-start", "images")
    host.virsh("vol-create-as", "images", "data", "4M", "--format", "raw")
    key = os.path.join(images, "data")
    data = os.urandom(1 << 20)

    before = descriptors(host.pid)
    client = wire.Streams(host.socket)
    answers = client.upload("images", "data", key, data)
    t.equal([(answer.kind, answer.status) for answer in answers], [(client.STREAM, client.OK)])
    for _ in range(3):
        t.equal(client.download("images", "data", key, len(data)), data)
    t.equal(client.download("images", "data", key, 0)[:len(data)], data)

    # More than was announced is refused, once, and what comes after is nobody's.
    answers = client.upload("images", "data", key, data, length=65536)
    t.equal([(answer.kind, answer.status) for answer in answers], [(client.STREAM, client.ERROR)])
    t.equal(answers[0].error_code, 38)
    t.equal(client.download("images", "data", key, 65536), data[:65536])

    # The streams that were never ended are in nobody's way, and go with their client.
    host.virsh("vol-delete", "data", "--pool", "images")
    client.client.close()
    t.wait(lambda: descriptors(host.pid) <= before, 5, "the descriptors of a client that went")
