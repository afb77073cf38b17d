// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import SystemPackage
import VireoCore

extension DomainActor {
    /// Writes the memory of a crashed guest to the dump directory; failures are logged. The guest stands still already.
    func dumpCrashedGuest() async {
        let directory = hypervisor.configuration.paths.state.appending("dump")
        let path = directory.appending("\(id)-\(name.pathComponent())-\(Int64(hypervisor.now)).core")
        do {
            try await BlockingWork.run(awaiting: "the directory '\(directory)'") {
                try FileAccess.makeDirectory(directory, mode: 0o700)
            }
            try await dump(to: path, format: .raw, options: .memoryOnly)
            logger.warning("the memory of the crashed guest was dumped", metadata: [LogKey.path: "\(path)"])
        } catch {
            logger.error("the memory of the crashed guest could not be dumped", metadata: [LogKey.error: "\(error)"])
        }
    }
}
