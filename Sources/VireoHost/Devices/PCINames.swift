// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Names of PCI vendors and products out of the host's `pci.ids`; none where that is not installed.
struct PCINames {
    private static let databases = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"]
    /// The database is about 1.5 MB.
    private static let sizeLimit = 8 << 20

    private var vendors: [Int: String] = [:]
    private var products: [Int: String] = [:]

    /// Reads the names of the devices that this host has.
    init(files: HostFiles) {
        let entries = files.names(in: "/sys/bus/pci/devices")
        guard !entries.isEmpty, let path = Self.databases.first(where: files.exists),
            let text = files.bytes(path, limit: Self.sizeLimit)
        else { return }
        func id(_ path: String) -> Int? { files.line(path).flatMap { Int($0.dropFirst(2), radix: 16) } }
        var wanted: [Int: Set<Int>] = [:]
        for entry in entries {
            let path = "/sys/bus/pci/devices/\(entry)"
            guard let vendor = id("\(path)/vendor"), let product = id("\(path)/device") else { continue }
            wanted[vendor, default: []].insert(product)
        }
        read(text, wanted)
    }

    /// Vendors begin a line with four digits, their products follow after a tab each; two tabs begin subsystems.
    private mutating func read(_ text: [UInt8], _ wanted: [Int: Set<Int>]) {
        var vendor: Int?
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let isProduct = line.first == UInt8(ascii: "\t")
            let entry = isProduct ? line.dropFirst() : line
            guard entry.count > 6, let id = Int(String(decoding: entry.prefix(4), as: UTF8.self), radix: 16) else {
                if !isProduct, line.first != UInt8(ascii: "#") { vendor = nil }
                continue
            }
            func name() -> String { String(decoding: entry.dropFirst(6), as: UTF8.self) }
            if !isProduct {
                vendor = wanted[id] == nil ? nil : id
                if vendor != nil { vendors[id] = name() }
            } else if let vendor, wanted[vendor]?.contains(id) == true {
                products[vendor << 16 | id] = name()
            }
        }
    }

    func vendor(_ id: Int) -> String? { vendors[id] }
    func product(_ id: Int, of vendor: Int) -> String? { products[vendor << 16 | id] }
}
