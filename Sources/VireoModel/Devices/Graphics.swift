// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<graphics>`: how people see the screen from outside.
public struct Graphics: Hashable, Sendable {
    public enum MouseMode: String, Hashable, Sendable, CaseIterable { case server, client }

    public var kind: Kind

    public init(_ kind: Kind) { self.kind = kind }

    /// The `type` attribute and what it needs.
    public enum Kind: Hashable, Sendable {
        case vnc(VNC)
        case spice(Spice)
        case sdl(SDL)
        case eglHeadless(renderNode: String?)
        case dbus(DBus)
        case rdp(RDP)
        case desktop(display: String?, fullscreen: Bool?)

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .vnc: "vnc"
            case .spice: "spice"
            case .sdl: "sdl"
            case .eglHeadless: "egl-headless"
            case .dbus: "dbus"
            case .rdp: "rdp"
            case .desktop: "desktop"
            }
        }
    }

    /// One `<listen>`.
    public enum Listen: Hashable, Sendable {
        /// A nil address is chosen by the defaults (127.0.0.1).
        case address(String?)
        /// The network's address is a live fact.
        case network(name: String, address: String?)
        /// A nil path is chosen at start.
        case socket(String?)
        case none

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .address: "address"
            case .network: "network"
            case .socket: "socket"
            case .none: "none"
            }
        }
    }

    /// A password that protects a display.
    public struct Password: Hashable, Sendable {
        public enum Connected: String, Hashable, Sendable, CaseIterable { case fail, disconnect, keep }

        /// Written only when secrets are asked for.
        public var text: String?
        /// As it was written: `2026-01-31T12:00:00`, in UTC.
        public var validTo: String?
        /// What happens to those who are connected when it changes.
        public var connected: Connected?

        public init(text: String? = nil, validTo: String? = nil, connected: Connected? = nil) {
            (self.text, self.validTo, self.connected) = (text, validTo, connected)
        }
    }

    /// `<graphics type='vnc'>`.
    public struct VNC: Hashable, Sendable {
        public enum SharePolicy: String, Hashable, Sendable, CaseIterable {
            case allowExclusive = "allow-exclusive"
            case forceShared = "force-shared"
            case ignore
        }

        /// Nil: to be chosen. In a running guest the port that it got.
        public var port: Int?
        public var autoPort = false
        /// Nil for none, -1 for one to be chosen.
        public var webSocket: Int?
        /// Whether the number was chosen at start.
        public var webSocketIsGenerated = false
        /// Whether the path of its socket was chosen at start.
        public var socketIsGenerated = false
        public var keymap: String?
        public var sharePolicy: SharePolicy?
        public var powerControl: Bool?
        public var password = Password()
        public var listens: [Listen] = []
        /// The id of an `<audio>` device.
        public var audioID: Int?

        public init() {}
    }

    /// `<graphics type='spice'>`.
    public struct Spice: Hashable, Sendable {
        public enum ChannelName: String, Hashable, Sendable, CaseIterable {
            case main, display, inputs, cursor, playback, record, smartcard, usbredir
        }
        public enum ChannelMode: String, Hashable, Sendable, CaseIterable { case any, secure, insecure }

        /// Nil: to be chosen, or none.
        public var port: Int?
        public var tlsPort: Int?
        /// Whether the path of its socket was chosen at start.
        public var socketIsGenerated = false
        public var autoPort = false
        public var keymap: String?
        public var defaultMode: ChannelMode?
        public var password = Password()
        public var listens: [Listen] = []
        public var channels: [ChannelName: ChannelMode] = [:]
        /// `auto_glz`, `auto_lz`, `quic`, `glz`, `lz`, `off`.
        public var imageCompression: String?
        public var jpegCompression: String?
        public var zlibCompression: String?
        public var playbackCompression: Bool?
        /// `filter`, `all`, `off`.
        public var streamingMode: String?
        public var copyPaste: Bool?
        public var mouseMode: MouseMode?
        public var fileTransfer: Bool?
        public var openGL: Bool?
        public var renderNode: String?

        public init() {}
    }

    /// `<graphics type='sdl'>`.
    public struct SDL: Hashable, Sendable {
        public var display: String?
        public var xauth: String?
        public var fullscreen: Bool?
        public var openGL: Bool?

        public init() {}
    }

    /// `<graphics type='dbus'>`.
    public struct DBus: Hashable, Sendable {
        public var p2p: Bool?
        public var address: String?
        public var openGL: Bool?
        public var renderNode: String?
        public var audioID: Int?

        public init() {}
    }

    /// `<graphics type='rdp'>`.
    public struct RDP: Hashable, Sendable {
        public var port: Int?
        public var autoPort = false
        public var replacesUser: Bool?
        public var multipleUsers: Bool?
        public var listens: [Listen] = []

        public init() {}
    }

    /// Where it listens; empty for kinds that do not.
    public var listens: [Listen] {
        switch kind {
        case .vnc(let vnc): vnc.listens
        case .spice(let spice): spice.listens
        case .rdp(let rdp): rdp.listens
        case .sdl, .eglHeadless, .dbus, .desktop: []
        }
    }
}
