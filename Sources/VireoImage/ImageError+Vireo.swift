// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

extension VireoError {
    /// What reaches clients of the daemon when an image refuses something: libvirt's code, and the sentence with the path in it.
    package init(_ error: ImageError) {
        let code: Code =
            switch error.kind {
            case .invalidArgument: .invalidArg
            case .unsupported, .limit: .operationUnsupported
            case .locked: .resourceBusy
            case .exists, .refused, .corrupt, .wrongFormat: .operationFailed
            case .cancelled: .operationAborted
            case .notFound, .noSpace, .io: error.errno == nil ? .operationFailed : .systemError
            }
        self.init(code, error.description, origin: .storage, cause: error)
    }
}
