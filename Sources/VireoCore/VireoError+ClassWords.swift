// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension VireoError {
    /// The message as libvirt's clients are used to see it: the words for the code's class, then the detail.
    ///
    /// `message` itself is the detail alone: "domain is not running" becomes "Requested operation is not valid: domain is
    /// not running". Scripts look for these words, so they are those of libvirt 9.0.
    public var libvirtMessage: String { (Self.classWords[code] ?? "") + message }

    /// The message as a sentence of its own: where it is only the end of the class's words, they come before it.
    public var sentence: String {
        guard let words = Self.classWords[code], !words.hasSuffix(": ") else { return message }
        return words + message
    }

    private static let classWords: [Code: String] = [
        .internalError: "internal error: ",
        .noMemory: "out of memory: ",
        .noSupport: "this function is not supported by the connection driver: ",
        .unknownHost: "unknown host ",
        .noConnect: "no connection driver available for ",
        .invalidConn: "invalid connection pointer in ",
        .invalidDomain: "invalid domain pointer in ",
        .invalidArg: "invalid argument: ",
        .operationFailed: "operation failed: ",
        .osType: "unknown OS type ",
        .noKernel: "missing kernel information: ",
        .noRoot: "missing root device information in ",
        .noSource: "missing source information for device ",
        .noTarget: "missing target information for device ",
        .noName: "missing name information in ",
        .noOS: "missing operating system information for ",
        .noDevice: "missing devices information for ",
        .callFailed: "library call failed: ",
        .xmlError: "XML error: ",
        .domExist: "this domain exists already: ",
        .operationDenied: "operation forbidden: ",
        .openFailed: "failed to open configuration file ",
        .readFailed: "failed to read configuration file ",
        .parseFailed: "failed to parse configuration file ",
        .confSyntax: "configuration file syntax error: ",
        .writeFailed: "failed to write configuration file: ",
        .noDomain: "Domain not found: ",
        .noNetwork: "Network not found: ",
        .invalidMac: "invalid MAC address: ",
        .authFailed: "authentication failed: ",
        .noStoragePool: "Storage pool not found: ",
        .noStorageVol: "Storage volume not found: ",
        .noNodeDevice: "Node device not found: ",
        .noSecurityModel: "Security model not found: ",
        .operationInvalid: "Requested operation is not valid: ",
        .noInterface: "Interface not found: ",
        .noNwfilter: "Network filter not found: ",
        .noNwfilterBinding: "Network filter binding not found: ",
        .noSecret: "Secret not found: ",
        .invalidSecret: "Invalid secret: ",
        .configUnsupported: "unsupported configuration: ",
        .operationTimeout: "Timed out during operation: ",
        .hookScriptFailed: "Hook script execution failed: ",
        .invalidDomainSnapshot: "Invalid snapshot: ",
        .noDomainSnapshot: "Domain snapshot not found: ",
        .invalidStream: "invalid stream pointer: ",
        .argumentUnsupported: "argument unsupported: ",
        .storageProbeFailed: "Storage pool probe failed: ",
        .storagePoolBuilt: "Storage pool already built: ",
        .snapshotRevertRisky: "revert requires force: ",
        .operationAborted: "operation aborted: ",
        .authCancelled: "authentication cancelled: ",
        .noDomainMetadata: "metadata not found: ",
        .migrateUnsafe: "Unsafe migration: ",
        .overflow: "numerical overflow: ",
        .blockCopyActive: "block copy still active: ",
        .operationUnsupported: "Operation not supported: ",
        .ssh: "SSH transport error: ",
        .agentUnresponsive: "Guest agent is not responding: ",
        .resourceBusy: "resource busy: ",
        .accessDenied: "access denied: ",
        .dbusService: "error from service: ",
        .cpuIncompatible: "the CPU is incompatible with host CPU: ",
        .xmlInvalidSchema: "XML document failed to validate against schema: ",
        .authUnavailable: "authentication unavailable: ",
        .noServer: "Server not found: ",
        .noClient: "Client not found: ",
        .agentUnsynced: "guest agent replied with wrong id to guest-sync command: ",
        .deviceMissing: "device not found: ",
        .noDomainCheckpoint: "Domain checkpoint not found: ",
        .invalidDomainCheckpoint: "Invalid checkpoint: ",
        .noDomainBackup: "Domain backup job id not found: ",
        .noNetworkPort: "network port not found: ",
        .noHostname: "no hostname found: ",
        .multipleDomains: "multiple matching domains found: ",
    ]
}
