// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoImage

/// The examples of `Sources/VireoImage/README.md`, run.
@Suite("The guide's examples")
struct GuideTests {
    @Test("An overlay is made, written and read")
    func overlay() throws {
        let scratch = try Scratch()
        let (base, overlay) = (scratch.file("base.qcow2"), scratch.file("web1.qcow2"))
        let context = OpenContext(policy: ImagePolicy(backing: .directories([scratch.path])), access: .write)

        _ = try NewImage(format: .qcow2, size: 1 << 30).create(at: base, context)
        let new = NewImage(format: .qcow2, size: nil, backing: BackingReference(name: "base.qcow2", format: .qcow2))
        _ = try new.create(at: overlay, context)

        let chain = try ImageChain.open(overlay, format: .qcow2, context)
        let top = try #require(chain.top as? any WritableDiskImage)
        try Array("hello".utf8).withUnsafeBytes { try top.write($0, at: 4096, below: chain.below()) }
        try top.flush()
        #expect(try chain.bytes(at: 4096, count: 5) == Array("hello".utf8))
        #expect(chain.virtualSize == 1 << 30)
    }

    @Test("Where the guest's bytes lie is asked once for every format")
    func extents() throws {
        let chain = ImageChain([
            try RawImage(MemoryFile([UInt8](repeating: 0, count: 8192) + [1] + [UInt8](repeating: 0, count: 511)))
        ])
        var kinds: [String] = []
        var offset: UInt64 = 0
        while offset < chain.virtualSize {
            let (extent, depth) = try chain.extent(at: offset, limit: chain.virtualSize - offset)
            if case .data(let place) = extent.content {
                kinds.append("\(extent.length) bytes at \(place.offset) of layer \(depth ?? -1)")
            }
            offset += extent.length
        }
        #expect(kinds == ["512 bytes at 8192 of layer 0"])
    }

    @Test("A copy is made with progress, and takes its place when it is whole")
    func copy() throws {
        let scratch = try Scratch()
        let source = ImageChain([try RawImage(MemoryFile([UInt8](repeating: 7, count: 3 << 20)))])
        var options = ConvertOptions(format: .qcow2)
        (options.compressed, options.qcow2.compression) = (true, .zstd)
        let made = options
        let progress = ImageProgress()
        try HostFiles().replace(scratch.file("copy.qcow2")) { file in
            try ImageConvert(source, to: file, made, progress: progress).run()
        }
        #expect(progress.bytes.done == 3 << 20)
        let copy = try ImageChain.open(scratch.file("copy.qcow2"), format: .qcow2, OpenContext(policy: .standalone))
        #expect(try copy.compare(with: source) == .none(sizesDiffer: false))
    }
}
