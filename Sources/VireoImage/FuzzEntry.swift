// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// Opens bytes of a fuzzer as a qcow2 image, reads all that can be read, and changes it.
package func fuzzQCOW2(_ bytes: UnsafeRawBufferPointer) {
    var limits = ImageLimits()
    (limits.tableBytes, limits.cacheBytes) = (1 << 20, 1 << 20)
    let context = OpenContext(files: MemoryFiles(), policy: .standalone, limits: limits)
    // Tables may lie far beyond the end of the bytes, where a real file has a hole.
    let file = MemoryFile(Array(bytes), path: "/fuzz", largest: 64 << 20)
    guard let image = try? QCOW2Image(file, context), let below = try? ImageChain([RawImage(MemoryFile([1]))]) else { return }
    let chain = ImageChain([image])
    _ = try? ImageInfo(image).text
    var entries = 0
    try? chain.map { _ in
        entries += 1
        if entries > 1000 { throw ImageError(.cancelled, "enough") }
    }
    let count = Int(min(image.virtualSize, 1 << 16))
    _ = try? chain.bytes(at: 0, count: count)
    // A sparse giant would be walked cluster by cluster: only small disks from here on.
    guard image.virtualSize <= 1 << 24 else { return }
    _ = try? image.check()
    try? bytes.prefix(min(700, count)).withUnsafe { try image.write($0, at: 0, below: below) }
    try? image.flush()
    try? image.createSnapshot("fuzz")
    if count > 2048 { try? image.writeZeros(512..<2048, unmap: true, below: below) }
    try? image.flush()
    _ = try? image.repair(.all)
}

extension Slice where Base == UnsafeRawBufferPointer {
    fileprivate func withUnsafe(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        try body(UnsafeRawBufferPointer(rebasing: self))
    }
}
