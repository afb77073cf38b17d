// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// A state of a disk that can be read: an image, or a snapshot inside one.
package struct ImagePoint: Codable, Hashable, Sendable {
    package var path: String
    /// As QEMU names it.
    package var format: String
    /// The snapshot inside; nil for what the image shows now.
    package var snapshot: String?

    package init(path: String, format: String, snapshot: String? = nil) {
        (self.path, self.format, self.snapshot) = (path, format, snapshot)
    }

    /// Opens it for reading, whoever else has the image open: the caller knows that nobody changes it meanwhile.
    ///
    /// - Throws: `notFound` for a snapshot that is not there; what opening throws.
    package func open() throws -> ImageChain {
        let context = OpenContext(policy: ImagePolicy(backing: .anywhere), access: .readUnsafely)
        let chain = try ImageChain.open(path, format: ImageFormat(rawValue: format), context)
        guard let snapshot else { return chain }
        guard let image = chain.top as? QCOW2Image, let found = try image.snapshots().first(where: { $0.name == snapshot }) else {
            throw ImageError(.notFound, "there is no snapshot '\(snapshot)' inside", path: path)
        }
        let top: any DiskImage = try image.view(of: found)
        return ImageChain([top] + Array(chain.layers.dropFirst()))
    }
}

/// Two states of a disk whose files are compared, as they are handed to a process that does it in a jail.
package struct FileComparison: Codable, Hashable, Sendable {
    /// What tells a program to read such a one from its next argument.
    package static let option = "--compare-files"

    package var old: ImagePoint
    package var new: ImagePoint
    /// When the old state was, in seconds since 1970.
    package var taken: Int64

    package init(old: ImagePoint, new: ImagePoint, taken: Int64) { (self.old, self.new, self.taken) = (old, new, taken) }

    /// Reads both. What the guest has written there may be anything: not for a process that has rights.
    package func run() throws -> [FileSystemDifference] {
        try FileDifferences.between(DiskFile(try old.open()), DiskFile(try new.open()), taken: taken)
    }

    /// Every file that is opened.
    package func files() throws -> [String] {
        Array(Set(try (old.open().layers + new.open().layers).flatMap(\.files).map { try HostFiles().resolve($0.path) })).sorted()
    }
}
