// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension Interface {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try InterfaceSource(element))
        trustsGuestReceiveFilters = try element.yesNo("trustGuestRxFilters")
        model = try Self.model(element)
        if let mac = element.child("mac") {
            if let text = mac.attribute("address") {
                guard let address = MACAddress(text) else { throw .malformed("unable to parse mac address '\(text)'") }
                guard !address.isMulticast else { throw .malformed("expected unicast mac address, found multicast '\(text)'") }
                self.mac = address
            }
            macType = mac.nonEmpty("type")
            checksMAC = try mac.yesNo("check")
        }
        if let driver = element.child("driver") { self.driver = try InterfaceDriver(driver) }
        target = element.child("target")?.nonEmpty("dev")
        targetIsManaged = try element.child("target")?.yesNo("managed")
        guestDevice = element.child("guest")?.nonEmpty("dev")
        script = element.child("script")?.nonEmpty("path")
        downScript = element.child("downscript")?.nonEmpty("path")
        linkState = try element.child("link")?.word("state", unknown: "unknown interface link state")
        mtu = try element.child("mtu")?.integer("size")
        bandwidth = try element.child("bandwidth", as: Bandwidth.init)
        vlan = try element.child("vlan", as: VLAN.init)
        virtualPort = try element.child("virtualport", as: VirtualPort.init)
        filter = try element.child("filterref", as: FilterReference.init)
        sendBuffer = try element.child("tune")?.childUnsigned64("sndbuf")
        coalesceMaximumFrames = try element.child("coalesce")?.child("rx")?.child("frames")?.integer("max")
        isIsolated = try element.child("port")?.yesNo("isolated")
        teaming = try element.child("teaming", as: Teaming.init)
        addresses = try element.children("ip", as: IPAddress.init)
        routes = try element.children("route", as: Route.init)
        if let backend = element.child("backend") { self.backend = try Backend(backend) }
        portForwards = try element.children("portForward", as: PortForward.init)
        info = try DeviceInfo(element)
    }

    private static func model(_ element: XMLElement) throws(VireoError) -> String? {
        guard let model = element.child("model")?.nonEmpty("type") else { return nil }
        let allowed = model.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard allowed else { throw .malformed("Model name contains invalid characters") }
        return model
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("interface") { writer in
            writer.attribute("type", source.typeWord(options))
            if case .hostDevice(let device) = source, device.isManaged == true { writer.attribute("managed", "yes") }
            writer.attribute("trustGuestRxFilters", yesNo: trustsGuestReceiveFilters)
            if mac != nil || macType != nil || checksMAC != nil {
                writer.element("mac") {
                    $0.attribute("address", mac?.description)
                    $0.attribute("type", macType)
                    $0.attribute("check", yesNo: checksMAC)
                }
            }
            source.write(to: &writer, options)
            vlan?.write(to: &writer)
            virtualPort?.write(to: &writer)
            bandwidth?.write(to: &writer)
            if let isIsolated { writer.element("port") { $0.attribute("isolated", yesNo: isIsolated) } }
            for address in addresses { address.write(to: &writer) }
            for route in routes { route.write(to: &writer) }
            for forward in portForwards { forward.write(to: &writer) }
            if let script { writer.element("script") { $0.attribute("path", script) } }
            if let downScript { writer.element("downscript") { $0.attribute("path", downScript) } }
            writer.elementUnlessEmpty("target") {
                $0.attribute("dev", target)
                $0.attribute("managed", yesNo: targetIsManaged)
            }
            if let guestDevice { writer.element("guest") { $0.attribute("dev", guestDevice) } }
            if let model { writer.element("model") { $0.attribute("type", model) } }
            // The driver of a passed-through device is written with its source.
            if case .hostDevice = source {} else { driver.write(to: &writer) }
            backend.write(to: &writer)
            filter?.write(to: &writer)
            if let sendBuffer { writer.element("tune") { $0.element("sndbuf", text: sendBuffer) } }
            teaming?.write(to: &writer)
            if let linkState { writer.element("link") { $0.attribute("state", linkState) } }
            if let mtu { writer.element("mtu") { $0.attribute("size", mtu) } }
            if let coalesceMaximumFrames {
                writer.element("coalesce") {
                    $0.element("rx") { $0.element("frames") { $0.attribute("max", coalesceMaximumFrames) } }
                }
            }
            info.write(to: &writer, options)
        }
    }
}

extension InterfaceDriver {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        name = try element.word("name")
        transmitMode = try element.word("txmode")
        ioEventFD = try element.onOff("ioeventfd")
        eventIndex = try element.onOff("event_idx")
        queues = try element.integer("queues")
        // One queue is what there is without the attribute.
        if queues == 1 || queues == 0 { queues = nil }
        receiveQueueSize = try element.integer("rx_queue_size")
        transmitQueueSize = try element.integer("tx_queue_size")
        rss = try element.onOff("rss")
        rssHashReport = try element.onOff("rss_hash_report")
        virtio = try VirtioOptions(element)
        if let host = element.child("host") { self.host = try Offloads(host) }
        if let guest = element.child("guest") { self.guest = try Offloads(guest) }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("driver") { writer in
            writer.attribute("name", name)
            writer.attribute("txmode", transmitMode)
            writer.attribute("ioeventfd", onOff: ioEventFD)
            writer.attribute("event_idx", onOff: eventIndex)
            writer.attribute("queues", queues)
            writer.attribute("rx_queue_size", receiveQueueSize)
            writer.attribute("tx_queue_size", transmitQueueSize)
            writer.attribute("rss", onOff: rss)
            writer.attribute("rss_hash_report", onOff: rssHashReport)
            virtio.writeAttributes(to: &writer)
            writer.elementUnlessEmpty("host") { host.writeAttributes(to: &$0) }
            writer.elementUnlessEmpty("guest") { guest.writeAttributes(to: &$0) }
        }
    }
}

extension InterfaceDriver.Offloads {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        csum = try element.onOff("csum")
        gso = try element.onOff("gso")
        tso4 = try element.onOff("tso4")
        tso6 = try element.onOff("tso6")
        ecn = try element.onOff("ecn")
        ufo = try element.onOff("ufo")
        mergeableReceiveBuffers = try element.onOff("mrg_rxbuf")
    }

    fileprivate func writeAttributes(to writer: inout XMLWriter) {
        writer.attribute("csum", onOff: csum)
        writer.attribute("gso", onOff: gso)
        writer.attribute("tso4", onOff: tso4)
        writer.attribute("tso6", onOff: tso6)
        writer.attribute("ecn", onOff: ecn)
        writer.attribute("ufo", onOff: ufo)
        writer.attribute("mrg_rxbuf", onOff: mergeableReceiveBuffers)
    }
}

extension Interface.Backend {
    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        kind = try element.word("type")
        tap = element.nonEmpty("tap")
        vhost = element.nonEmpty("vhost")
        logFile = element.nonEmpty("logFile")
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("backend") {
            $0.attribute("type", kind)
            $0.attribute("tap", tap)
            $0.attribute("vhost", vhost)
            $0.attribute("logFile", logFile)
        }
    }
}

extension Interface.Teaming {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("type"), persistentAlias: element.nonEmpty("persistent"))
    }

    func write(to writer: inout XMLWriter) {
        writer.element("teaming") {
            $0.attribute("type", kind)
            $0.attribute("persistent", persistentAlias)
        }
    }
}

extension Interface.FilterReference {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(filter: try element.required("filter"))
        parameters = try element.children("parameter") { parameter throws(VireoError) in
            Parameter(name: try parameter.required("name"), value: try parameter.required("value"))
        }
    }

    fileprivate func write(to writer: inout XMLWriter) {
        writer.element("filterref") { writer in
            writer.attribute("filter", filter)
            for parameter in parameters {
                writer.element("parameter") {
                    $0.attribute("name", parameter.name)
                    $0.attribute("value", parameter.value)
                }
            }
        }
    }
}
