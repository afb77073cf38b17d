// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension ByteCount {
    /// `<name unit='KiB'>N</name>`.
    func writeKibibytes(_ name: String, to writer: inout XMLWriter) {
        writer.element(name) {
            $0.attribute("unit", "KiB")
            $0.content("\(kibibytes)")
        }
    }
}

extension MemoryModule {
    init(_ element: XMLElement) throws(VireoError) {
        let word = try element.required("model")
        guard let model = Model(rawValue: word) else {
            if word == "sgx-epc" { throw .unsupported("\(element.path): SGX memory is not supported") }
            throw element.invalid("model", word)
        }
        guard let target = element.child("target") else { throw .malformed("missing <target> element for <memory> device") }
        guard let size = try target.childSize("size") else { throw .malformed("missing size of <memory> device") }
        self.init(model, size: size)
        access = try element.word("access")
        discards = try element.yesNo("discard")
        if let text = element.childText("uuid") {
            guard let uuid = DomainUUID(text) else { throw .malformed("malformed uuid element") }
            self.uuid = uuid
        }
        if let source = element.child("source") {
            pageSize = try source.childSize("pagesize")
            if let text = source.childText("nodemask") {
                guard let nodes = CPUSet(text) else { throw .malformed("Failed to parse bitmap '\(text)'") }
                sourceNodes = nodes
            }
            path = source.childText("path")
            alignment = try source.childSize("alignsize")
            isPersistent = source.has("pmem")
        }
        node = try target.childInteger("node", in: 0...Int(Int32.max))
        block = try target.childSize("block")
        requested = try target.childSize("requested")
        current = try target.childSize("current")
        labelSize = try target.child("label")?.childSize("size")
        isReadOnly = target.has("readonly")
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("memory") { writer in
            writer.attribute("model", model)
            writer.attribute("access", access)
            writer.attribute("discard", yesNo: discards)
            writer.element("uuid", text: uuid?.description)
            writer.elementUnlessEmpty("source") { writer in
                writer.element("nodemask", text: sourceNodes?.description)
                pageSize?.writeKibibytes("pagesize", to: &writer)
                writer.element("path", text: path)
                alignment?.writeKibibytes("alignsize", to: &writer)
                if isPersistent { writer.element("pmem") }
            }
            writer.element("target") { writer in
                size.writeKibibytes("size", to: &writer)
                writer.element("node", text: node)
                if let labelSize { writer.element("label") { labelSize.writeKibibytes("size", to: &$0) } }
                if isReadOnly { writer.element("readonly") }
                if let block {
                    block.writeKibibytes("block", to: &writer)
                    requested?.writeKibibytes("requested", to: &writer)
                    if !options.isInactive { current?.writeKibibytes("current", to: &writer) }
                }
            }
            info.write(to: &writer, options)
        }
    }
}

extension SharedMemory {
    init(_ element: XMLElement) throws(VireoError) {
        let name = try element.required("name")
        guard !name.contains("/"), name != ".", name != ".." else { throw .malformed("shmem name cannot include '/' character") }
        self.init(name: name)
        role = try element.word("role")
        model = try element.child("model")?.word("type", unknown: "Unknown shmem model type")
        size = try element.childSize("size", defaultUnit: 1)
        if let server = element.child("server") {
            hasServer = true
            self.server = server.nonEmpty("path")
        }
        if let msi = element.child("msi") {
            var interrupts = MessageInterrupts()
            interrupts.isEnabled = try msi.onOff("enabled")
            interrupts.vectors = try msi.integer("vectors")
            interrupts.ioEventFD = try msi.onOff("ioeventfd")
            messageInterrupts = interrupts
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("shmem") { writer in
            writer.attribute("name", name)
            writer.attribute("role", role)
            if let model { writer.element("model") { $0.attribute("type", model) } }
            if let size, size.mebibytes != 0 {
                writer.element("size") {
                    $0.attribute("unit", "M")
                    $0.content("\(size.mebibytes)")
                }
            }
            if hasServer { writer.element("server") { $0.attribute("path", server) } }
            if let messageInterrupts {
                writer.element("msi") {
                    $0.attribute("vectors", messageInterrupts.vectors)
                    $0.attribute("ioeventfd", onOff: messageInterrupts.ioEventFD)
                }
            }
            info.write(to: &writer, options)
        }
    }
}

extension IOMMU {
    init(_ element: XMLElement) throws(VireoError) {
        self.init(try element.requiredWord("model"))
        if let driver = element.child("driver") {
            interruptRemapping = try driver.onOff("intremap")
            cachingMode = try driver.onOff("caching_mode")
            extendedInterruptMode = try driver.onOff("eim")
            ioTLB = try driver.onOff("iotlb")
            addressWidthBits = try driver.integer("aw_bits")
        }
        info = try DeviceInfo(element)
    }

    func write(to writer: inout XMLWriter, _ options: WriteOptions) {
        writer.element("iommu") { writer in
            writer.attribute("model", model)
            writer.elementUnlessEmpty("driver") {
                $0.attribute("intremap", onOff: interruptRemapping)
                $0.attribute("caching_mode", onOff: cachingMode)
                $0.attribute("eim", onOff: extendedInterruptMode)
                $0.attribute("iotlb", onOff: ioTLB)
                $0.attribute("aw_bits", addressWidthBits)
            }
            info.write(to: &writer, options)
        }
    }
}
