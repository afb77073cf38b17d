// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
package import VireoCore

/// An error as HTTP clients get it: a problem document (RFC 9457) with libvirt's code.
package struct Problem: Error, Hashable, Sendable {
    package var status: HTTPResponse.Status
    /// libvirt's `virErrorNumber`; nil where HTTP itself was used wrongly.
    package var code: VireoError.Code?
    /// One sentence for a person.
    package var detail: String

    package init(_ status: HTTPResponse.Status, _ detail: String, code: VireoError.Code? = nil) {
        (self.status, self.code, self.detail) = (status, code, detail)
    }

    package init(_ error: VireoError) { self.init(Self.status(for: error.code), error.sentence, code: error.code) }

    /// The body.
    package var json: JSONValue {
        var members: [(key: String, value: JSONValue)] = [
            ("type", "about:blank"), ("title", .string(status.reasonPhrase)), ("status", JSONValue(status.code)),
            ("detail", .string(detail)),
        ]
        if let code { members.append(("code", JSONValue(code.rawValue))) }
        return .object(JSONObject(members))
    }

    /// The status that says to an HTTP client what the code says to one of libvirt's.
    package static func status(for code: VireoError.Code) -> HTTPResponse.Status {
        switch code {
        case .invalidArg, .xmlError, .xmlDetail, .xmlInvalidSchema, .parseFailed, .invalidMac, .noName, .noSource, .noTarget,
            .noOS, .osType, .overflow, .confSyntax, .invalidDomain:
            .badRequest
        case .operationDenied, .accessDenied, .authFailed, .authCancelled:
            .forbidden
        case .noDomain, .noDomainMetadata, .noDevice, .noNetwork, .noStorageVol, .noStoragePool, .noSecret,
            .noDomainSnapshot, .noDomainCheckpoint, .noDomainBackup, .noInterface, .deviceMissing, .noHostname:
            .notFound
        case .operationInvalid, .operationFailed, .domExist, .resourceBusy, .operationAborted, .multipleDomains,
            .multipleInterfaces, .blockCopyActive, .snapshotRevertRisky, .migrateUnsafe:
            .conflict
        case .configUnsupported, .argumentUnsupported, .operationUnsupported, .cpuIncompatible:
            .unprocessableContent
        case .noSupport:
            .notImplemented
        case .operationTimeout, .agentUnresponsive, .agentUnsynced:
            .gatewayTimeout
        default:
            .internalServerError
        }
    }
}
