// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Testing

@Suite("System calls")
struct SystemCallTests {
    @Test("Descriptors that the receiver has no room for are closed, not leaked")
    func surplusDescriptors() throws {
        var pair: [CInt] = [-1, -1]
        try #require(vireo_socket_pair(&pair) == 0)
        defer { pair.forEach { close($0) } }
        var passed: [CInt] = [0, 1, 2]
        #expect(vireo_send_fds(pair[0], "x", 1, &passed, 3) == 1)
        var (byte, received, count) = (UInt8(0), [CInt](repeating: -1, count: 1), 1)
        #expect(vireo_recv_fds(pair[1], &byte, 1, &received, &count) == 1)
        #expect(count == 1 && received[0] > 2)
        #expect(fcntl(received[0], F_GETFD) == FD_CLOEXEC)
        close(received[0])
    }

    @Test("A socket path that does not fit is refused, not cut")
    func longSocketPath() {
        let path = "/tmp/" + String(repeating: "x", count: 120)
        #expect(vireo_unix_listen(path, 0o600, 1) == -1 && errno == ENAMETOOLONG)
        #expect(vireo_unix_connect(path) == -1 && errno == ENAMETOOLONG)
        #expect(vireo_unix_listen("", 0o600, 1) == -1)
    }

    @Test("A listener has the mode it was asked for, and accepts before anybody waits for it")
    func listener() {
        let path = "/tmp/vireo-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        let listener = vireo_unix_listen(path, 0o640, 1)
        #expect(listener >= 0)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
        let client = vireo_unix_connect(path)
        #expect(client >= 0)
        var (pid, uid, gid) = (pid_t(0), uid_t(0), gid_t(0))
        #expect(vireo_peer_credentials(client, &pid, &uid, &gid) == 0 && pid == getpid() && uid == getuid())
        #expect(vireo_unix_listen(path, 0o600, 1) == -1 && errno == EADDRINUSE)
        close(client)
        close(listener)
        unlink(path)
        #expect(vireo_unix_connect(path) == -1 && errno == ENOENT)
    }

    @Test("Only a terminal is opened as one")
    func terminal() {
        #expect(vireo_tty_open_raw("/dev/null") == -1 && errno == ENOTTY)
        #expect(vireo_tty_open_raw("/nonexistent") == -1 && errno == ENOENT)
    }

    @Test("Names of links that do not fit are refused")
    func longLinkName() {
        #expect(vireo_link_mtu(String(repeating: "x", count: 16)) == -1 && errno == ENAMETOOLONG)
        #expect(vireo_link_mtu("lo") > 0)
        #expect(vireo_bridge_attach("nosuchbridge0", "lo") == -1)
        var name = [CChar](repeating: 0x78, count: 16)
        #expect(vireo_tap_open(&name, 0, 0) == -1 && errno == ENAMETOOLONG)
    }
}
