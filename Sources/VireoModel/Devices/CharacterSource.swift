// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The host's side of a serial port, console, channel, or other stream of bytes.
public struct CharacterSource: Hashable, Sendable {
    public enum SocketMode: String, Hashable, Sendable, CaseIterable { case connect, bind }
    public enum TCPProtocol: String, Hashable, Sendable, CaseIterable { case raw, telnet, telnets, tls }

    public var kind: Kind
    /// `<log>`: a file that gets a copy of what the guest writes.
    public var log: Log?
    public var securityLabels: [SecurityLabel] = []

    public init(_ kind: Kind) { self.kind = kind }

    /// The `type` attribute and what it needs.
    public enum Kind: Hashable, Sendable {
        case null
        case virtualConsole
        /// The path is a live fact.
        case pty(path: String?)
        case device(path: String)
        case file(path: String, append: Bool?)
        case pipe(path: String)
        case stdio
        case tcp(TCP)
        case udp(UDP)
        /// A nil path is chosen at start.
        case unix(UnixSocket)
        case spiceVMC
        case spicePort(channel: String)
        case nmdm(master: String, slave: String)
        case dbus(channel: String)
        case qemuVDAgent(clipboard: Bool?, mouse: Graphics.MouseMode?)

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .null: "null"
            case .virtualConsole: "vc"
            case .pty: "pty"
            case .device: "dev"
            case .file: "file"
            case .pipe: "pipe"
            case .stdio: "stdio"
            case .tcp: "tcp"
            case .udp: "udp"
            case .unix: "unix"
            case .spiceVMC: "spicevmc"
            case .spicePort: "spiceport"
            case .nmdm: "nmdm"
            case .dbus: "dbus"
            case .qemuVDAgent: "qemu-vdagent"
            }
        }
    }

    /// `<source mode=… host=… service=…>` with `<protocol>`.
    public struct TCP: Hashable, Sendable {
        public var mode: SocketMode
        public var host: String?
        public var service: String?
        public var transport: TCPProtocol
        public var tls: Bool?
        public var reconnect: Reconnect?

        public init(mode: SocketMode, host: String?, service: String?, transport: TCPProtocol = .raw) {
            (self.mode, self.host, self.service, self.transport) = (mode, host, service, transport)
        }
    }

    /// A pair of datagram addresses.
    public struct UDP: Hashable, Sendable {
        public var connectHost: String?
        public var connectService: String?
        public var bindHost: String?
        public var bindService: String?

        public init() {}
    }

    /// A socket of the file system.
    public struct UnixSocket: Hashable, Sendable {
        public var mode: SocketMode
        public var path: String?
        /// Whether the path was chosen at start: then it is a live fact.
        public var isGenerated = false
        public var reconnect: Reconnect?

        public init(mode: SocketMode, path: String?) { (self.mode, self.path) = (mode, path) }
    }

    /// `<reconnect enabled='yes' timeout='10'/>`, in seconds.
    public struct Reconnect: Hashable, Sendable {
        public var isEnabled: Bool
        public var timeoutSeconds: Int?

        public init(isEnabled: Bool, timeoutSeconds: Int? = nil) {
            (self.isEnabled, self.timeoutSeconds) = (isEnabled, timeoutSeconds)
        }
    }

    /// `<log>`.
    public struct Log: Hashable, Sendable {
        public var file: String
        public var append: Bool?

        public init(file: String, append: Bool? = nil) { (self.file, self.append) = (file, append) }
    }

    /// The pty of a running guest.
    public var ptyPath: String? {
        guard case .pty(let path) = kind else { return nil }
        return path
    }
}
