// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Graphics {
    init(_ element: XMLElement) throws(VireoError) {
        let type = try element.required("type")
        switch type {
        case "vnc": self.init(.vnc(try VNC(element)))
        case "spice": self.init(.spice(try Spice(element)))
        case "sdl":
            var sdl = SDL()
            sdl.display = element.nonEmpty("display")
            sdl.xauth = element.nonEmpty("xauth")
            sdl.fullscreen = try element.yesNo("fullscreen")
            sdl.openGL = try element.child("gl")?.yesNo("enable")
            self.init(.sdl(sdl))
        case "egl-headless": self.init(.eglHeadless(renderNode: element.child("gl")?.nonEmpty("rendernode")))
        case "dbus":
            var bus = DBus()
            bus.p2p = try element.yesNo("p2p")
            bus.address = element.nonEmpty("address")
            bus.openGL = try element.child("gl")?.yesNo("enable")
            bus.renderNode = element.child("gl")?.nonEmpty("rendernode")
            bus.audioID = try element.child("audio")?.integer("id", in: 1...Int(UInt32.max))
            self.init(.dbus(bus))
        case "rdp":
            var rdp = RDP()
            rdp.port = try element.integer("port", in: -1...65535)
            rdp.autoPort = try element.yesNo("autoport") ?? false
            rdp.replacesUser = try element.yesNo("replaceUser")
            rdp.multipleUsers = try element.yesNo("multiUser")
            rdp.listens = try Listen.all(of: element)
            self.init(.rdp(rdp))
        case "desktop":
            self.init(.desktop(display: element.nonEmpty("display"), fullscreen: try element.yesNo("fullscreen")))
        default: throw element.invalid("type", type)
        }
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("graphics") { writer in
            writer.attribute("type", kind.typeWord)
            switch kind {
            case .vnc(let vnc): vnc.write(to: &writer, options)
            case .spice(let spice): spice.write(to: &writer, options)
            case .sdl(let sdl):
                writer.attribute("display", sdl.display)
                writer.attribute("xauth", sdl.xauth)
                writer.attribute("fullscreen", sdl.fullscreen == true ? "yes" : nil)
                if let openGL = sdl.openGL { writer.element("gl") { $0.attribute("enable", yesNo: openGL) } }
            case .eglHeadless(let renderNode):
                if let renderNode { writer.element("gl") { $0.attribute("rendernode", renderNode) } }
            case .dbus(let bus):
                writer.attribute("p2p", bus.p2p == true ? "yes" : nil)
                writer.attribute("address", bus.address)
                if let openGL = bus.openGL {
                    writer.element("gl") {
                        $0.attribute("enable", yesNo: openGL)
                        $0.attribute("rendernode", bus.renderNode)
                    }
                }
                if let audio = bus.audioID { writer.element("audio") { $0.attribute("id", audio) } }
            case .rdp(let rdp):
                writer.attribute("port", rdp.port ?? (rdp.autoPort ? 0 : nil))
                writer.attribute("autoport", rdp.autoPort ? "yes" : nil)
                writer.attribute("replaceUser", rdp.replacesUser == true ? "yes" : nil)
                writer.attribute("multiUser", rdp.multipleUsers == true ? "yes" : nil)
                writer.attribute("listen", rdp.listens.first?.address)
                for listen in rdp.listens { listen.write(to: &writer) }
            case .desktop(let display, let fullscreen):
                writer.attribute("display", display)
                writer.attribute("fullscreen", fullscreen == true ? "yes" : nil)
            }
        }
    }
}

extension Graphics.Listen {
    /// Reads the `<listen>` children, or what the attributes `listen` and `socket` say where there are none.
    static func all(of element: XMLElement) throws(VireoError) -> [Self] {
        let (address, socket) = (element.nonEmpty("listen"), element.nonEmpty("socket"))
        var listens = try element.children("listen") { child throws(VireoError) in try Self(child) }
        if listens.isEmpty { return [socket.map { .socket($0) } ?? .address(address)] }
        switch listens[0] {
        case .address(let inner):
            if let inner, let address, inner != address {
                throw .unsupported(
                    "graphics 'listen' attribute '\(address)' must match 'address' attribute of first listen element (found '\(inner)')"
                )
            }
            listens[0] = socket.map { .socket($0) } ?? .address(inner ?? address)
        case .network: if let socket { listens[0] = .socket(socket) }
        case .socket(let inner):
            if let inner, let socket, inner != socket {
                throw .unsupported(
                    "graphics 'socket' attribute '\(socket)' must match 'socket' attribute of first listen element (found '\(inner)')"
                )
            }
            listens[0] = .socket(inner ?? socket)
        case .none: break
        }
        return listens
    }

    private init(_ element: XMLElement) throws(VireoError) {
        let type = try element.required("type")
        let (address, network, socket) = (element.nonEmpty("address"), element.nonEmpty("network"), element.nonEmpty("socket"))
        if network != nil, type != "network" { throw .malformed("'network' attribute is valid only for listen type 'network'") }
        if socket != nil, type != "socket" { throw .malformed("'socket' attribute is valid only for listen type 'socket'") }
        switch type {
        case "address": self = .address(address)
        case "network":
            guard let network else { throw element.missing("network") }
            self = .network(name: network, address: address)
        case "socket": self = .socket(socket)
        case "none": self = .none
        default: throw element.invalid("type", type)
        }
    }

    /// The address that the attribute `listen` repeats.
    var address: String? {
        switch self {
        case .address(let address), .network(_, let address): address
        case .socket, .none: nil
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.element("listen") { writer in
            writer.attribute("type", typeWord)
            writer.attribute("address", address)
            switch self {
            case .network(let name, _): writer.attribute("network", name)
            case .socket(let path): writer.attribute("socket", path)
            case .address, .none: break
            }
        }
    }
}

extension Graphics.Password {
    /// VNC only keeps those who are connected.
    init(_ element: XMLElement, keepOnly: Bool) throws(VireoError) {
        self.init(text: element.attribute("passwd"), validTo: element.nonEmpty("passwdValidTo"))
        if let word = element.attribute("connected") {
            guard let connected = Connected(rawValue: word) else { throw .unsupported("unknown connected value \(word)") }
            guard !keepOnly || connected == .keep else { throw .unsupported("VNC supports connected='keep' only") }
            self.connected = connected
        }
        guard validTo == nil || Self.isTime(validTo ?? "") else {
            throw VireoError(
                .internalError,
                "cannot parse password validity time '\(validTo ?? "")', expect YYYY-MM-DDTHH:MM:SS", origin: .domain)
        }
    }

    private static func isTime(_ text: String) -> Bool {
        let halves = text.split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2 else { return false }
        let parts =
            halves[0].split(separator: "-", omittingEmptySubsequences: false)
            + halves[1].split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 6 && parts.allSatisfy { UInt16($0) != nil }
    }

    func writeAttributes(to writer: inout XMLWriter, _ options: WriteOptions) {
        guard let text else { return }
        writer.attribute("passwd", options.isSecure ? text : nil)
        writer.attribute("passwdValidTo", validTo)
        writer.attribute("connected", connected)
    }
}

extension Graphics.VNC {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        listens = try Graphics.Listen.all(of: element)
        if let text = element.attribute("port") {
            guard let number = Int32(text), number >= -1, number <= 65535 else {
                throw VireoError(.internalError, "cannot parse vnc port \(text)", origin: .domain)
            }
            port = number > 0 ? Int(number) : nil
            autoPort = number == -1
        } else {
            autoPort = true
        }
        if let automatic = element.attribute("autoport") { autoPort = automatic == "yes" }
        webSocket = try element.integer("websocket", in: -1...65535)
        if webSocket == 0 { webSocket = nil }
        keymap = element.nonEmpty("keymap")
        sharePolicy = try element.word("sharePolicy")
        powerControl = try element.yesNo("powerControl")
        password = try Graphics.Password(element, keepOnly: true)
        audioID = try element.child("audio")?.integer("id", in: 1...Int(UInt32.max))
    }

    fileprivate func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        switch listens.first {
        case .socket(let path): writer.attribute("socket", path)
        case .address, .network, nil:
            writer.attribute("port", port ?? (autoPort ? -1 : nil))
            writer.attribute("autoport", yesNo: autoPort)
            writer.attribute("websocket", webSocket)
            writer.attribute("listen", listens.first?.address)
        case .some(.none): break
        }
        writer.attribute("keymap", keymap)
        writer.attribute("sharePolicy", sharePolicy)
        writer.attribute("powerControl", yesNo: powerControl)
        password.writeAttributes(to: &writer, options)
        for listen in listens { listen.write(to: &writer) }
        if let audioID { writer.element("audio") { $0.attribute("id", audioID) } }
    }
}

extension Graphics.Spice {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        listens = try Graphics.Listen.all(of: element)
        port = try element.integer("port", in: -1...65535)
        tlsPort = try element.integer("tlsPort", in: -1...65535)
        autoPort = try element.yesNo("autoport") ?? false
        // The old way to ask for ports to be chosen.
        if port == -1, tlsPort == -1 { autoPort = true }
        if port == 0 { port = nil }
        if tlsPort == 0 { tlsPort = nil }
        keymap = element.nonEmpty("keymap")
        defaultMode = try element.word("defaultMode")
        if defaultMode == .any { defaultMode = nil }
        password = try Graphics.Password(element, keepOnly: false)
        for channel in element.children("channel") {
            let name: ChannelName = try channel.requiredWord("name")
            channels[name] = try channel.requiredWord("mode") as ChannelMode
        }
        imageCompression = element.child("image")?.nonEmpty("compression")
        jpegCompression = element.child("jpeg")?.nonEmpty("compression")
        zlibCompression = element.child("zlib")?.nonEmpty("compression")
        playbackCompression = try element.child("playback")?.onOff("compression")
        streamingMode = element.child("streaming")?.nonEmpty("mode")
        copyPaste = try element.child("clipboard")?.yesNo("copypaste")
        mouseMode = try element.child("mouse")?.word("mode")
        fileTransfer = try element.child("filetransfer")?.yesNo("enable")
        openGL = try element.child("gl")?.yesNo("enable")
        renderNode = element.child("gl")?.nonEmpty("rendernode")
    }

    fileprivate func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        switch listens.first {
        case .address, .network, nil:
            writer.attribute("port", port)
            writer.attribute("tlsPort", tlsPort)
            writer.attribute("autoport", yesNo: autoPort)
            writer.attribute("listen", listens.first?.address)
        case .some(.none): writer.attribute("autoport", options.isMigratable ? "no" : nil)
        case .socket: break
        }
        writer.attribute("keymap", keymap)
        writer.attribute("defaultMode", defaultMode)
        password.writeAttributes(to: &writer, options)
        for listen in listens { listen.write(to: &writer) }
        for name in ChannelName.allCases {
            guard let mode = channels[name], mode != .any else { continue }
            writer.element("channel") {
                $0.attribute("name", name)
                $0.attribute("mode", mode)
            }
        }
        for (name, value) in [("image", imageCompression), ("jpeg", jpegCompression), ("zlib", zlibCompression)] {
            if let value { writer.element(name) { $0.attribute("compression", value) } }
        }
        if let playbackCompression { writer.element("playback") { $0.attribute("compression", onOff: playbackCompression) } }
        if let streamingMode { writer.element("streaming") { $0.attribute("mode", streamingMode) } }
        if let mouseMode { writer.element("mouse") { $0.attribute("mode", mouseMode) } }
        if let copyPaste { writer.element("clipboard") { $0.attribute("copypaste", yesNo: copyPaste) } }
        if let fileTransfer { writer.element("filetransfer") { $0.attribute("enable", yesNo: fileTransfer) } }
        if let openGL {
            writer.element("gl") {
                $0.attribute("enable", yesNo: openGL)
                $0.attribute("rendernode", renderNode)
            }
        }
    }
}
