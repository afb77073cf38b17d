// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
package import SystemPackage
package import VireoCore
import VireoQMP

/// Asks QEMU binaries what they can do: one short-lived process for each accelerator, all questions in one go.
package struct QEMUProber: Sendable {
    /// Device types of which the properties are kept, as what they take differs between versions.
    package static let inspectedDevices = [
        "virtio-blk-pci", "virtio-net-pci", "virtio-scsi-pci", "virtio-balloon-pci", "virtio-rng-pci", "virtio-gpu-pci",
        "virtio-vga", "scsi-hd", "scsi-cd", "ide-hd", "ide-cd", "usb-storage", "VGA", "qxl-vga", "vmware-svga", "intel-iommu",
        "vhost-vsock-pci", "pcie-root-port", "qemu-xhci", "ICH9-LPC", "PIIX4_PM", "nvme", "isa-debugcon", "tpm-tis", "tpm-crb",
    ]

    /// Enums of the QMP schema that are kept, by the path of `QMPSchema.enumValues`.
    package static let enums = [
        "blockdev-add/arg/driver", "netdev_add/arg/type", "chardev-add/arg/backend/type", "query-display-options/ret/type",
        "object-add/arg/qom-type", "blockdev-add/arg/aio", "blockdev-add/arg/discard", "blockdev-add/arg/detect-zeroes",
        "query-audiodevs/ret/driver", "migrate-set-capabilities/arg/capabilities/capability", "dump-guest-memory/arg/format",
    ]

    /// Set in the environment of probing processes, so that those of a daemon that was killed meanwhile can be told from others.
    package static let markVariable = "VIREO_PROBE"

    /// The value of `markVariable`; nil: it is not set.
    package var mark: String?
    /// Who the probing processes run as; nil: as the daemon.
    package var credentials: SpawnRequest.Credentials?
    /// For everything that is asked of one process, its start included.
    package var timeout: Duration

    package init(credentials: SpawnRequest.Credentials? = nil, timeout: Duration = .seconds(20), mark: String? = nil) {
        (self.credentials, self.timeout, self.mark) = (credentials, timeout, mark)
    }

    /// What the binary at `path` can do.
    ///
    /// - Parameter kvm: what `KVMProbe` found; KVM is asked about only where it is usable.
    /// - Throws: `VireoError` when the binary does not run or does not answer; its own words are in the message.
    package func probe(_ path: FilePath, kvm: KVMUsability) async throws -> QEMUCapabilities {
        let binary: QEMUBinary
        do {
            binary = try QEMUBinary(at: path)
        } catch {
            throw VireoError(.operationFailed, "cannot look at the emulator '\(path)': \(error)", cause: error)
        }
        async let hardware = kvm == .usable ? try? ask(path, "kvm", Self.cpuQuestions(model: "host")) : nil
        let answers = try await ask(path, "tcg", Self.questions + Self.cpuQuestions(model: "max"))
        var capabilities = Self.capabilities(from: answers, of: binary, kvm: kvm)
        if let hardware = await hardware {
            capabilities.cpuDefinitions[.kvm] = Self.cpuDefinitions(hardware["cpu-definitions"])
            capabilities.hostCPU[.kvm] = Self.cpuModel(hardware["cpu-model"])
        }
        return capabilities
    }

    /// Probes several binaries side by side.
    package func probe(_ paths: [FilePath], kvm: KVMUsability) async -> [FilePath: Result<QEMUCapabilities, any Error>] {
        await withTaskGroup(of: (FilePath, Result<QEMUCapabilities, any Error>).self) { group in
            for path in paths {
                group.addTask {
                    do { return (path, .success(try await probe(path, kvm: kvm))) } catch { return (path, .failure(error)) }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
    }

    // MARK: Questions

    private struct Question: Sendable {
        var key: String
        var command: String
        var arguments: JSONValue = [:]
    }

    private static let questions: [Question] =
        [
            Question(key: "version", command: "query-version"), Question(key: "target", command: "query-target"),
            Question(key: "machines", command: "query-machines"), Question(key: "schema", command: "query-qmp-schema"),
            Question(key: "options", command: "query-command-line-options"),
            Question(key: "tpm-models", command: "query-tpm-models"), Question(key: "tpm-types", command: "query-tpm-types"),
            Question(key: "devices", command: "qom-list-types", arguments: ["implements": "device", "abstract": false]),
            Question(key: "objects", command: "qom-list-types", arguments: ["implements": "user-creatable", "abstract": false]),
        ]
        + inspectedDevices.map {
            Question(key: "device \($0)", command: "device-list-properties", arguments: ["typename": .string($0)])
        }

    private static func cpuQuestions(model: String) -> [Question] {
        [
            Question(key: "cpu-definitions", command: "query-cpu-definitions"),
            Question(
                key: "cpu-model", command: "query-cpu-model-expansion",
                arguments: ["type": "full", "model": ["name": .string(model)]]),
        ]
    }

    /// Starts QEMU without a machine, asks everything at once, and kills it.
    /// - Returns: the answers by key; questions that this QEMU refuses are left out.
    private func ask(_ path: FilePath, _ accelerator: String, _ questions: [Question]) async throws -> [String: JSONValue] {
        var sockets: [CInt] = [-1, -1]
        var pipe: [CInt] = [-1, -1]
        guard vireo_socket_pair(&sockets) == 0 else { throw failure(path, "no socket: \(Errno(rawValue: errno))") }
        let ours = OwnedDescriptor(adopting: FileDescriptor(rawValue: sockets[0]))
        let theirs = OwnedDescriptor(adopting: FileDescriptor(rawValue: sockets[1]))
        guard vireo_pipe(&pipe) == 0 else { throw failure(path, "no pipe: \(Errno(rawValue: errno))") }
        let complaints = OwnedDescriptor(adopting: FileDescriptor(rawValue: pipe[0]))
        let complaintsEntry = OwnedDescriptor(adopting: FileDescriptor(rawValue: pipe[1]))
        guard vireo_set_nonblocking(ours.rawValue) == 0 else { throw failure(path, "\(Errno(rawValue: errno))") }

        var request = SpawnRequest(
            path,
            [
                "-S", "-no-user-config", "-nodefaults", "-display", "none", "-machine", "none", "-accel", accelerator,
                "-chardev", "socket,id=monitor,fd=3", "-mon", "chardev=monitor,mode=control",
            ])
        request.credentials = credentials
        request.environment[Self.markVariable] = mark
        request.descriptors = [.init(theirs.rawValue, as: 3), .init(complaintsEntry.rawValue, as: 2)]
        let process = try await WatchedProcess.spawn(request)
        // Only QEMU holds its ends from here on.
        withExtendedLifetime(consume theirs) {}
        withExtendedLifetime(consume complaintsEntry) {}
        let client = QMPClient(adopting: ours, greetingTimeout: timeout)
        let result = await Self.answers(from: client, questions, timeout: timeout)
        _ = try? await process.stop(StopLadder([.init(.kill, patience: .seconds(5))]))
        do {
            return try result.get()
        } catch let error as QMPError {
            var text = [UInt8](repeating: 0, count: 4096)
            let count = max(0, read(complaints.rawValue, &text, text.count))
            let words = String(decoding: text.prefix(count), as: UTF8.self).split(separator: "\n").joined(separator: "; ")
            throw failure(path, words.isEmpty ? error.message : words)
        }
    }

    private static func answers(
        from client: QMPClient, _ questions: [Question], timeout: Duration
    ) async -> Result<[String: JSONValue], any Error> {
        await Result {
            try await client.waitUntilReady()
            return try await withThrowingTaskGroup(of: (String, JSONValue?).self) { group in
                for question in questions {
                    group.addTask {
                        do {
                            return (
                                question.key, try await client.execute(question.command, question.arguments, timeout: timeout)
                            )
                        } catch let error as QMPError where error.errorClass != nil {
                            return (question.key, nil)
                        }
                    }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
        }
    }

    private func failure(_ path: FilePath, _ reason: String) -> VireoError {
        VireoError(.operationFailed, "the emulator '\(path)' cannot be probed: \(reason)")
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
