// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
package import VireoCore
import VireoImage

/// The image engine's formats; the model has its own, as XML names them.
typealias EngineFormat = VireoImage.ImageFormat

extension VireoError {
    /// A failed system call of the storage driver: `what` is a clause, "cannot open directory '/x'".
    package static func storage(system code: CInt, _ what: String) -> VireoError {
        VireoError(.systemError, "\(what): \(String(cString: strerror(code)))", origin: .storage)
    }

    /// What the image engine could not do, for clients.
    init(image error: ImageError) {
        let code: Code =
            switch error.kind {
            case .exists: .storageVolExist
            case .invalidArgument: .invalidArg
            case .unsupported, .limit: .operationUnsupported
            case .locked: .resourceBusy
            case .cancelled: .operationAborted
            case .refused, .corrupt, .wrongFormat: .operationFailed
            case .notFound, .noSpace, .io: error.errno == nil ? .operationFailed : .systemError
            }
        self.init(code, error.description, origin: .storage, cause: error)
    }
}

/// Runs `body`, and makes what the image engine throws an error for clients.
func translatingImageErrors<R>(_ body: () throws -> R) throws -> R {
    do {
        return try body()
    } catch let error as ImageError {
        throw VireoError(image: error)
    }
}
