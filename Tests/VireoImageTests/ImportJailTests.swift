// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import VireoImage

@Suite("The jail of qemu-img")
struct ImportJailTests {
    static func convert(
        _ directory: ImportDirectory, _ source: String, _ sourceFormat: String, to target: String, _ targetFormat: String,
        options: [String] = []
    ) throws {
        let conversion = JailedConversion(
            sourceFiles: [directory(source)], sourceFormat: ImageFormat(rawValue: sourceFormat), target: directory(target),
            targetFormat: ImageFormat(rawValue: targetFormat), options: options)
        var last = 0.0
        try conversion.run {
            #expect($0 >= last && $0 <= 1)
            last = $0
            return true
        }
        #expect(last == 1)
    }

    /// What is in the directory, hidden names too.
    static func names(_ directory: ImportDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    @Test("Formats that it reads for us", arguments: ["qcow", "qed", "parallels"])
    func reads(format: String) throws {
        let directory = try ImportDirectory()
        let bytes = diskBytes(3 << 20, seed: 9)
        try directory.write(bytes, "source")
        try directory.qemuImg("convert", "-f", "raw", "-O", format, "source", "disk")
        try Self.convert(directory, "disk", format, to: "out", "raw")
        #expect(try firstDifference(directory.bytes("out"), bytes) == nil)
        #expect(try Self.names(directory) == ["disk", "out", "source"])
    }

    @Test(
        "Formats that it writes for us",
        arguments: [
            (ImageFormat.vmdk, ["subformat=streamOptimized"]), (.vmdk, []), (.vhd, ["force_size=on"]), (.vhdx, []), (.vdi, []),
        ])
    func writes(format: ImageFormat, options: [String]) throws {
        let directory = try ImportDirectory()
        let bytes = diskBytes(3 << 20, seed: 10)
        try directory.write(bytes, "source")
        try directory.write([1, 2, 3], "out")
        try Self.convert(directory, "source", "raw", to: "out", format.rawValue, options: options)
        #expect(try firstDifference(wholeDisk(directory.open("out", format)), bytes) == nil)
        #expect(try Self.names(directory) == ["out", "source"])
    }

    @Test(
        "Disks in several files, which replace nothing",
        arguments: [
            ("monolithicFlat", "out-flat.vmdk"), ("twoGbMaxExtentSparse", "out-s001.vmdk"),
            ("twoGbMaxExtentFlat", "out-f001.vmdk"),
        ])
    func severalFiles(kind: String, part: String) throws {
        let directory = try ImportDirectory()
        let bytes = diskBytes(3 << 20, seed: 11)
        try directory.write(bytes, "source")
        try Self.convert(directory, "source", "raw", to: "out.vmdk", "vmdk", options: ["subformat=\(kind)"])
        #expect(try firstDifference(wholeDisk(directory.open("out.vmdk", .vmdk)), bytes) == nil)
        #expect(try Self.names(directory) == [part, "out.vmdk", "source"].sorted())
        let descriptor = try directory.bytes("out.vmdk")
        let again = { try Self.convert(directory, "source", "raw", to: "out.vmdk", "vmdk", options: ["subformat=\(kind)"]) }
        #expect { try again() } throws: { ($0 as? ImageError)?.kind == .exists }
        #expect(try directory.bytes("out.vmdk") == descriptor)
        // A file of the name of a part is somebody else's.
        try FileManager.default.removeItem(atPath: directory("out.vmdk"))
        try directory.write([1, 2, 3], part)
        #expect { try again() } throws: { ($0 as? ImageError)?.kind == .exists }
        #expect(try directory.bytes(part) == [1, 2, 3])
        #expect(try Self.names(directory) == [part, "source"].sorted())
        #expect(throws: ImageError.self) {
            try Self.convert(directory, "source", "raw", to: "a\"b.vmdk", "vmdk", options: ["subformat=\(kind)"])
        }
    }

    @Test("Who reads a disk in the jail has its socket, and opens nothing")
    func reading() throws {
        let disk = MemoryFile(diskBytes(3 << 20, seed: 13), path: "disk")
        var reading = try JailedReading(arguments: [])
        #expect(reading.command.first?.hasPrefix("/") == true)
        // The socket gives the size first.
        reading.command = ["/usr/bin/head", "-c", "8"]
        var answer: [UInt8] = []
        #expect(try reading.run(on: disk) { answer += $0 }.status == 0)
        #expect(answer == withUnsafeBytes(of: UInt64(3 << 20)) { Array($0) })
        for path in ["/etc/passwd", "/proc/self/status", "/tmp"] {
            reading.command = ["/bin/cat", path]
            let outcome = try reading.run(on: disk) { _ in Issue.record("\(path) was read") }
            #expect(outcome.status != 0 && outcome.errors.contains("denied"), "\(outcome)")
        }
        reading.command = ["/bin/sh", "-c", "kill -SEGV $$"]
        #expect { try reading.run(on: disk) { _ in } } throws: { ($0 as? ImageError)?.kind == .corrupt }
    }

    @Test("A disk read through a socket is the same one, and ends with who has it open")
    func remoteDisk() throws {
        let bytes = diskBytes(3 << 20, seed: 14)
        let server = try DiskServer(MemoryFile(bytes, path: "disk"))
        let remote = try RemoteDisk(socket: server.clientEnd, path: "disk")
        #expect(try remote.size() == 3 << 20)
        #expect(try firstDifference(remote.bytes(at: 0, count: 4 << 20), bytes) == nil)
        #expect(try remote.bytes(at: 1_234_567, count: 1_500_000) == Array(bytes[1_234_567..<2_734_567]))
        server.stop()
        #expect(throws: ImageError.self) { try remote.bytes(at: 0, count: 1) }
    }

    @Test("A backing file that a header names is not read", arguments: ["qcow", "qed"])
    func backing(format: String) throws {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 0x55, count: 1 << 20), "secret")
        try directory.qemuImg("create", "-q", "-f", format, "-b", directory("secret"), "-F", "raw", "disk")
        #expect { try Self.convert(directory, "disk", format, to: "out", "raw") } throws: {
            ($0 as? ImageError)?.kind == .refused
        }
        #expect(try Self.names(directory) == ["disk", "secret"])
    }

    @Test("What is no image leaves nothing, and the old target as it was")
    func damaged() throws {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 1, count: 4096), "disk")
        try directory.write([1, 2, 3], "out")
        #expect { try Self.convert(directory, "disk", "qed", to: "out", "raw") } throws: { ($0 as? ImageError)?.kind == .corrupt }
        #expect(try directory.bytes("out") == [1, 2, 3])
        #expect(try Self.names(directory) == ["disk", "out"])
        for option in ["backing_file=/etc/passwd", "subformat=a,backing_file=b", "x"] {
            #expect(throws: ImageError.self) { try Self.convert(directory, "disk", "raw", to: "out", "vmdk", options: [option]) }
        }
    }

    @Test("Who cancels gets the old state")
    func cancelled() throws {
        let directory = try ImportDirectory()
        try directory.write(diskBytes(1 << 20, seed: 1), "disk")
        let conversion = JailedConversion(
            sourceFiles: [directory("disk")], sourceFormat: .raw, target: directory("out"), targetFormat: .vdi)
        #expect { try conversion.run { _ in false } } throws: { ($0 as? ImageError)?.kind == .cancelled }
        #expect(try Self.names(directory) == ["disk"])
    }

    @Test("A file that grows past its limit is stopped")
    func fileSize() throws {
        let directory = try ImportDirectory()
        try directory.write([UInt8](repeating: 7, count: 4 << 20), "disk")
        var conversion = JailedConversion(
            sourceFiles: [directory("disk")], sourceFormat: .raw, target: directory("out"), targetFormat: .vdi)
        conversion.limits.fileSize = 1 << 20
        #expect { try conversion.run { _ in true } } throws: { ($0 as? ImageError)?.kind == .limit }
        #expect(try Self.names(directory) == ["disk"])
    }

    @Test("From any format to any other, by way of what each side reads")
    func foreign() throws {
        let directory = try ImportDirectory()
        let bytes = diskBytes(2 << 20, seed: 12)
        try directory.write(bytes, "source")
        try directory.qemuImg("convert", "-f", "raw", "-O", "qed", "source", "disk.qed")
        try directory.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "source", "disk.vmdk")
        try directory.qemuImg("create", "-q", "-f", "qcow2", "-b", "source", "-F", "raw", "disk.qcow2")
        for (source, stated) in [
            ("disk.qed", ImageFormat(rawValue: "qed")), ("disk.vmdk", nil), ("disk.qcow2", .qcow2), ("source", .raw),
        ] {
            for target in [ImageFormat.vdi, .qcow2] where ForeignConvert.isNeeded(source: stated, target: target) {
                try ForeignConvert.run(
                    directory(source), format: stated, OpenContext(policy: .person), to: directory("out"), target, options: [],
                    progress: ImageProgress())
                #expect(try firstDifference(wholeDisk(directory.open("out", target)), bytes) == nil, "\(source) to \(target)")
            }
        }
        #expect(try Self.names(directory).filter { $0.hasPrefix(".") }.isEmpty)
    }

    // MARK: The jail itself

    static func run(_ command: [String], _ directory: ImportDirectory) throws -> (Jail.Outcome, String) {
        var text = ""
        let jail = Jail(command: command, directory: directory.path, paths: [(directory.path, .work)])
        let outcome = try jail.run {
            text += String(decoding: $0, as: UTF8.self)
            return true
        }
        return (outcome, text)
    }

    @Test("Nothing but what was named can be opened")
    func files() throws {
        let directory = try ImportDirectory()
        try directory.write(Array("mine".utf8), "file")
        #expect(try Self.run(["/usr/bin/cat", "file"], directory).1 == "mine")
        for path in ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/root", directory.path + "/../../etc/passwd"] {
            let (outcome, text) = try Self.run(["/usr/bin/head", "-c1", path], directory)
            #expect(outcome.status == 1 && text.isEmpty && outcome.errors.contains("Permission denied"), "\(path)")
        }
        #expect(try Self.run(["/usr/bin/touch", "/tmp/vireo-jail-leak"], directory).0.status == 1)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/vireo-jail-leak"))
    }

    @Test("There is no network and no privilege")
    func network() throws {
        let directory = try ImportDirectory()
        let (outcome, text) = try Self.run(
            ["/usr/bin/python3", "-c", "import socket, os; print(socket.if_nameindex(), os.getresuid()); os.setuid(0)"], directory
        )
        // Only a loopback that is down; to become root fails in a namespace without a mapping.
        #expect(text.contains("[(1, 'lo')]"))
        #expect(outcome.status == 1)
    }

    @Test("Memory and processor time are bounded")
    func bounds() throws {
        let directory = try ImportDirectory()
        var jail = Jail(command: ["/usr/bin/python3", "-c", "x = bytearray(1 << 30)"], directory: directory.path, paths: [])
        jail.limits.memory = 512 << 20
        #expect(try jail.run { _ in true }.errors.contains("MemoryError"))
        jail = Jail(command: ["/usr/bin/python3", "-c", "while True: pass"], directory: directory.path, paths: [])
        jail.limits.seconds = 1
        // By the kernel after a second of processor time or, where the machine gives it less than a quarter of one, by us.
        do {
            #expect(try jail.run { _ in true }.signal != nil)
        } catch let error as ImageError {
            #expect(error.kind == .limit && error.message.contains("ran longer"))
        }
    }
}
