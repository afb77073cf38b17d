// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoImage

/// Which file a word of the command line means, and the format that it states: a path, or one of QEMU's longer spellings of a file.
///
/// `file:PATH` and `json:{"driver": "qcow2", "file": {"driver": "file", "filename": "PATH"}}` are taken everywhere, and with --image-opts
/// `driver=qcow2,file.filename=PATH`. A file whose own name begins like this is named with `./` in front, as for QEMU.
struct ImageAddress: Hashable {
    var path: String
    /// Nil where the words do not say it.
    var format: DiskFormat?

    init(_ text: String) throws {
        if !text.hasPrefix("json:"), !text.hasPrefix("file:") {
            (path, format) = (text, nil)
            return
        }
        guard case .file(let path, let format) = try BackingName(text), !path.isEmpty else {
            throw CLIError("'\(text)' is no file, and only files are opened")
        }
        (self.path, self.format) = (path, format)
    }

    /// What stands behind --image-opts: options of QEMU's block layer as far as they say which file is meant and which format it has.
    ///
    /// - Throws: `CLIError` for drivers that are no files, and for options that would be passed over otherwise.
    init(options text: String) throws {
        var values = try FormatOptions([text])
        let driver = values.take("driver"), below = values.take("file.driver")
        let name = values.take("file.filename") ?? values.take("filename")
        let fileDrivers = ["file", "host_device"]
        let isFile = driver.map(fileDrivers.contains) ?? false
        guard let name, !name.isEmpty else {
            throw CLIError("'\(text)' names no file; say which one it is with file.filename=PATH")
        }
        guard below.map(fileDrivers.contains) ?? true, !isFile || below == nil else {
            throw CLIError("'\(text)' is no file, and only files are opened")
        }
        // What a reader is in any case, and what changes nothing about the bytes.
        _ = values.take("read-only")
        try values.refuseRest("with --image-opts an image is described by driver, file.driver and file.filename")
        (path, format) = (name, isFile ? .raw : driver.map { DiskFormat(rawValue: $0) })
    }
}
