// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

/// A directory of one test; removed with it.
final class ImportDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/vireo-import-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }

    @discardableResult
    func write(_ bytes: [UInt8], _ name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: self(name)))
        return self(name)
    }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: self(name)))) }

    /// Runs a program in the directory; its output.
    @discardableResult
    func run(_ program: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        let output = Pipe()
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ImageError(.io, "\(program) \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }

    func qemuImg(_ arguments: String...) throws { try run("qemu-img", arguments) }

    /// Opens an image of the directory as a person would.
    func open(_ name: String, _ format: ImageFormat) throws -> any DiskImage {
        let context = OpenContext(policy: .person)
        return try FormatDriver.of(format).open(try context.files.open(self(name), .read), context)
    }

    /// The disk of an image as qemu-img reads it.
    func oracle(_ name: String, _ format: ImageFormat) throws -> [UInt8] {
        try qemuImg("convert", "-f", format.rawValue, "-O", "raw", name, name + ".oracle")
        defer { try? FileManager.default.removeItem(atPath: self(name + ".oracle")) }
        return try bytes(name + ".oracle")
    }
}

/// The bytes of a disk: holes, zeros that were written, and data, in pieces of many sizes.
func diskBytes(_ size: Int, seed: UInt64, fill: Int = 40) -> [UInt8] {
    var random = SeededRandom(state: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(size)
    while bytes.count < size {
        let length = min(size - bytes.count, 512 << Int.random(in: 0...9, using: &random))
        if Int.random(in: 0..<100, using: &random) < fill {
            for _ in 0..<length / 512 {
                let value = random.next()
                bytes += [UInt8](repeating: UInt8(truncatingIfNeeded: value) | 1, count: 504)
                withUnsafeBytes(of: value) { bytes += $0 }
            }
        } else {
            bytes += [UInt8](repeating: 0, count: length)
        }
    }
    return bytes
}

/// The same numbers for the same seed.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// The number of places in which two disks differ is not interesting, the first of them is.
func firstDifference(_ left: [UInt8], _ right: [UInt8]) -> String? {
    if left == right { return nil }
    let place = zip(left, right).enumerated().first { $1.0 != $1.1 }?.offset
    return "sizes \(left.count) and \(right.count), first difference at \(place.map(String.init) ?? "the end")"
}

/// All bytes that a guest sees of a chain.
func wholeDisk(_ layers: any DiskImage...) throws -> [UInt8] {
    let chain = ImageChain(layers)
    var (bytes, offset) = ([UInt8](), UInt64(0))
    while offset < chain.virtualSize {
        let (extent, _) = try chain.extent(at: offset, limit: chain.virtualSize - offset)
        let count = Int(extent.length)
        switch extent.content {
        case .unallocated, .zero: bytes += [UInt8](repeating: 0, count: count)
        case .data(let place): bytes += try place.file.exactly(count, at: place.offset, "data")
        case .compressed(let cluster):
            let packed = try cluster.file.bytes(at: cluster.offset, count: cluster.length)
            var unpacked = [UInt8](repeating: 0, count: cluster.unit)
            let unpacker = try Unpacker(cluster.codec)
            let isGood = packed.withUnsafeBytes { source in
                unpacked.withUnsafeMutableBytes { unpacker.unpack(source, into: $0) }
            }
            guard isGood else { throw ImageError.corrupt("the stream at \(cluster.offset) is bad") }
            bytes += unpacked[cluster.skip..<cluster.skip + count]
        }
        offset += extent.length
    }
    return bytes
}
