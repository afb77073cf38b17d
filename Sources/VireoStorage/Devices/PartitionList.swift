// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// A partition table as `sfdisk --json` tells it.
struct PartitionList {
    struct Partition {
        /// The device node.
        var node: String
        /// Bytes from the start of the disk.
        var start: UInt64
        /// Bytes.
        var size: UInt64
        var uuid: String?
        /// libvirt's word for the partition's type.
        var format: String
    }

    var label: String
    var sectorSize: UInt64
    var partitions: [Partition] = []

    /// - Throws: `operationFailed` for a text that is none of sfdisk's.
    init(json text: String) throws(VireoError) {
        let failure = VireoError(.operationFailed, "sfdisk told the partition table in a way that is not known", origin: .storage)
        guard let root = try? JSONValue.parse(text.utf8), let table = root["partitiontable"],
            let label = table["label"]?.stringValue
        else { throw failure }
        self.label = label
        sectorSize = table["sectorsize"]?.uint64Value ?? 512
        guard sectorSize > 0 else { throw failure }
        for entry in table["partitions"]?.arrayValue ?? [] {
            guard let node = entry["node"]?.stringValue, let start = entry["start"]?.uint64Value,
                let size = entry["size"]?.uint64Value
            else { continue }
            let (first, overflow) = start.multipliedReportingOverflow(by: sectorSize)
            let (length, tooLong) = size.multipliedReportingOverflow(by: sectorSize)
            guard !overflow, !tooLong, first.addingReportingOverflow(length).overflow == false else { throw failure }
            partitions.append(
                Partition(
                    node: node, start: first, size: length, uuid: entry["uuid"]?.stringValue,
                    format: Self.format(entry["type"]?.stringValue ?? "")))
        }
    }

    /// By the type's number (MBR) or GUID (GPT) as sfdisk has them.
    private static func format(_ type: String) -> String {
        switch type.uppercased() {
        case "83", "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "linux"
        case "82", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "linux-swap"
        case "8E", "E6D6D379-F507-44C2-A23C-238F2A3DF928": "linux-lvm"
        case "FD", "A19D880F-05FC-4D3B-A006-743F0F84911E": "linux-raid"
        case "6": "fat16"
        case "B", "C": "fat32"
        case "5", "F": "extended"
        default: "none"
        }
    }

    /// The node that a partition appended to the table gets: the first number that is free.
    func nextNode(on device: String) -> String {
        let taken = Set(partitions.compactMap { Self.number(of: $0.node, on: device) })
        var number = 1
        while taken.contains(number) { number += 1 }
        return device + Self.separator(of: device) + "\(number)"
    }

    /// The number of the partition with that node; nil when it is none of the disk's.
    static func number(of node: String, on device: String) -> Int? {
        let prefix = device + separator(of: device)
        guard node.hasPrefix(prefix) else { return nil }
        return Int(node.dropFirst(prefix.count))
    }

    /// The kernel puts a `p` behind names that end with a digit.
    private static func separator(of device: String) -> String { device.last?.isNumber == true ? "p" : "" }
}
