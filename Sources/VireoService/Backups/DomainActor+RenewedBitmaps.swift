// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoImage
import VireoModel
import VireoStore
import VireoXML

extension DomainActor {
    /// Before a start: gives disks the bitmaps of their checkpoints that a crash left unsaved, with everything marked.
    ///
    /// QEMU writes bitmaps down when it closes an image. Where it was killed, or the host went down, nobody knows what was written
    /// since; the next incremental backup then holds everything, and those after it are as small as ever (R26). Failures are logged:
    /// QEMU says at the backup that the bitmap cannot be used.
    func renewBitmaps(_ domain: Domain) async {
        do {
            var wanted: [String: [String]] = [:]
            for record in try await checkpoints() {
                let checkpoint = try DomainXML.readCheckpoint(record.xml, isRedefinition: true)
                for entry in checkpoint.disks ?? [] where entry.isIncluded == true {
                    wanted[entry.target, default: []].append(entry.bitmap ?? record.name)
                }
            }
            for disk in domain.devices.disks where disk.driver.format == .qcow2 && !disk.isReadOnly {
                guard let names = wanted[disk.target], let path = disk.source.path else { continue }
                let renewed = try await BlockingWork.run(within: .seconds(60), awaiting: "'\(path)'") {
                    try Self.renew(names, in: path)
                }
                guard !renewed.isEmpty else { continue }
                logger.warning(
                    "what was written since checkpoints is not known after a crash; the next backup of the disk holds everything",
                    metadata: [LogKey.path: "\(path)", LogKey.reason: "\(renewed.joined(separator: ", "))"])
            }
        } catch {
            logger.warning("bitmaps of checkpoints could not be looked at", metadata: [LogKey.error: "\(error)"])
        }
    }

    /// - Returns: the names of those that were not there or not valid.
    private static func renew(_ names: [String], in path: String) throws -> [String] {
        func open(_ access: VireoImage.FileAccess) throws -> QCOW2Image? {
            let context = OpenContext(policy: .standalone, access: access)
            return try ImageChain.open(path, format: .qcow2, context, layers: 1).top as? QCOW2Image
        }
        func lost(_ image: QCOW2Image) throws -> [String] {
            let present = try image.bitmaps()
            return names.filter { name in present.first { $0.name == name }.map { $0.flags.contains(.inUse) } ?? true }
        }
        guard let seen = try open(.readUnsafely), !(try lost(seen)).isEmpty, let image = try open(.write) else { return [] }
        let missing = try lost(image)
        for name in missing {
            if !(try image.bitmaps().contains { $0.name == name }) { try image.addBitmap(name) }
            try image.fillBitmap(name)
        }
        try image.flush()
        return missing
    }
}
