// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SystemPackage
import VireoCore

/// A disk on the command line: `PATH[,format=…][,bus=…][,readonly]`, or `size=20G[,format=…]` for a new one.
struct DiskArgument: ExpressibleByArgument, Hashable, Sendable {
    enum Source: Hashable, Sendable {
        case file(FilePath)
        /// A new, empty image of this virtual size; with a path it is made there.
        case new(ByteCount, FilePath?)
    }

    var source: Source
    /// nil: found out by `ImageFormat`.
    var format: ImageFormat?
    var bus: String?
    var isReadOnly = false

    init(file: FilePath) { source = .file(file) }

    init?(argument: String) {
        var (path, size): (FilePath?, ByteCount?) = (nil, nil)
        for (index, part) in argument.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch (pair.first, pair.count) {
            case ("format", 2):
                guard let given = ImageFormat(rawValue: pair[1]) else { return nil }
                format = given
            case ("bus", 2):
                guard ["virtio", "scsi", "sata", "ide", "usb"].contains(pair[1]) else { return nil }
                bus = pair[1]
            case ("size", 2):
                guard let given = SizeArgument(argument: pair[1]) else { return nil }
                size = given.size
            case ("readonly", 1): isReadOnly = true
            case ("path", 2) where !pair[1].isEmpty: path = FilePath(pair[1])
            case (_, 1) where index == 0 && !part.isEmpty: path = FilePath(String(part))
            default: return nil
            }
        }
        switch (path, size) {
        case (let path?, nil): source = .file(path)
        case (let path, let size?): source = .new(size, path)
        case (nil, nil): return nil
        }
    }

    /// As the API takes it; looks at the file where its format was not given.
    ///
    /// - Throws: `CLIError` when the file is missing or its format must be said.
    func json() throws -> JSONValue {
        var members: [(key: String, value: JSONValue)] = []
        switch source {
        case .file(let path):
            let path = path.lexicallyAbsolute
            members.append(("path", .string(path.string)))
            members.append(("format", .string(try (format ?? ImageFormat.detect(path)).rawValue)))
        case .new(let size, let path):
            if let path { members.append(("path", .string(path.lexicallyAbsolute.string))) }
            members.append(("sizeBytes", JSONValue(size.bytes)))
            members.append(("format", .string((format ?? .qcow2).rawValue)))
        }
        if let bus { members.append(("bus", .string(bus))) }
        if isReadOnly { members.append(("readOnly", true)) }
        return .object(JSONObject(members))
    }
}
