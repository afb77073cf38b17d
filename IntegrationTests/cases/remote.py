# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""Clients that come over TCP and TLS."""
import os
import socket
import subprocess
import threading

import libvirt

from harness import Failure, test
from harness.guest import domain_xml


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificates(directory, clients):
    """A certificate authority, a server for localhost, and a folder CLIENT/ for each name in `clients`."""
    os.makedirs(directory)
    path = lambda *names: os.path.join(directory, *names)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path("cakey.pem"), "-out", path("cacert.pem"),
            "-days", "2", "-subj", "/CN=test authority", "-addext", "basicConstraints=critical,CA:TRUE")

    def certificate(folder, kind, name, usage):
        os.makedirs(folder, exist_ok=True)
        key, request = os.path.join(folder, kind + "key.pem"), path("request.pem")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=" + name)
        with open(path("extensions"), "w", encoding="ascii") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=%s\n"
                       "keyUsage=digitalSignature,keyEncipherment\nbasicConstraints=CA:FALSE\n" % usage)
        openssl("x509", "-req", "-in", request, "-CA", path("cacert.pem"), "-CAkey", path("cakey.pem"), "-CAcreateserial",
                "-out", os.path.join(folder, kind + "cert.pem"), "-days", "2", "-extfile", path("extensions"))

    certificate(directory, "server", "localhost", "serverAuth")
    for name in clients:
        certificate(path(name), "client", name, "clientAuth")
        os.symlink(path("cacert.pem"), path(name, "cacert.pem"))


def everyday_work(t, host, uri, encrypted):
    connection = libvirt.open(uri)
    t.equal((connection.isEncrypted(), connection.isSecure()), (encrypted, encrypted))
    domain = connection.defineXML(domain_xml(t.assets, "far", boots=False, memory_mib=64, serial="",
                                             devices="<video><model type='vga'/></video>"))
    seen, done = [], threading.Event()
    connection.domainEventRegisterAny(
        domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lambda _c, _d, event, _x, _o: (seen.append(event), done.set()), None)
    domain.create()
    t.true(done.wait(5), "the event of the start")
    t.equal(host.virsh("domstate", "far"), "running")
    # Short and long answers, from several clients at once: each is written while others are still being sent.
    failures = []

    def calls():
        try:
            mine = libvirt.open(uri)
            for _ in range(50):
                mine.getLibVersion()
                mine.getCapabilities()
                mine.lookupByName("far").XMLDesc()
            mine.close()
        except libvirt.libvirtError as error:
            failures.append(error)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.equal(failures, [])
    screen = connection.newStream()
    domain.screenshot(screen, 0)
    t.true(len(screen.recv(65536)) > 0, "a stream brings data")
    screen.abort()
    domain.destroy()
    domain.undefine()
    connection.close()


def with_events():
    libvirt.virEventRegisterDefaultImpl()

    def turn():
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, daemon=True).start()


@test("Over TCP the same is done as over the socket")
def over_tcp(t):
    with_events()
    port = free_port()
    host = t.daemon(arguments=["--listen-tcp", "127.0.0.1:%d" % port])
    everyday_work(t, host, "qemu+tcp://127.0.0.1:%d/system" % port, 0)


@test("Over TLS the same is done, by those whose certificate is good and whose name is on the list")
def over_tls(t):
    with_events()
    port = free_port()
    pki = t.path("pki")
    make_certificates(pki, ["friend", "stranger"])
    host = t.daemon(arguments=["--listen-tls", "127.0.0.1:%d" % port, "--pki", pki, "--tls-allow", "friend"])
    uri = "qemu+tls://localhost:%d/system?pkipath=%s" % (port, pki)
    everyday_work(t, host, uri + "/friend", 1)
    make_certificates(t.path("others"), ["friend"])
    os.remove(t.path("others/friend/cacert.pem"))
    os.symlink(os.path.join(pki, "cacert.pem"), t.path("others/friend/cacert.pem"))
    for name, what in ((uri + "/stranger", "who is not on the list"),
                       (uri.replace(pki, t.path("others")) + "/friend", "who has another authority's certificate")):
        try:
            libvirt.open(name)
        except libvirt.libvirtError:
            continue
        raise Failure("%s was let in" % what)
    t.equal(host.virsh("list", "--all", "--name"), "")
