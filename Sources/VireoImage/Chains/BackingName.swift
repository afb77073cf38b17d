// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// What a backing name inside an image means, by QEMU's rules (bdrv_open_child and path_combine in its block.c).
package enum BackingName: Hashable, Sendable {
    /// A file on this host, relative to the image that names it or absolute, and the format where the name states it.
    case file(String, ImageFormat?)
    /// Something that is no file: `nbd`, `rbd`, `https` and others.
    case other(scheme: String)

    package init(_ name: String) throws(ImageError) {
        if name.hasPrefix("json:") {
            self = try BackingName.json(String(name.dropFirst(5)))
        } else if let scheme = BackingName.scheme(name) {
            self = scheme == "file" ? .file(String(name.dropFirst(5)), nil) : .other(scheme: scheme)
        } else {
            self = .file(name, nil)
        }
    }

    /// What stands before the first colon, unless a slash comes first (path_has_protocol).
    private static func scheme(_ name: String) -> String? {
        let bytes = name.utf8
        guard let end = bytes.firstIndex(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }),
            bytes[end] == UInt8(ascii: ":")
        else { return nil }
        return String(name[..<end])
    }

    /// `json:{"driver":"qcow2","file":{"driver":"file","filename":"..."}}`, nested or with dotted keys.
    private static func json(_ text: String) throws(ImageError) -> BackingName {
        guard let value = try? JSONValue.parse(text, limits: JSONLimits(depth: 32, length: 1 << 16, values: 1000)) else {
            throw .corrupt("the json: name of its backing file is no JSON")
        }
        func look(_ key: String) -> String? { value[key]?.stringValue }
        let driver = look("driver")
        if driver == "file" || driver == "host_device" { return .file(try filename(look("filename")), nil) }
        let inner = value["file"]
        let below = inner?["driver"]?.stringValue ?? look("file.driver") ?? "file"
        guard below == "file" || below == "host_device" else { return .other(scheme: below) }
        if let driver, inner == nil, look("file.filename") == nil { return .other(scheme: driver) }
        let format = driver.map { ImageFormat(rawValue: $0) }
        return .file(try filename(inner?["filename"]?.stringValue ?? look("file.filename")), format)
    }

    private static func filename(_ name: String?) throws(ImageError) -> String {
        guard let name, !name.isEmpty else { throw .corrupt("the json: name of its backing file names no file") }
        return name
    }
}
