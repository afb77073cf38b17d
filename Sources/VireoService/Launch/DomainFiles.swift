// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
import VireoModel

/// A file of the host that a domain's QEMU opens.
struct DomainFile: Hashable, Sendable {
    enum Use: Hashable, Sendable {
        /// Must be there; QEMU reads it.
        case read
        /// Must be there; QEMU writes it.
        case write
        /// Made when it is not there; QEMU appends to it.
        case output
    }

    var path: String
    var use: Use
    /// What the file is, for messages: "disk 'vda'".
    var subject: String
    /// Whether a missing file only empties the drive (`startupPolicy='optional'`).
    var isOptional = false
    /// The format of an image, by which its layers are found.
    var format: ImageFormat?
    /// Whether it is an image of which QEMU opens this one file, and by nothing but a node of ours: it may come as a descriptor.
    var isImage = false
    /// Whether QEMU reads it once, when it comes up, by nothing but its path.
    var isBootFile = false
}

extension Domain {
    /// Every file that QEMU opens by its path for this domain.
    var files: [DomainFile] {
        var files: [DomainFile] = []
        for disk in devices.disks {
            guard let path = disk.source.path else { continue }
            if case .dir = disk.source.location { continue }
            let isReadOnly = disk.isReadOnly || disk.kind == .cdrom
            files.append(
                DomainFile(
                    path: path, use: isReadOnly ? .read : .write, subject: "disk '\(disk.target)'",
                    isOptional: disk.source.startupPolicy == .optional, format: disk.driver.format, isImage: disk.isListed))
            // Layers that were found in the images are let at by rules of their own (`BackingLayers`).
            guard let chain = disk.backingChain, !chain.isDetected else { continue }
            for layer in chain.layers {
                guard let path = layer.source.path else { continue }
                files.append(
                    DomainFile(
                        path: path, use: .read, subject: "backing file of disk '\(disk.target)'",
                        isImage: disk.isListed && layer.format.isOneFile))
            }
        }
        for (path, subject) in [(os.kernel, "kernel"), (os.initrd, "initrd"), (os.deviceTree, "device tree")] {
            if let path { files.append(DomainFile(path: path, use: .read, subject: subject, isBootFile: true)) }
        }
        if let loader = os.loader, let path = loader.path {
            let isFlash = loader.kind == .pflash
            files.append(
                DomainFile(
                    path: path, use: isFlash && loader.isReadOnly != true ? .write : .read, subject: "firmware",
                    isImage: isFlash && (loader.format ?? .raw).isOneFile, isBootFile: !isFlash))
        }
        for table in os.acpiTables {
            files.append(DomainFile(path: table.path, use: .read, subject: "ACPI table", isBootFile: true))
        }
        for entry in systemInformation.filter({ $0.kind == .fwcfg }).flatMap(\.entries) {
            guard let path = entry.file else { continue }
            files.append(
                DomainFile(path: path, use: .read, subject: "file of fw_cfg '\(entry.name)'", isBootFile: true))
        }
        if let path = os.nvram?.source?.path {
            let isOneFile = (os.nvram?.format ?? .raw).isOneFile
            files.append(DomainFile(path: path, use: .write, subject: "NVRAM", isImage: isOneFile))
        }
        let sources =
            devices.serials.map(\.source) + devices.parallels.map(\.source) + devices.consoles.map(\.source)
            + devices.channels.map(\.source)
        for source in sources {
            if case .file(let path, _) = source.kind {
                files.append(DomainFile(path: path, use: .output, subject: "character device"))
            }
            if let log = source.log {
                files.append(DomainFile(path: log.file, use: .output, subject: "log of a character device"))
            }
        }
        return files
    }
}

extension Disk {
    /// Whether all that QEMU opens for the disk is listed: it follows no name in an image.
    fileprivate var isListed: Bool {
        let format = driver.format ?? .raw
        return format.isOneFile && (format != .qcow2 || backingChain?.isTerminated == true)
    }
}

extension ImageFormat {
    /// Whether an image of the format is one file, besides the layers below it.
    var isOneFile: Bool { [.raw, .qcow2, .luks].contains(self) }
}
