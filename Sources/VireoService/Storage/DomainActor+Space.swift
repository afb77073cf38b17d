// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import VireoCore
import VireoModel

extension DomainActor {
    /// How often the file systems of a guest that ran out of space are looked at.
    private static let spaceInterval = Duration.seconds(2)
    /// Space that is to be there before the guest goes on: less would be gone at once.
    private static let spaceNeeded: UInt64 = 64 << 20

    /// Lets a guest that stopped because its disks' file system was full go on by itself when there is space again.
    ///
    /// Ends when the guest goes on, stops, or is paused for another reason: what somebody else decided stays so.
    func watchSpace() {
        guard let id = run?.id, status == .paused(.ioError), run?.watchesSpace != true else { return }
        run?.watchesSpace = true
        hypervisor.background.run { [weak self] in
            while (try? await Task.sleep(for: Self.spaceInterval, tolerance: .seconds(1))) != nil {
                guard await self?.goesOnWaitingForSpace(id) == true else { return }
            }
        }
    }

    /// Looks once; false when there is nothing to wait for any more.
    private func goesOnWaitingForSpace(_ id: Int32) async -> Bool {
        guard run?.id == id, status == .paused(.ioError), let live else { return endWaitingForSpace(id) }
        let paths = live.devices.disks.filter { !$0.isReadOnly && $0.kind != .cdrom }.compactMap(\.source.path)
        let isEnough = try? await BlockingWork.run(within: .seconds(5), awaiting: "the disk images") {
            paths.allSatisfy { Self.available(at: $0) >= Self.spaceNeeded }
        }
        guard isEnough == true, run?.id == id, status == .paused(.ioError) else { return true }
        // Only a lack of space passes by itself; a broken disk is for a person to look at.
        guard await ranOutOfSpace() else { return endWaitingForSpace(id) }
        do {
            _ = endWaitingForSpace(id)
            try await resume()
            logger.info("there is space again, and the guest goes on")
            return false
        } catch {
            run?.watchesSpace = true
            return true
        }
    }

    private func endWaitingForSpace(_ id: Int32) -> Bool {
        if run?.id == id { run?.watchesSpace = false }
        return false
    }

    /// Whether QEMU stopped for want of space: what its drives say.
    private func ranOutOfSpace() async -> Bool {
        let drives = try? await qmp("query-block", timeout: .seconds(5)).arrayValue
        return drives?.contains { $0["io-status"]?.stringValue == "nospace" } ?? false
    }

    /// Bytes that may still be written at `path`; all there are for a device.
    private nonisolated static func available(at path: String) -> UInt64 {
        var (facts, file) = (statvfs(), stat())
        guard stat(path, &file) == 0, file.st_mode & S_IFMT == S_IFREG, statvfs(path, &facts) == 0 else { return .max }
        return UInt64(facts.f_bavail).multipliedReportingOverflow(by: UInt64(facts.f_frsize)).partialValue
    }
}
