// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// What is known of a secret besides its value.
public struct Secret: Hashable, Sendable {
    public var uuid: DomainUUID
    /// Whether the value is kept in memory only, and gone with the daemon.
    public var isEphemeral: Bool
    /// Whether no client may read the value: the daemon alone uses it.
    public var isPrivate: Bool
    public var details: String?
    public var usage: Usage

    public init(
        uuid: DomainUUID, isEphemeral: Bool = false, isPrivate: Bool = false, details: String? = nil, usage: Usage = .none
    ) {
        (self.uuid, self.isEphemeral, self.isPrivate) = (uuid, isEphemeral, isPrivate)
        (self.details, self.usage) = (details, usage)
    }

    /// What a secret is for. Two secrets are never for the same.
    public enum Usage: Hashable, Sendable {
        case none
        /// The passphrase of the image with this path.
        case volume(path: String)
        case ceph(name: String)
        case iscsi(target: String)
        case tls(name: String)
        case vtpm(name: String)

        /// libvirt's `virSecretUsageType`.
        public var type: Int32 {
            switch self {
            case .none: 0
            case .volume: 1
            case .ceph: 2
            case .iscsi: 3
            case .tls: 4
            case .vtpm: 5
            }
        }

        /// By what the secret is found; empty for one without a use.
        public var id: String {
            switch self {
            case .none: ""
            case .volume(let id), .ceph(let id), .iscsi(let id), .tls(let id), .vtpm(let id): id
            }
        }
    }
}
