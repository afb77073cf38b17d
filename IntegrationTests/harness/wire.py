# Copyright 2026 The Vireo Authors
# SPDX-License-Identifier: Apache-2.0
"""A bare client of the RPC protocol, for what libvirt's own client would never do: half messages, silence, floods."""
import select
import socket
import struct
import time
import uuid

from harness import Failure

REMOTE = 0x20008086
QEMU = 0x20008087
KEEPALIVE = 0x6B656570
CALL, REPLY, MESSAGE = 0, 1, 2

CONNECT_OPEN = 1
CONNECT_GET_LIB_VERSION = 157
AUTH_LIST = 66
DOMAIN_GET_XML_DESC = 14
DOMAIN_LOOKUP_BY_NAME = 23
QEMU_MONITOR_COMMAND = 1
KEEPALIVE_PING, KEEPALIVE_PONG = 1, 2


def string(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def optional_string(text):
    return struct.pack(">I", 0) if text is None else struct.pack(">I", 1) + string(text)


class Reply:
    def __init__(self, program, procedure, kind, serial, status, payload):
        self.program, self.procedure, self.kind = program, procedure, kind
        self.serial, self.status, self.payload = serial, status, payload

    @property
    def error_code(self):
        return struct.unpack(">i", self.payload[:4])[0] if self.status == 1 else None


class WireClient:
    """One connection. Calls are sent and replies received by separate steps, so that many can be in flight."""

    def __init__(self, path, open_connection=True, seconds=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.buffer = b""
        self.serial = 0
        if open_connection:
            self.call(AUTH_LIST)
            self.call(CONNECT_OPEN, optional_string("qemu:///system") + struct.pack(">I", 0))

    @staticmethod
    def frame(program, procedure, kind, serial, payload=b""):
        return struct.pack(">IIIiIII", 28 + len(payload), program, 1, procedure, kind, serial, 0) + payload

    def send(self, procedure, payload=b"", program=REMOTE):
        self.serial += 1
        self.socket.sendall(self.frame(program, procedure, CALL, self.serial, payload))
        return self.serial

    def ping(self):
        self.socket.sendall(self.frame(KEEPALIVE, KEEPALIVE_PING, MESSAGE, 0))

    def receive(self, seconds=10):
        """The next message of any kind."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= 4:
                length = struct.unpack(">I", self.buffer[:4])[0]
                if len(self.buffer) >= length:
                    message, self.buffer = self.buffer[:length], self.buffer[length:]
                    program, _, procedure, kind, serial, status = struct.unpack(">IIiIII", message[4:28])
                    return Reply(program, procedure, kind, serial, status, message[28:])
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise Failure("no message from vireod in %g s" % seconds)
            data = self.socket.recv(1 << 16)
            if not data:
                raise Failure("vireod closed the connection")
            self.buffer += data

    def call(self, procedure, payload=b"", program=REMOTE, seconds=10):
        serial = self.send(procedure, payload, program)
        while True:
            reply = self.receive(seconds)
            if reply.kind == REPLY and reply.serial == serial:
                return reply

    def domain(self, name):
        """A domain as the protocol passes it: name, uuid, id."""
        reply = self.call(DOMAIN_LOOKUP_BY_NAME, string(name))
        if reply.status != 0:
            raise Failure("no domain %s" % name)
        return reply.payload

    def closed_by_peer(self, seconds):
        """Whether the daemon ends this connection within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0]:
                try:
                    if not self.socket.recv(1 << 16):
                        return True
                except OSError:
                    return True
        return False

    def close(self):
        self.socket.close()


def domain_reference(name, identifier, number=-1):
    return string(name) + uuid.UUID(identifier).bytes + struct.pack(">i", number)


def monitor_command(domain, command):
    return domain + string(command) + struct.pack(">I", 0)


class Streams:
    """Uploads and downloads as go-libvirt does them: an optional value's flag is 0x01000000, and downloads are never finished."""

    STREAM, OK, ERROR, CONTINUE = 3, 0, 1, 2
    UPLOAD, DOWNLOAD = 208, 209

    def __init__(self, path):
        self.client = WireClient(path, open_connection=False)
        self.client.call(AUTH_LIST)
        opened = self.client.call(CONNECT_OPEN, struct.pack(">I", 0x01000000) + string("qemu:///system") + struct.pack(">I", 0))
        if opened.status:
            raise Failure("the connection is not opened: %d" % opened.error_code)

    def packet(self, procedure, serial, status, data=b""):
        self.client.socket.sendall(
            struct.pack(">IIIiIII", 28 + len(data), REMOTE, 1, procedure, self.STREAM, serial, status) + data)

    def upload(self, pool, volume, key, data, length=None):
        """The answers to an upload of `data`, of which `length` bytes were announced."""
        arguments = string(pool) + string(volume) + string(key) + struct.pack(">QQI", 0, len(data) if length is None else length, 0)
        reply = self.client.call(self.UPLOAD, arguments)
        if reply.status:
            return [reply]
        for start in range(0, len(data), 65536):
            self.packet(self.UPLOAD, reply.serial, self.CONTINUE, data[start:start + 65536])
        self.packet(self.UPLOAD, reply.serial, self.OK)
        answers = [self.client.receive()]
        try:
            answers.append(self.client.receive(1))
        except Failure:
            pass
        return answers

    def download(self, pool, volume, key, length):
        """What a volume holds. No finish is sent when the end was seen."""
        reply = self.client.call(self.DOWNLOAD, string(pool) + string(volume) + string(key) + struct.pack(">QQI", 0, length, 0))
        if reply.status:
            raise Failure("no download: %d" % reply.error_code)
        data = b""
        while True:
            packet = self.client.receive()
            if packet.kind != self.STREAM or packet.status == self.ERROR:
                raise Failure("the download ended early")
            if not packet.payload:
                return data
            data += packet.payload
