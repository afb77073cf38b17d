// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoImage
import VireoModel

/// Reads from images what they stand on. All of it blocks.
///
/// Names inside images are followed, not trusted: only local files of a stated format (or of none, as long as what is found stands on
/// nothing) are taken for layers, and a data file beside the image is the only other file that it may use. Whether QEMU gets at a
/// layer is up to `ImageOwnership`.
enum ChainReader {
    /// libvirt's bound on the length of a chain.
    static let limit = 200

    /// What was found below an image.
    struct Found: Hashable, Sendable {
        /// Next below first.
        var layers: [BackingChain.Layer] = []
        /// The names of those layers as they are written in the image above each.
        var names: [String] = []
        /// Whether nothing is below the last one; false where the chain goes on in a way that only QEMU can follow.
        var isTerminated = false
    }

    /// `disk` with all of its layers. Numbers that it has are those of another run, and are taken away.
    ///
    /// A chain that the definition names is left as it is, and completed where it has no end.
    ///
    /// - Throws: `systemError` for a layer that is not there; `operationInvalid` for one whose format is not stated and that has
    ///   layers of its own; `operationFailed` for a chain that the rules above forbid.
    static func complete(_ disk: Disk) throws(VireoError) -> Disk {
        var disk = disk
        disk.forgetNumbers()
        if disk.backingChain?.isDetected == true { disk.backingChain = nil }
        guard disk.backingChain?.isTerminated != true, let bottom = disk.layers.last else { return disk }
        guard bottom.source.slice == nil, bottom.source.encryption == nil else { return disk }
        switch bottom.source.location {
        case .file, .block: break
        default: return disk
        }
        guard let path = bottom.source.path, let found = try read(below: path, bottom.format, of: disk.target) else {
            return disk
        }
        if var chain = disk.backingChain {
            chain.layers += found.layers
            chain.isTerminated = found.isTerminated
            disk.backingChain = chain
        } else if found.isTerminated || !found.layers.isEmpty {
            disk.backingChain = BackingChain(layers: found.layers, isTerminated: found.isTerminated, isDetected: true)
        }
        return disk
    }

    /// The layers below the image at `path`; nil when the image itself cannot be read here, so that QEMU is to say what it thinks.
    ///
    /// - Parameter target: the disk's, for messages.
    /// - Throws: as `complete`.
    static func read(below path: String, _ format: VireoModel.ImageFormat, of target: String) throws(VireoError) -> Found? {
        var found = Found()
        var (current, format) = (path, format)
        var seen: Set<String> = [resolved(path)]
        while true {
            if format == .raw || format == .iso || format == .none {
                found.isTerminated = true
                return found
            }
            let reference: BackingReference?
            do {
                reference = try open(current, format).top.backing
            } catch let error as ImageError where error.kind == .refused {
                throw VireoError(.operationFailed, "disk '\(target)': \(error)", origin: .storage, cause: error)
            } catch {
                return found.layers.isEmpty ? nil : found
            }
            guard let reference else {
                found.isTerminated = true
                return found
            }
            guard case .file(let name, let stated)? = try? VireoImage.BackingName(reference.name) else { return found }
            let next = ImagePath.joined(name, to: current)
            guard seen.insert(resolved(next)).inserted, found.layers.count < limit else {
                throw VireoError(
                    .operationFailed,
                    "disk '\(target)': its backing chain comes back to '\(next)' or is longer than \(limit) layers",
                    origin: .storage)
            }
            let layer = try layer(next, reference.format ?? stated, above: current)
            found.layers.append(layer)
            found.names.append(reference.name)
            (current, format) = (next, layer.format)
        }
    }

    private static func layer(
        _ path: String, _ stated: VireoImage.ImageFormat?, above: String
    ) throws(VireoError) -> BackingChain.Layer {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw VireoError(
                .systemError,
                "Cannot access backing file '\(path)' of storage file '\(above)': \(String(cString: strerror(errno)))",
                origin: .storage)
        }
        let isDevice = status.st_mode & S_IFMT == S_IFBLK
        let source = DiskSource(isDevice ? .block(path) : .file(path))
        if let stated {
            return BackingChain.Layer(format: VireoModel.ImageFormat(rawValue: stated.rawValue) ?? .raw, source: source)
        }
        // As libvirt since 6.1: a guess is harmless where nothing follows from it.
        let detected = try? open(path, nil).top
        guard detected?.backing == nil else {
            throw VireoError(
                .operationInvalid,
                "format of backing image '\(path)' of image '\(above)' was not specified in the image metadata (See https://libvirt.org/kbase/backing_chains.html for troubleshooting)",
                origin: .storage)
        }
        let format = detected.flatMap { VireoModel.ImageFormat(rawValue: $0.format.rawValue) }
        return BackingChain.Layer(format: format ?? .raw, source: source)
    }

    /// Opens one image, without its layers and without locks: a running guest may have it.
    private static func open(_ path: String, _ format: VireoModel.ImageFormat?) throws -> ImageChain {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let policy = ImagePolicy(backing: .nowhere, dataFiles: .directories([resolved(directory)]), allowsPartsBeside: true)
        return try ImageChain.open(
            path, format: format.map { VireoImage.ImageFormat(rawValue: $0.rawValue) },
            OpenContext(policy: policy, access: .readUnsafely), layers: 1)
    }

    /// The path with its links followed, as far as it exists.
    static func resolved(_ path: String) -> String {
        guard let pointer = realpath(path, nil) else { return path }
        defer { free(pointer) }
        return String(cString: pointer)
    }
}
