// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension Disk {
    /// Every layer, the one that the guest writes first; empty for an empty drive.
    ///
    /// Below the last one nothing is known unless `backingChain` is terminated.
    public var layers: [BackingChain.Layer] {
        guard !source.isEmpty else { return [] }
        return [BackingChain.Layer(format: driver.format ?? .raw, source: source)] + (backingChain?.layers ?? [])
    }

    /// How far below the top the layer is that a client names: by path, or by number as in `vda[2]`; 0 is the top.
    ///
    /// - Parameter start: where to begin to look.
    /// - Returns: nil where there is none from `start` on.
    public func depth(of name: String, from start: Int = 0) -> Int? {
        let layers = layers
        if let number = Self.layerNumber(name, of: target) {
            return layers.indices.dropFirst(start).first { layers[$0].source.index == number }
        }
        return layers.indices.dropFirst(start).first { layers[$0].source.path == name }
    }

    /// The N of `TARGET[N]`.
    private static func layerNumber(_ name: String, of target: String) -> Int? {
        guard name.hasPrefix(target + "["), name.hasSuffix("]") else { return nil }
        return Int(name.dropFirst(target.count + 1).dropLast())
    }
}

/// How the layers of a disk change at the end of a block job. Layers are told apart by the numbers that they have while
/// the domain runs.
public enum ChainChange: Hashable, Sendable {
    /// These layers are gone, and none of them is the top.
    case remove(Set<Int>)
    /// The layers from the top down to this one, it excluded, are gone.
    case dropToLayer(Int)
    /// The top is another layer; what is below stays where `keepsBacking`, and is nothing else.
    case replaceTop(BackingChain.Layer, keepsBacking: Bool)
    /// All layers are these, as they were before another change.
    case restore([BackingChain.Layer], isTerminated: Bool)

    /// The live disk afterwards.
    public func applied(to disk: Disk) -> Disk {
        var result = disk
        let layers = disk.layers
        switch self {
        case .remove(let numbers):
            result.setLayers(layers.filter { layer in layer.source.index.map { !numbers.contains($0) } ?? true })
        case .dropToLayer(let number):
            guard let depth = layers.firstIndex(where: { $0.source.index == number }) else { return disk }
            result.setLayers(Array(layers[depth...]))
        case .replaceTop(let layer, let keepsBacking):
            result.setLayers([layer] + (keepsBacking ? Array(layers.dropFirst()) : []))
            if !keepsBacking { result.backingChain = BackingChain(isTerminated: true, isDetected: true) }
        case .restore(let layers, let isTerminated):
            result.setLayers(layers)
            if result.backingChain == nil { result.backingChain = BackingChain(isTerminated: isTerminated, isDetected: true) }
            result.backingChain?.isTerminated = isTerminated
        }
        return result
    }

    /// The disk that the next start will use, afterwards; nil where it does not stand for the same image as `live` did before.
    ///
    /// A chain that its definition does not name is read from the images at the start, so none is added.
    ///
    /// - Parameter live: the running domain's disk before the change.
    public func applied(toInactive disk: Disk, live: Disk) -> Disk? {
        guard disk.target == live.target, disk.source.location == live.source.location else { return nil }
        var numbered = disk
        // The chain that is named is a copy of the live one, or the user's own; layers are matched by where they are.
        var layers = disk.layers
        for index in layers.indices {
            layers[index].source.index = live.layers.first { $0.source.location == layers[index].source.location }?.source.index
        }
        numbered.setLayers(layers)
        var result = numbered
        if disk.backingChain == nil {
            switch self {
            case .replaceTop(let layer, _): result.setLayers([layer])
            case .remove: break
            case .restore(let layers, _): result.setLayers(Array(layers.prefix(1)))
            case .dropToLayer(let number):
                guard let layer = live.layers.first(where: { $0.source.index == number }) else { return nil }
                result.setLayers([layer])
            }
        } else {
            result = applied(to: numbered)
        }
        result.forgetNumbers()
        if disk.backingChain == nil { result.backingChain = nil } else { result.backingChain?.isDetected = false }
        return result
    }
}

extension Disk {
    /// Puts `layers` in the place of all that there are. What only the disk has, as its startup policy, stays.
    mutating func setLayers(_ layers: [BackingChain.Layer]) {
        guard let top = layers.first else { return }
        let policy = source.startupPolicy
        source = top.source
        source.startupPolicy = policy
        driver.format = top.format
        guard backingChain != nil || layers.count > 1 else { return }
        var chain = backingChain ?? BackingChain(isTerminated: false)
        chain.layers = Array(layers.dropFirst())
        backingChain = chain
    }

    /// Takes away the numbers of layers, which mean something only while the domain runs.
    public mutating func forgetNumbers() {
        source.index = nil
        guard var chain = backingChain else { return }
        for index in chain.layers.indices { chain.layers[index].source.index = nil }
        backingChain = chain
    }
}
