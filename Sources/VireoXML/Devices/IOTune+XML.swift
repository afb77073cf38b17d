// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension IOTune {
    /// Total, read and write of one figure, by the names of their elements.
    private static let figures: [(path: any WritableKeyPath<IOTune, Limits> & Sendable, suffix: String)] = [
        (\.bytesPerSecond, "bytes_sec"), (\.operationsPerSecond, "iops_sec"), (\.maximumBytesPerSecond, "bytes_sec_max"),
        (\.maximumOperationsPerSecond, "iops_sec_max"),
    ]
    private static let durations: [(path: any WritableKeyPath<IOTune, Limits> & Sendable, suffix: String)] = [
        (\.maximumBytesSeconds, "bytes_sec_max_length"), (\.maximumOperationsSeconds, "iops_sec_max_length"),
    ]

    init(_ element: XMLElement) throws(VireoError) {
        self.init()
        for child in element.elements {
            switch child.name {
            case "size_iops_sec": operationSize = try child.figure()
            case "group_name": groupName = child.text
            default:
                let name = child.name
                for (path, suffix) in Self.figures + Self.durations {
                    switch name {
                    case "total_\(suffix)": self[keyPath: path].total = try child.figure()
                    case "read_\(suffix)": self[keyPath: path].read = try child.figure()
                    case "write_\(suffix)": self[keyPath: path].write = try child.figure()
                    default: continue
                    }
                    child.consume()
                }
                continue
            }
            child.consume()
        }
        try checkLimits()
    }

    /// A total excludes figures for reads and writes.
    private func checkLimits() throws(VireoError) {
        for (path, suffix) in Self.figures where self[keyPath: path].total ?? 0 > 0 {
            let limits = self[keyPath: path]
            guard limits.read ?? 0 == 0, limits.write ?? 0 == 0 else {
                throw .malformed("total and read/write \(suffix) cannot be set at the same time")
            }
        }
    }

    func write(to writer: inout XMLWriter) {
        writer.elementUnlessEmpty("iotune") { writer in
            for (path, suffix) in Self.figures { write(self[keyPath: path], suffix, to: &writer) }
            if let operationSize, operationSize > 0 { writer.element("size_iops_sec", text: operationSize) }
            writer.element("group_name", text: groupName)
            for (path, suffix) in Self.durations { write(self[keyPath: path], suffix, to: &writer) }
        }
    }

    private func write(_ limits: Limits, _ suffix: String, to writer: inout XMLWriter) {
        for (prefix, value) in [("total", limits.total), ("read", limits.read), ("write", limits.write)] {
            if let value, value > 0 { writer.element("\(prefix)_\(suffix)", text: value) }
        }
    }
}

extension XMLElement {
    /// A limit: libvirt keeps them below 2^63, as QEMU does.
    fileprivate func figure() throws(VireoError) -> UInt64 {
        guard let value = UInt64(trimmedText), value <= UInt64(Int64.max) else {
            throw .malformed("disk iotune field '\(name)' must be an integer")
        }
        return value
    }
}
