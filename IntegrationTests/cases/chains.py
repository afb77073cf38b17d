# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Images that stand on each other: who needs which, and what is not allowed to happen to a base."""
import json
import subprocess

from harness import test
from harness.guest import disk_xml, domain_xml


def image(path, *more):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, *more], check=True)


def two_guests(t, host):
    """A base with the overlays of two domains."""
    base, overlays = t.path("base.qcow2"), [t.path("a.qcow2"), t.path("b.qcow2")]
    image(base, "8M")
    for name, path in zip("ab", overlays):
        image(path, "-b", base, "-F", "qcow2")
        host.define(domain_xml(t.assets, name, boots=False, devices=disk_xml(path)))
    return base, overlays


@test("vireo chain show draws bases with what stands on them; verify names what is wrong")
def show(t):
    host = t.daemon()
    base, overlays = two_guests(t, host)
    tree = host.vireo("chain", "show")
    t.true(tree.splitlines()[0].startswith(base) and "2 stand on it" in tree, tree)
    t.true("used by a (vda)" in tree and "used by b (vda)" in tree, tree)
    t.true(overlays[1] not in host.vireo("chain", "show", "a"), "only what machine a needs")
    listed = json.loads(host.vireo("chain", "show", "--json"))["layers"]
    t.equal([layer["path"] for layer in listed], sorted([base, *overlays]))
    t.true(host.vireo("chain", "show", "--dot").startswith("digraph"), "for Graphviz")
    subprocess.run(["xmllint", "--noout", "-"], input=host.vireo("chain", "show", "--svg"), text=True, check=True)
    t.true("all there" in host.vireo("chain", "verify"), "nothing is wrong")


@test("A base that was changed behind the daemon's back stops the start of what stands on it, until it is accepted")
def changed_base(t):
    host = t.daemon()
    base, overlays = two_guests(t, host)
    host.virsh("start", "a")
    host.virsh("destroy", "a")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", base], check=True, stdout=subprocess.DEVNULL)
    text = host.virsh("start", "a", fails=True)
    t.true(base in text and "domain 'a' (disk 'vda')" in text and "domain 'b' (disk 'vda')" in text, text)
    t.true("vireo chain accept" in text, "what to do: " + text)
    t.true(base in host.vireo("chain", "verify", fails=True), "verify names it")
    host.vireo("chain", "accept", base)
    host.virsh("start", "a")
    host.virsh("destroy", "a")
    # Another daemon knows it still: what was noted is in the store.
    host.virsh("start", "b")
    host.virsh("destroy", "b")
    host.kill()
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 0 64k", base], check=True, stdout=subprocess.DEVNULL)
    host.start()
    t.true(base in host.virsh("start", "b", fails=True), "found after a restart")


@test("A domain cannot write into an image on which another one stands")
def writing_into_base(t):
    host = t.daemon()
    base, _ = two_guests(t, host)
    host.virsh("start", "a")
    host.define(domain_xml(t.assets, "bad", boots=False, devices=disk_xml(base)))
    text = host.virsh("start", "bad", fails=True)
    t.true("running domain 'a' (disk 'vda')" in text and base in text, text)
    host.virsh("destroy", "a")
    t.true("domain 'a' (disk 'vda')" in host.virsh("start", "bad", fails=True), "not while a is off either")
    host.virsh("undefine", "a")
    host.virsh("undefine", "b")
    host.virsh("start", "bad")


@test("Images that the daemon itself commits and merges are no changed bases: the domain starts again")
def own_changes(t):
    host = t.daemon()
    images = [t.path("layer%d.qcow2" % number) for number in range(4)]
    image(images[0], "8M")
    for below, path in zip(images, images[1:]):
        image(path, "-b", below, "-F", "qcow2")
    host.define(domain_xml(t.assets, "box", boots=False, devices=disk_xml(images[3])))
    host.virsh("start", "box")
    # The layer above the one that goes gets another name in its header, and the guest writes nothing.
    host.virsh("blockcommit", "box", "vda", "--base", images[0], "--top", images[1], "--wait", seconds=60)
    host.virsh("destroy", "box")
    host.virsh("start", "box")
    for name in ("s1", "s2", "s3", "s4"):
        host.virsh("snapshot-create-as", "box", name, "--disk-only", seconds=60)
    host.virsh("snapshot-delete", "box", "s2", seconds=60)
    host.virsh("destroy", "box")
    host.virsh("start", "box")
    host.virsh("destroy", "box")
    host.virsh("snapshot-delete", "box", "s3", seconds=60)
    host.virsh("start", "box")
    t.true("all there" in host.vireo("chain", "verify", "box"), "nothing is wrong")
