// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Why something could not be done with an image. Who calls the engine translates it into `VireoError`.
package struct ImageError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// No such file, snapshot or bitmap.
        case notFound
        /// There is one already.
        case exists
        /// The bytes are not of the format that was stated, or of none that is known.
        case wrongFormat
        /// The format allows it, this engine does not do it (yet, or on purpose).
        case unsupported
        /// The image contradicts itself or its format's specification.
        case corrupt
        /// A stated limit of `ImageLimits` was passed.
        case limit
        /// `ImagePolicy` does not allow it.
        case refused
        /// Somebody else has the file open in a way that excludes what was asked.
        case locked
        /// The file system or the quota is full.
        case noSpace
        /// The caller asked for something that makes no sense for this image.
        case invalidArgument
        /// Any other failure of a system call.
        case io
        /// The caller cancelled; the image is as before.
        case cancelled
    }

    package var kind: Kind
    /// One sentence without the path: what was asked, why not, and the way out if there is one.
    package var message: String
    /// The file that it is about, as the caller or the image named it.
    package var path: String?
    /// `errno` of the system call that failed.
    package var errno: CInt?

    package init(_ kind: Kind, _ message: String, path: String? = nil, errno: CInt? = nil) {
        (self.kind, self.message, self.path, self.errno) = (kind, message, path, errno)
    }

    /// The same error about `path`, unless it names a file already.
    package func at(_ path: String) -> ImageError {
        var error = self
        error.path = error.path ?? path
        return error
    }

    package static func corrupt(_ message: String) -> ImageError { ImageError(.corrupt, message) }
    package static func unsupported(_ message: String) -> ImageError { ImageError(.unsupported, message) }
    package static func limit(_ message: String) -> ImageError { ImageError(.limit, message) }
}

extension ImageError: CustomStringConvertible {
    package var description: String { path.map { "'\($0)': \(message)" } ?? message }
}

/// Runs `body`; an `ImageError` without a path gets this one.
package func naming<R>(_ path: String, _ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as ImageError {
        throw error.at(path)
    }
}
