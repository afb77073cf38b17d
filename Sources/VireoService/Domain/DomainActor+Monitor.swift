// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoQEMU
package import VireoQMP

extension DomainActor {
    /// How long QEMU may take to tell something; a frozen one answers its readers within a second.
    package static let readPatience = Duration.milliseconds(900)
    /// How long QEMU may take to do something that ends at once when it is well.
    package static let patience = Duration.milliseconds(4500)

    /// How long a command may take that can be work for minutes, as one that a client wrote: less when QEMU is stopped,
    /// and does nothing at all.
    package var longPatience: Duration { run?.qemu?.process.isStopped == true ? Self.patience : .seconds(60) }

    /// - Throws: `operationInvalid` "domain is not running", with libvirt's words.
    package func requireActive() throws(VireoError) {
        guard isActive else { throw VireoError(.operationInvalid, "domain is not running") }
    }

    /// The monitor of the running QEMU.
    ///
    /// - Throws: `operationInvalid` when the domain does not run; `operationFailed` while it has no QEMU yet.
    package func monitor() throws(VireoError) -> QMPClient {
        try requireActive()
        guard let qemu = run?.qemu else {
            let what = run?.stored == nil ? "is still being started" : "could not be taken over yet; it is tried again"
            throw VireoError(.operationInvalid, "domain '\(name)' \(what)")
        }
        return qemu.monitor
    }

    /// Runs one QMP command of the running domain's QEMU.
    ///
    /// - Parameters:
    ///   - timeout: after which the command counts as unanswered; a frozen QEMU delays nobody but its caller, but may
    ///     carry out the command when it goes on.
    ///   - descriptor: sent along, as `getfd` and `add-fd` want it.
    /// - Returns: the `return` value.
    /// - Throws: `operationInvalid` when the domain does not run; `internalError` "unable to execute QEMU command ..."
    ///   with QEMU's words; `operationTimeout`; `operationFailed` when QEMU went meanwhile.
    ///
    /// Commands and answers are as if QEMU opened all images by their paths, whether it does or gets them as descriptors.
    package func qmp(
        _ command: String, _ arguments: JSONValue? = nil, timeout: Duration = DomainActor.patience,
        passing descriptor: CInt? = nil
    ) async throws -> JSONValue {
        guard passesImages else { return try await ask(command, arguments, timeout: timeout, passing: descriptor) }
        switch command {
        case "blockdev-add": return try await addNode(arguments ?? [:], timeout: timeout)
        case "blockdev-del": return try await deleteNode(arguments ?? [:], timeout: timeout)
        case "query-block", "query-named-block-nodes", "human-monitor-command":
            let answer = try await ask(command, arguments, timeout: timeout)
            return try await namingImages(answer, timeout: timeout)
        default: return try await ask(command, arguments, timeout: timeout, passing: descriptor)
        }
    }

    /// Runs a command as it is.
    func ask(
        _ command: String, _ arguments: JSONValue? = nil, timeout: Duration = DomainActor.patience,
        passing descriptor: CInt? = nil
    ) async throws -> JSONValue {
        let monitor = try monitor()
        do {
            return try await monitor.execute(command, arguments ?? [:], timeout: timeout, passing: descriptor)
        } catch let error as QMPError {
            throw translate(error, command: command)
        }
    }

    /// The same for a whole line of JSON that a client wrote; returns QEMU's whole answer, with the
    /// paths of images that QEMU has as descriptors.
    package func rawQMP(
        _ line: String, timeout: Duration = DomainActor.patience, passing descriptor: CInt? = nil
    ) async throws -> String {
        let monitor = try monitor()
        guard let value = try? JSONValue.parse(line.utf8), case .object(let request) = value else {
            throw VireoError(.invalidArg, "the command is not a JSON object")
        }
        do {
            let answer = try await monitor.executeRaw(request, timeout: timeout, passing: descriptor)
            return passesImages ? try await namingImages(answer, timeout: timeout).text : answer.text
        } catch let error as QMPError {
            throw translate(error, command: request["execute"]?.stringValue ?? "?")
        }
    }

    private func translate(_ error: QMPError, command: String) -> VireoError {
        if error.kind == .closed, run == nil || run?.endReason != nil {
            return VireoError(.operationFailed, "domain is no longer running", cause: error)
        }
        var translated = VireoError(error, command: command)
        translated.message = DescriptorSets.naming(translated.message, run?.images.paths ?? [:])
        return translated
    }
}
