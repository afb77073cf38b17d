// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import VireoCore

extension ImageInfo {
    /// The fields of `qemu-img info --output=json`, in its order.
    package var json: JSONValue {
        var fields = JSONObject()
        func add(_ key: String, _ value: JSONValue?) {
            if let value { fields.members.append((key, value)) }
        }
        add("backing-filename-format", backing?.format.map { .string($0.rawValue) })
        if !snapshots.isEmpty { add("snapshots", .array(snapshots.map(\.json))) }
        add("virtual-size", JSONValue(virtualSize))
        add("filename", .string(path))
        add("cluster-size", clusterSize.map { JSONValue($0) })
        add("format", .string(format.rawValue))
        add("actual-size", JSONValue(allocatedBytes))
        add("format-specific", specific.map { .object(["type": .string($0.type), "data": .object($0.values)]) })
        add("full-backing-filename", backing.map { .string(backingPath ?? $0.name) })
        add("backing-filename", backing.map { .string($0.name) })
        add("dirty-flag", .bool(isDirty))
        return .object(fields)
    }

    /// The lines of `qemu-img info`, without a line break at the end.
    package var text: String {
        var lines = [
            "image: \(path)", "file format: \(format)", "virtual size: \(ImageText.size(virtualSize)) (\(virtualSize) bytes)",
            "disk size: \(ImageText.size(allocatedBytes))",
        ]
        if let clusterSize { lines.append("cluster_size: \(clusterSize)") }
        if isDirty { lines.append("cleanly shut down: no") }
        if let backing {
            let full = backingPath ?? backing.name
            lines.append("backing file: \(backing.name)\(full == backing.name ? "" : " (actual path: \(full))")")
            if let format = backing.format { lines.append("backing file format: \(format)") }
        }
        if !snapshots.isEmpty { lines.append("Snapshot list:\n" + ImageText.table(snapshots)) }
        if let specific {
            lines.append("Format specific information:")
            ImageText.append(.object(specific.values), indent: 1, to: &lines)
        }
        return lines.joined(separator: "\n")
    }
}

extension QCOW2Snapshot {
    fileprivate var json: JSONValue {
        var fields = JSONObject()
        if let icount, icount != .max { fields.members.append(("icount", JSONValue(icount))) }
        fields.members += [
            ("vm-clock-nsec", JSONValue(clockNanoseconds % 1_000_000_000)), ("name", .string(name)),
            ("date-sec", JSONValue(seconds)),
            ("date-nsec", JSONValue(nanoseconds)), ("vm-clock-sec", JSONValue(clockNanoseconds / 1_000_000_000)),
            ("id", .string(id)),
            ("vm-state-size", JSONValue(vmStateSize)),
        ]
        return .object(fields)
    }
}

/// How qemu-img writes sizes and tables, which scripts read.
package enum ImageText {
    /// Three digits and a binary unit: `193 KiB`, `1.32 MiB` (size_to_str in util/cutils.c of QEMU).
    package static func size(_ bytes: UInt64) -> String {
        let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        var unit = 0
        while unit < units.count - 1, Double(bytes) / Double(UInt64(1) << UInt64(unit * 10)) >= 1000 { unit += 1 }
        return formatted("%0.3g", Double(bytes) / Double(UInt64(1) << UInt64(unit * 10))) + " \(units[unit])B"
    }

    /// `printf` of some values.
    package static func formatted(_ format: String, _ values: any CVarArg...) -> String {
        withVaList(values) { arguments in
            var buffer = [CChar](repeating: 0, count: 512)
            vsnprintf(&buffer, buffer.count, format, arguments)
            return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// The table of snapshots.
    package static func table(_ snapshots: [QCOW2Snapshot]) -> String {
        let head = "ID        TAG               VM SIZE                DATE     VM CLOCK     ICOUNT"
        return ([head] + snapshots.map(row)).joined(separator: "\n")
    }

    private static func row(_ snapshot: QCOW2Snapshot) -> String {
        var (time, parts) = (time_t(snapshot.seconds), tm())
        localtime_r(&time, &parts)
        let date = formatted(
            "%04d-%02d-%02d %02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
            parts.tm_sec)
        let seconds = snapshot.clockNanoseconds / 1_000_000_000
        let clock = formatted(
            "%02llu:%02llu:%02llu.%03llu", seconds / 3600, seconds / 60 % 60, seconds % 60,
            snapshot.clockNanoseconds / 1_000_000 % 1000)
        let icount = snapshot.icount.map { $0 == .max ? "" : String($0) } ?? ""
        return padded(snapshot.id, 9) + " " + padded(snapshot.name, 16) + " " + padded(size(snapshot.vmStateSize), -8)
            + padded(date, -20) + padded(clock, -13) + padded(icount, -11)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        let fill = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? fill + text : text + fill
    }

    /// Nested values as indented lines, as dump_qobject of QEMU prints them.
    static func append(_ value: JSONValue, indent: Int, to lines: inout [String]) {
        let margin = String(repeating: "    ", count: indent)
        func add(_ key: String, _ value: JSONValue) {
            switch value {
            case .array, .object:
                lines.append("\(margin)\(key):")
                append(value, indent: indent + 1, to: &lines)
            case .string(let text): lines.append("\(margin)\(key): \(text)")
            default: lines.append("\(margin)\(key): \(value.text)")
            }
        }
        if let members = value.objectValue?.members {
            for (key, value) in members { add(key.replacing("-", with: " "), value) }
        }
        for (index, element) in (value.arrayValue ?? []).enumerated() { add("[\(index)]", element) }
    }
}
