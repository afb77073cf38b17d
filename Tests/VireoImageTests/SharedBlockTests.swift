// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing
import VireoImage

private let canMount = getuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/sbin/mkfs.xfs")

/// Copies on a file system that shares blocks: XFS on a loop device, for which one has to be root.
@Suite("Copies that share blocks", .enabled(if: canMount, "needs root and mkfs.xfs"))
struct SharedBlockTests {
    private func shell(_ line: String) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", line]
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    private func freeBytes(_ path: String) -> UInt64 {
        var facts = statvfs()
        return statvfs(path, &facts) == 0 ? UInt64(facts.f_bfree) * UInt64(facts.f_frsize) : 0
    }

    @Test("A raw copy of a raw or qcow2 image takes no space, and has the same bytes, holes and end")
    func copies() throws {
        let scratch = try Scratch()
        let (device, mount) = (scratch.file("device"), scratch.file("mount"))
        try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
        // A machine without loop devices has nothing to show here.
        guard
            try shell(
                "truncate -s 1G \(device) && /usr/sbin/mkfs.xfs -q -m reflink=1 \(device) && mount -o loop \(device) \(mount)")
        else { return }
        defer { _ = try? shell("umount \(mount)") }
        try #require(try shell("cd \(mount) && head -c 60000001 /dev/urandom > raw && truncate -s 80000512 raw && sync"))
        func image(_ name: String, _ format: ImageFormat) -> OfflineImage {
            OfflineImage("\(mount)/\(name)", format: format, policy: .standalone)
        }
        try image("raw", .raw).convert(to: "\(mount)/qcow2", ConvertOptions(format: .qcow2))
        for format in [ImageFormat.raw, .qcow2] {
            let before = freeBytes(mount)
            let source = image(format.rawValue, format)
            try source.convert(to: "\(mount)/copy", ConvertOptions(format: .raw))
            #expect(before - min(before, freeBytes(mount)) < 4 << 20, "from \(format)")
            let copy = try image("copy", .raw).open()
            #expect(try copy.compare(with: source.open()) == .none(sizesDiffer: false))
            #expect(copy.virtualSize == 80_000_512)
            try FileManager.default.removeItem(atPath: "\(mount)/copy")
        }
    }
}
