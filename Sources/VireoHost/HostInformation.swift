// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

private import Glibc
package import SystemPackage
package import VireoCore

/// What the host is and has: read from the kernel's files at each call, so that the answers are of now.
///
/// The topic of each group of answers has its own file: `HostInformation+Memory.swift` and so on.
package struct HostInformation: Sendable {
    package let files: HostFiles
    /// The name that clients see.
    package let hostname: String
    package let uuid: DomainUUID

    package init(files: HostFiles = HostFiles(), hostname: String? = nil, uuid: DomainUUID) {
        (self.files, self.uuid) = (files, uuid)
        self.hostname = hostname ?? Self.systemHostname
    }

    /// The kernel's host name; "localhost" where it has none.
    package static var systemHostname: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        let name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return name.isEmpty ? "localhost" : name
    }

    /// The host's UUID: of its firmware if that has a believable one, else the one kept at `file`, made when it is missing.
    ///
    /// Firmware often holds placeholders; as libvirt, one whose bytes are all the same is not believed.
    /// - Throws: `systemError` when a new UUID cannot be kept.
    package static func identity(files: HostFiles = HostFiles(), keptAt file: FilePath) throws(VireoError) -> DomainUUID {
        if let text = files.line("/sys/class/dmi/id/product_uuid"), let uuid = DomainUUID(text), Set(uuid.bytes).count > 1 {
            return uuid
        }
        if let text = HostFiles().line(file.string), let uuid = DomainUUID(text) { return uuid }
        let uuid = DomainUUID.random()
        do {
            let descriptor = try FileDescriptor.open(
                file, .writeOnly, options: [.create, .truncate, .closeOnExec],
                permissions: [.ownerReadWrite, .groupRead, .otherRead])
            try descriptor.closeAfter { _ = try descriptor.writeAll("\(uuid)\n".utf8) }
        } catch {
            throw VireoError(.systemError, "the host's UUID cannot be kept in '\(file)'", cause: error)
        }
        return uuid
    }

    /// The machine's architecture in libvirt's words: `x86_64`, `aarch64`.
    package static var architecture: String {
        #if arch(x86_64)
            "x86_64"
        #elseif arch(arm64)
            "aarch64"
        #else
            "unknown"
        #endif
    }
}
