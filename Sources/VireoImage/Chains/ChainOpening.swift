// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension ImageChain {
    /// Opens the image at `path` and all that it stands on.
    ///
    /// - Parameters:
    ///   - format: the format of the top image. Nil lets its bytes decide: never for a disk that a guest has written to.
    ///   - context: its access is that of the top image; the others are only read.
    ///   - layers: how many to open at most; 1 leaves the backing closed.
    ///   - writing: the depth of a lower layer that is opened for writing, too.
    /// - Throws: `limit` for chains longer than `limits.chainLayers` and for cycles, `refused` for names that the policy does not
    ///   allow, and what the formats throw.
    package static func open(
        _ path: String, format: ImageFormat?, _ context: OpenContext, layers: Int = .max, writing: Int? = nil
    ) throws -> ImageChain {
        let file = try context.files.open(path, context.access)
        return try open(file, format: format, context, layers: layers, writing: writing)
    }

    /// The same for a file that is open already.
    package static func open(
        _ file: any ImageFile, format: ImageFormat?, _ context: OpenContext, layers: Int = .max, writing: Int? = nil
    ) throws -> ImageChain {
        let driver = try format.map { try FormatDriver.of($0) } ?? FormatDriver.detect(file)
        var found = [try driver.open(file, context)]
        var below = context
        var seen: Set<String> = [(try? identity(of: file, at: file.path, context)) ?? file.path]
        var (last, lastPath) = (found[0], file.path)
        while found.count < layers, let reference = last.backing {
            guard found.count < context.limits.chainLayers else {
                throw ImageError(.limit, "its chain is longer than \(context.limits.chainLayers) layers", path: file.path)
            }
            below.access = found.count == writing ? .write : context.access == .readUnsafely ? .readUnsafely : .read
            let next = try naming(lastPath) { try openBacking(reference, of: lastPath, below, &seen) }
            try (last as? any KnowsParent)?.check(parent: next.0)
            (last, lastPath) = next
            found.append(last)
        }
        return ImageChain(found)
    }

    private static func openBacking(
        _ reference: BackingReference, of image: String, _ context: OpenContext, _ seen: inout Set<String>
    ) throws -> (any DiskImage, path: String) {
        guard case .file(let name, let stated) = try BackingName(reference.name) else {
            throw ImageError(.refused, "it stands on '\(reference.name)', and only files are opened")
        }
        let path = ImagePath.joined(name, to: image)
        if context.policy.backing == .nowhere {
            throw ImageError(.refused, "it stands on '\(reference.name)', and it has to stand alone")
        }
        // Without directories to keep to nobody asks where the file really lies, which costs more than all else about it.
        let isAnywhere = context.policy.backing == .anywhere
        let resolved = isAnywhere ? path : try context.files.resolve(path)
        try ImagePolicy.check(resolved, named: reference.name, within: context.policy.backing, what: "a backing file")
        let format = reference.format ?? stated
        guard format != nil || context.policy.detectBackingFormat else {
            throw ImageError(
                .refused, "it does not say which format its backing file '\(reference.name)' has; state it with 'rebase -u -F'")
        }
        let cycle = ImageError(.limit, "its chain comes back to '\(path)'")
        // The name is opened, not what it was resolved to, so that locks and errors are about what people wrote; where a policy
        // of directories holds, it is the file that was checked.
        let file: any ImageFile
        do {
            file =
                isAnywhere
                ? try context.files.open(path, context.access) : try context.files.openResolved(resolved, context.access)
        } catch let error as ImageError where error.kind == .locked {
            // By ourselves, where the chain comes back to the image that is to be written.
            if let own = try? context.files.identity(resolved), seen.contains(own) { throw cycle }
            throw error
        }
        guard seen.insert(try identity(of: file, at: resolved, context)).inserted else { throw cycle }
        let driver = try format.map { try FormatDriver.of($0) } ?? FormatDriver.detect(file)
        return (try naming(path) { try driver.open(file, context) }, path)
    }

    /// What tells an open file from all others of the chain.
    private static func identity(of file: any ImageFile, at path: String, _ context: OpenContext) throws -> String {
        try file.identity ?? context.files.identity(path)
    }
}

extension ImageChain {
    /// The depth of the layer that `name`, as seen from the image at `path` or from the working directory, means.
    package func depth(of name: String, seenFrom path: String, files: any FileProvider = HostFiles()) throws -> Int {
        let wanted = [name, ImagePath.joined(name, to: path)].compactMap { try? files.resolve($0) }
        guard
            let depth = layers.dropFirst().firstIndex(where: { layer in
                (try? files.resolve(layer.files.first?.path ?? "")).map(wanted.contains) ?? false
            })
        else { throw ImageError(.invalidArgument, "'\(name)' is no layer below it", path: path) }
        return depth
    }

    /// Whether the guest sees nothing but zeros in a range.
    package func isZero(_ range: Range<UInt64>) throws -> Bool {
        let reader = ExtentReader()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var position = range.lowerBound
        while position < range.upperBound {
            var extent = try extent(at: position, limit: range.upperBound - position).extent
            if case .zero = extent.content {
                position += extent.length
                continue
            }
            extent.length = min(extent.length, UInt64(buffer.count))
            let isZero = try buffer.withUnsafeMutableBytes { bytes in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<Int(extent.length)])
                _ = try reader.read(extent, into: part)
                return RawBytes.isZero(UnsafeRawBufferPointer(part))
            }
            if !isZero { return false }
            position += extent.length
        }
        return true
    }
}
