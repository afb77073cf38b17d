// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

/// Random operations on chains of images with tiny clusters, beside arrays of bytes that say what the guest has to see.
///
/// `VIREO_IMAGE_STEPS` sets the number of operations (10,000 for a full run), `VIREO_IMAGE_SEED` repeats one.
@Suite("Chains beside a model")
struct ChainModelTests {
    static let steps = ProcessInfo.processInfo.environment["VIREO_IMAGE_STEPS"].flatMap(Int.init) ?? 150
    static let seed = ProcessInfo.processInfo.environment["VIREO_IMAGE_SEED"].flatMap(UInt64.init) ?? 20261121

    @Test(
        "Guest bytes equal the model after every operation, and every cluster has one owner",
        arguments: [
            Kind(clusterSize: 512, version: 3, extended: false, refcountBits: 16),
            Kind(clusterSize: 512, version: 2, extended: false, refcountBits: 16),
            Kind(clusterSize: 1024, version: 3, extended: false, refcountBits: 64),
            Kind(clusterSize: 16384, version: 3, extended: true, refcountBits: 8),
            Kind(clusterSize: 512, version: 3, extended: false, refcountBits: 1),
        ])
    func randomOperations(kind: Kind) throws {
        var walk = try RandomWalk(kind, seed: Self.seed)
        for step in 0..<Self.steps {
            do {
                try walk.step()
                if step % 4 == 0 || Self.steps < 1000 { try walk.verify() }
                if step % 1000 == 999 { try walk.judge() }
            } catch {
                Issue.record("seed \(Self.seed), step \(step), \(walk.last): \(error)")
                return
            }
        }
        try walk.verify()
        try walk.judge()
    }

    struct Kind: Sendable, CustomTestStringConvertible {
        var clusterSize: UInt64
        var version: UInt32
        var extended: Bool
        var refcountBits: Int

        var testDescription: String { "\(clusterSize) v\(version)\(extended ? " subclusters" : "") refcounts of \(refcountBits)" }
        var disk: Int { Int(clusterSize) * 150 + 512 }
    }
}

/// SplitMix64, so that a seed says everything.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// A chain in memory and what its guest has to see at each layer.
struct RandomWalk {
    let kind: ChainModelTests.Kind
    var random: SeededGenerator
    let files = MemoryFiles()
    /// Paths from the base up, and the guest's disk of each layer.
    var names: [String] = []
    var models: [[UInt8]] = []
    var snapshots: [(name: String, model: [UInt8])] = []
    var chain: ImageChain
    var last = ""
    var made = 0

    init(_ kind: ChainModelTests.Kind, seed: UInt64) throws {
        self.kind = kind
        random = SeededGenerator(state: seed)
        files.add(MemoryFile(path: "/l0"), as: "/l0")
        chain = ImageChain([try RawImage(MemoryFile())])
        try create(on: nil, size: kind.disk)
    }

    private var context: OpenContext { OpenContext(files: files, policy: .person, access: .write) }

    private mutating func create(on base: String?, size: Int) throws {
        made += 1
        let name = "/l\(made)"
        var new = NewImage(format: .qcow2, size: UInt64(size), backing: base.map { BackingReference(name: $0, format: .qcow2) })
        (new.qcow2.clusterSize, new.qcow2.version, new.qcow2.extendedL2) = (kind.clusterSize, kind.version, kind.extended)
        new.qcow2.refcountBits = kind.refcountBits
        _ = try new.create(at: name, context)
        names.append(name)
        models.append(
            models.last.map { Array($0.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - $0.count)) }
                ?? [UInt8](repeating: 0, count: size))
        snapshots = []
        try reopen()
    }

    private mutating func reopen() throws {
        if let top = chain.top as? QCOW2Image { try top.close() }
        chain = try ImageChain.open(names[names.count - 1], format: .qcow2, context, writing: 1)
    }

    private func range(_ random: inout SeededGenerator) -> Range<Int> {
        let size = models[models.count - 1].count
        let start = Int.random(in: 0..<size, using: &random)
        let most = Bool.random(using: &random) ? 700 : Int(kind.clusterSize) * 9
        return start..<min(size, start + Int.random(in: 1...most, using: &random))
    }

    mutating func step() throws {
        guard let top = chain.top as? QCOW2Image else { return }
        let layer = models.count - 1
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50:
            let range = range(&random)
            last = "write \(range)"
            let byte = UInt8.random(in: 1...255, using: &random)
            let bytes = range.map { UInt8(truncatingIfNeeded: $0) ^ byte }
            try bytes.withUnsafeBytes { try top.write($0, at: UInt64(range.lowerBound), below: chain.below()) }
            models[layer].replaceSubrange(range, with: bytes)
        case 50..<62:
            let range = range(&random)
            last = "zero \(range)"
            try top.writeZeros(
                UInt64(range.lowerBound)..<UInt64(range.upperBound), unmap: Bool.random(using: &random), below: chain.below())
            for index in range { models[layer][index] = 0 }
        case 62..<68:
            let range = range(&random)
            last = "discard \(range)"
            try top.discard(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            if kind.version < 3, chain.layers.count > 1 { return }
            let size = Int(kind.clusterSize), disk = models[layer].count
            let first = (range.lowerBound + size - 1) / size * size
            let end = range.upperBound == disk ? disk : range.upperBound / size * size
            if first < end { for index in first..<end { models[layer][index] = 0 } }
        case 68..<74:
            last = "flush"
            try top.flush()
        case 74..<78:
            last = "reopen"
            try reopen()
        case 78..<81:
            guard names.count < 5 else { return }
            last = "overlay"
            for snapshot in snapshots { try top.deleteSnapshot(snapshot.name) }
            let size = models[layer].count + [0, 0, 512, 4096].randomElement(using: &random, default: 0)
            try create(on: names[layer], size: size)
        case 81..<84:
            guard names.count > 1 else { return }
            last = "commit"
            try chain.commit(into: 1)
            try top.empty()
            models[layer - 1] =
                models[layer] + (models[layer - 1].count > models[layer].count ? models[layer - 1][models[layer].count...] : [])
            snapshots = []
            for snapshot in try top.snapshots() { try top.deleteSnapshot(snapshot.name) }
        case 84..<86:
            guard names.count > 2 else { return }
            last = "rebase"
            let below = names[layer - 2]
            let target = try ImageChain.open(below, format: .qcow2, OpenContext(files: files, policy: .person))
            try chain.rebase(onto: target, as: BackingReference(name: below, format: .qcow2))
            names.remove(at: layer - 1)
            models.remove(at: layer - 1)
            try reopen()
            for snapshot in try (chain.top as? QCOW2Image)?.snapshots() ?? [] {
                try (chain.top as? QCOW2Image)?.deleteSnapshot(snapshot.name)
            }
            snapshots = []
        case 86..<88:
            last = "resize"
            if kind.version < 3 || kind.refcountBits == 1, !snapshots.isEmpty { return }
            let old = models[layer].count
            let new = max(512, old + Int.random(in: -20...20, using: &random) * 512)
            try top.resize(to: UInt64(new), below: chain.below())
            if new > old { models[layer] += [UInt8](repeating: 0, count: new - old) } else { models[layer].removeLast(old - new) }
        case 88..<92:
            guard snapshots.count < 4, kind.refcountBits > 1 else { return }
            last = "snapshot"
            made += 1
            try top.createSnapshot("s\(made)")
            snapshots.append(("s\(made)", models[layer]))
        case 92..<95:
            guard let index = snapshots.indices.randomElement(using: &random) else { return }
            last = "apply"
            if kind.version < 3, snapshots[index].model.count != models[layer].count { return }
            try top.applySnapshot(snapshots[index].name)
            models[layer] = snapshots[index].model
        case 95..<97:
            guard let index = snapshots.indices.randomElement(using: &random) else { return }
            last = "delete snapshot"
            try top.deleteSnapshot(snapshots.remove(at: index).name)
        case 97: try pull()
        case 98: try kill()
        default:
            last = "convert"
            let flat = MemoryFile()
            var options = ConvertOptions(format: .qcow2)
            (options.compressed, options.qcow2.clusterSize, options.qcow2.version) = (
                Bool.random(using: &random), kind.clusterSize, kind.version
            )
            (options.qcow2.extendedL2, options.qcow2.refcountBits) = (kind.extended, kind.refcountBits)
            try ImageConvert(chain, to: flat, options).run()
            let copy = try QCOW2Image(flat, context)
            try expectClean(copy)
            try expect(ImageChain([copy]), models[layer])
        }
    }

    /// Takes what a layer needs from those below it into it, in the middle of the chain or at its top; sometimes only from some of them.
    private mutating func pull() throws {
        guard names.count > 1 else { return }
        let layer = Int.random(in: 1..<names.count, using: &random), base = Int.random(in: -1..<layer - 1, using: &random)
        last = "pull into layer \(layer) onto \(base)"
        // Snapshots show what is below through their holes.
        if layer == names.count - 1 {
            for snapshot in try (chain.top as? QCOW2Image)?.snapshots() ?? [] {
                try (chain.top as? QCOW2Image)?.deleteSnapshot(snapshot.name)
            }
            snapshots = []
        }
        if let top = chain.top as? QCOW2Image { try top.close() }
        let chain = try ImageChain.open(names[layer], format: .qcow2, context)
        for snapshot in try (chain.top as? QCOW2Image)?.snapshots() ?? [] {
            try (chain.top as? QCOW2Image)?.deleteSnapshot(snapshot.name)
        }
        let below = base >= 0 ? chain.below(layer - base) : nil
        try chain.rebase(onto: below, as: base >= 0 ? BackingReference(name: names[base], format: .qcow2) : nil)
        if let image = chain.top as? QCOW2Image {
            try image.close()
            try expectClean(image)
        }
        names.removeSubrange(base + 1..<layer)
        models.removeSubrange(base + 1..<layer)
        self.chain = try ImageChain.open(names[names.count - 1], format: .qcow2, context, writing: 1)
    }

    /// Ends the writer without a word after some changes: what was flushed is there, of what was not each sector is old or new, and the image
    /// has no fault worse than leaks.
    private mutating func kill() throws {
        guard let top = chain.top as? QCOW2Image else { return }
        try top.flush()
        let layer = models.count - 1, before = models[layer]
        var after = before
        var ranges: [Range<Int>] = []
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let range = range(&random)
            // Each place changes once, so that it has one old and one new value.
            if ranges.contains(where: { $0.overlaps(range) }) { continue }
            ranges.append(range)
            let byte = UInt8.random(in: 1...255, using: &random)
            try [UInt8](repeating: byte, count: range.count).withUnsafeBytes {
                try top.write($0, at: UInt64(range.lowerBound), below: chain.below())
            }
            for index in range { after[index] = byte }
        }
        last = "kill after writes to \(ranges)"
        // Nothing is closed: what the writer held in memory is gone.
        chain = try ImageChain.open(names[layer], format: .qcow2, context, writing: 1)
        let shown = try chain.bytes(at: 0, count: before.count)
        for index in shown.indices where shown[index] != before[index] && shown[index] != after[index] {
            throw ImageError(.corrupt, "byte \(index) is neither what it was nor what was written")
        }
        models[layer] = shown
        guard let image = chain.top as? QCOW2Image else { return }
        let report = try image.check()
        guard report.corruptions == 0 else { throw ImageError(.corrupt, "\(report.findings.prefix(3))") }
        _ = try image.repair(.leaks)
    }

    /// Compares the guest's bytes, and counts every cluster's owners.
    func verify() throws {
        try expect(chain, models[models.count - 1])
        guard let top = chain.top as? QCOW2Image else { return }
        try top.flush()
        try expectClean(top)
        for snapshot in try top.snapshots() {
            guard let model = snapshots.first(where: { $0.name == snapshot.name })?.model else { continue }
            try expect(ImageChain([try top.view(of: snapshot)] + chain.layers.dropFirst()), model)
        }
    }

    /// Has qemu-img, where it is installed, check every layer and compare the top with the model.
    func judge() throws {
        guard QemuImg.isThere else { return }
        if let top = chain.top as? QCOW2Image { try top.flush() }
        let scratch = try Scratch()
        for (index, name) in names.enumerated() {
            guard let file = try files.open(name, .readUnsafely) as? MemoryFile else { continue }
            let path = scratch.file("l\(index)")
            try Data(file.bytes).write(to: URL(fileURLWithPath: path))
            if index > 0 {
                try QemuImg.must("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", scratch.file("l\(index - 1)"), path)
            }
            try QemuImg.must("check", "-q", "-f", "qcow2", path)
        }
        guard let model = models.last else { return }
        try Data(model).write(to: URL(fileURLWithPath: scratch.file("model")))
        try QemuImg.must("compare", "-q", "-f", "qcow2", "-F", "raw", scratch.file("l\(names.count - 1)"), scratch.file("model"))
    }

    private func expect(_ chain: ImageChain, _ model: [UInt8]) throws {
        let bytes = try chain.bytes(at: 0, count: model.count)
        guard bytes == model else {
            let at = zip(bytes, model).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? -1
            throw ImageError(.corrupt, "guest byte \(at) differs: \(bytes[at]) instead of \(model[at])")
        }
    }

    private func expectClean(_ image: QCOW2Image) throws {
        let report = try image.check()
        guard report.corruptions == 0, report.leaks == 0 else {
            throw ImageError(.corrupt, "\(report.corruptions) corruptions, \(report.leaks) leaks: \(report.findings.prefix(5))")
        }
    }
}

extension Array {
    fileprivate func randomElement(using random: inout SeededGenerator, default value: Element) -> Element {
        randomElement(using: &random) ?? value
    }
}
