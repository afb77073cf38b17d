// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<tpm>`: a trusted platform module.
public struct TPM: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case tis = "tpm-tis"
        case crb = "tpm-crb"
        case spapr = "tpm-spapr"
        case spaprProxy = "spapr-tpm-proxy"
    }
    public enum Version: String, Hashable, Sendable, CaseIterable {
        case v1 = "1.2"
        case v2 = "2.0"
    }
    public enum PCRBank: String, Hashable, Sendable, CaseIterable { case sha1, sha256, sha384, sha512 }

    public enum Backend: Hashable, Sendable {
        /// The host's, `/dev/tpm0` when nil.
        case passthrough(path: String?)
        /// swtpm, run for the guest.
        case emulator(Emulator)
        case external(CharacterSource)
    }

    /// `<backend type='emulator'>`.
    public struct Emulator: Hashable, Sendable {
        /// Nil until the defaults are filled in: 2.0.
        public var version: Version?
        /// Of `<encryption>`: the key of its state.
        public var secret: DomainUUID?
        /// Whether undefining a transient domain keeps its state.
        public var keepsState: Bool?
        public var activePCRBanks: [PCRBank] = []
        /// The socket directory's path in a running guest is not here: it is the service's.
        public init(version: Version? = nil) { self.version = version }
    }

    public var info = DeviceInfo()
    /// Nil until the defaults are filled in.
    public var model: Model?
    public var backend: Backend

    public init(_ model: Model?, backend: Backend) { (self.model, self.backend) = (model, backend) }
}
