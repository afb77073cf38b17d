// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel

/// The disks behind the SCSI hosts of this machine, as sysfs tells them. Nothing here waits for a device.
struct SCSIUnits {
    var sysfs = "/sys"
    var devices = "/dev"
    /// Where scsi_id(8) of udev is looked for first.
    var programs = ["/usr/lib/udev", "/lib/udev"]

    /// Disks and CD drives: types 0 and 5 of SPC.
    private static let types: Set<String> = ["0", "5"]

    /// Has the kernel look for new units.
    ///
    /// - Throws: `systemError` where there is no such host.
    func scan(host: Int) throws(VireoError) {
        let path = "\(sysfs)/class/scsi_host/host\(host)/scan"
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw .storage(system: errno, "Could not open '\(path)' to trigger host scan") }
        defer { close(file) }
        // Any channel, target and unit.
        guard write(file, "- - -", 5) == 5 else {
            throw .storage(system: errno, "Write to '\(path)' to trigger host scan failed")
        }
    }

    func exists(host: Int) -> Bool { access("\(sysfs)/class/scsi_host/host\(host)", F_OK) == 0 }

    /// The units of a host that have a name in the pool's directory: other names change from one start of the host to the next.
    func volumes(ofHost host: Int, in pool: StoragePool) throws(VireoError) -> [StorageVolume] {
        var volumes: [StorageVolume] = []
        let links = StableNames(pool.target.path, devices: devices)
        for entry in Self.names(in: "\(sysfs)/bus/scsi/devices") {
            let parts = entry.split(separator: ":").compactMap { Int($0) }
            let directory = "\(sysfs)/bus/scsi/devices/\(entry)"
            guard parts.count == 4, parts[0] == host, Self.types.contains(Self.text("\(directory)/type")),
                let name = Self.names(in: "\(directory)/block").first, let path = links.path(of: name),
                let sectors = UInt64(Self.text("\(directory)/block/\(name)/size"))
            else { continue }
            // The kernel's sectors have 512 bytes, whatever those of the disk have.
            let (size, overflow) = sectors.multipliedReportingOverflow(by: 512)
            guard size > 0, !overflow else { continue }
            var volume = StorageVolume(
                kind: .block, name: "unit:\(parts[1]):\(parts[2]):\(parts[3])", capacity: ByteCount(bytes: size),
                target: VolumeTarget(path: path))
            (volume.allocation, volume.physical) = (volume.capacity, volume.capacity)
            volume.key = try serial(of: path) ?? path
            var facts = stat()
            if stat(path, &facts) == 0 { volume.target.permissions = StoragePermissions(facts) }
            volumes.append(volume)
        }
        return volumes.sorted { $0.name < $1.name }
    }

    /// What the unit calls itself, as libvirt asks for it; nil where udev is not installed or the unit does not say.
    private func serial(of path: String) throws(VireoError) -> String? {
        guard let tool = try? Tool("scsi_id", neededFor: "the keys of units", in: programs) else { return nil }
        let outcome = try tool.attempt(
            ["--replace-whitespace", "--whitelisted", "--device", path], within: .seconds(3))
        let words = outcome.output.trimmed
        return outcome.status == 0 && !words.isEmpty ? words : nil
    }

    // MARK: sysfs

    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// A short file without the white space around it; empty where there is none.
    static func text(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).trimmed
    }
}

/// Names of devices that stay the same, such as those in `/dev/disk/by-path`.
private struct StableNames {
    private let devices: String
    /// By what they lead to; nil where the pool shows devices as the kernel names them.
    private var names: [String: String]?

    init(_ directory: String?, devices: String) {
        self.devices = devices
        guard let directory, directory != devices, directory.hasPrefix(devices + "/") else { return }
        var names: [String: String] = [:]
        for name in SCSIUnits.names(in: directory) {
            guard let real = realpath("\(directory)/\(name)", nil) else { continue }
            defer { free(real) }
            let target = String(cString: real)
            // The first in order, so that it is the same every time.
            if names[target] == nil { names[target] = "\(directory)/\(name)" }
        }
        self.names = names
    }

    func path(of device: String) -> String? {
        let path = "\(devices)/\(device)"
        guard let names else { return path }
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return names[String(cString: real)]
    }
}
