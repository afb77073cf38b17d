// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel
import VireoQEMU
import VireoQMP

/// A picture of a guest's screen.
package struct Screenshot: Sendable {
    /// `image/png` or `image/x-portable-pixmap`.
    package var type: String
    package var bytes: [UInt8]
}

extension DomainActor {
    /// No picture is bigger: 16,384 by 8,192 pixels of three bytes.
    private static let screenshotLimit = 400 << 20

    /// What the guest's screen shows now.
    ///
    /// - Parameter screen: a head of the first video device, or a further device.
    /// - Throws: `operationInvalid` when the domain does not run; `invalidArg` for a screen that it has not.
    package func screenshot(screen: UInt32, client: ClientIdentity? = nil) async throws -> Screenshot {
        try await withJob(.modify, client: client) { domain, _ in
            try domain.requireActive()
            let videos = (domain.live?.devices.videos ?? []).filter { $0.model != .none }
            guard !videos.isEmpty else { throw VireoError(.invalidArg, "no screens to take screenshot from", origin: .domain) }
            let heads = videos.map { max(1, $0.heads ?? 1) }
            var (device, head, remaining) = (0, 0, Int(clamping: screen))
            while device < heads.count, remaining >= heads[device] {
                remaining -= heads[device]
                device += 1
            }
            head = remaining
            guard device < videos.count else { throw VireoError(.invalidArg, "no such screen", origin: .domain) }
            return try await domain.screenshot(of: device == 0 && head == 0 ? nil : videos[device].alias, head: head)
        }
    }

    private func screenshot(of device: String?, head: Int) async throws -> Screenshot {
        // QEMU writes to a file that only the daemon and it have open: no name, no right in any directory is needed.
        let file = try await BlockingWork.run(awaiting: "a temporary file") {
            let descriptor = vireo_memory_file("vireo-screenshot")
            guard descriptor >= 0 else {
                throw VireoError(.systemError, "cannot make a temporary file: \(Errno(rawValue: errno))")
            }
            return FileDescriptor(rawValue: descriptor)
        }
        defer { try? file.close() }
        // QEMU takes a descriptor of a set only for the very access that it opens its file for: writing alone.
        let writing = try FileDescriptor.open(FilePath("/proc/self/fd/\(file.rawValue)"), .writeOnly, options: [.closeOnExec])
        defer { try? writing.close() }
        let set = try await addDescriptorSet(writing.rawValue)
        defer { hypervisor.background.run { [self] in _ = try? await qmp("remove-fd", ["fdset-id": .integer(set)]) } }
        var arguments: JSONObject = JSONObject([(key: "filename", value: .string("/dev/fdset/\(set)"))])
        if let device {
            arguments["device"] = .string(device)
            arguments["head"] = JSONValue(head)
        }
        let isPNG = try await hypervisor.capabilities(for: run?.emulator).version >= .init(major: 7, minor: 1)
        if isPNG { arguments["format"] = "png" }
        do {
            _ = try await qmp("screendump", .object(arguments))
        } catch let error as VireoError where isPNG && error.code == .internalError {
            // A QEMU that was built without libpng.
            arguments["format"] = nil
            _ = try await qmp("screendump", .object(arguments))
            return Screenshot(type: "image/x-portable-pixmap", bytes: try Self.content(of: file))
        }
        return Screenshot(type: isPNG ? "image/png" : "image/x-portable-pixmap", bytes: try Self.content(of: file))
    }

    private func addDescriptorSet(_ descriptor: CInt) async throws -> Int64 {
        let answer = try await qmp("add-fd", ["opaque": "screenshot"], passing: descriptor)
        guard let set = answer["fdset-id"]?.int64Value else {
            throw VireoError(.internalError, "QEMU did not say where it put a descriptor")
        }
        return set
    }

    private static func content(of file: FileDescriptor) throws -> [UInt8] {
        let size = try file.seek(offset: 0, from: .end)
        guard size > 0, size <= Int64(screenshotLimit) else {
            throw VireoError(.operationFailed, "QEMU wrote no picture that can be used (\(size) bytes)")
        }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var filled = 0
        while filled < bytes.count {
            let count = try bytes.withUnsafeMutableBytes {
                try file.read(fromAbsoluteOffset: Int64(filled), into: .init(rebasing: $0[filled...]))
            }
            if count == 0 { break }
            filled += count
        }
        return Array(bytes.prefix(filled))
    }
}
