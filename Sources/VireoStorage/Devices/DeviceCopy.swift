// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Copies a volume onto a device that was just made for it.
struct DeviceCopy {
    let source: NewVolume.Source
    let target: String
    /// Where images that the source stands on may lie.
    let backingDirectories: [String]

    func run(_ progress: VolumeProgress) throws {
        try translatingImageErrors {
            let format = EngineFormat(rawValue: source.format == "iso" || source.format == "none" ? "raw" : source.format)
            let policy = ImagePolicy(backing: .directories(backingDirectories))
            let chain = try ImageChain.open(source.path, format: format, OpenContext(policy: policy, access: .read))
            let device = try HostFiles().open(target, .write)
            try ImageConvert(chain, to: device, ConvertOptions(format: .raw), progress: progress.image).run(sync: true)
        }
    }
}

/// Gives a device node the owner and mode that were asked for.
enum DevicePermissions {
    static func apply(_ permissions: StoragePermissions?, to path: String) throws {
        guard let permissions else { return }
        if permissions.owner != nil || permissions.group != nil,
            chown(path, permissions.owner ?? .max, permissions.group ?? .max) != 0
        {
            throw VireoError.storage(system: errno, "cannot chown '\(path)'")
        }
        if let mode = permissions.mode, chmod(path, mode_t(mode)) != 0 {
            throw VireoError.storage(system: errno, "cannot set mode of '\(path)'")
        }
    }
}
