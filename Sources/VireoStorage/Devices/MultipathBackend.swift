// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoXML

/// Pools of type mpath: the maps of device-mapper's multipath, which multipathd makes. There is one such pool on a host.
struct MultipathBackend: FoundUnitsBackend {
    var programs: [String] = []
    var sysfs = "/sys"

    private func tool() throws(VireoError) -> Tool {
        try Tool("dmsetup", neededFor: "a pool of type 'mpath'", in: programs)
    }

    func isActive(_ pool: StoragePool) throws -> Bool { access("/dev/mapper/control", F_OK) == 0 && (try? tool()) != nil }
    func start(_ pool: StoragePool) throws { _ = try maps() }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        PoolContents(
            units: try maps().compactMap { name, minor in
                let sectors = UInt64(SCSIUnits.text("\(sysfs)/block/dm-\(minor)/size")) ?? 0
                let (size, overflow) = sectors.multipliedReportingOverflow(by: 512)
                guard size > 0, !overflow else { return nil }
                var volume = StorageVolume(
                    kind: .block, name: "dm-\(minor)", capacity: ByteCount(bytes: size),
                    target: VolumeTarget(path: "/dev/mapper/\(name)"))
                (volume.allocation, volume.physical, volume.key) = (volume.capacity, volume.capacity, volume.target.path)
                return volume
            })
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(.mpath) }

    /// Names and minor numbers.
    private func maps() throws(VireoError) -> [(name: String, minor: UInt32)] {
        Self.maps(try tool().run(["ls", "--target", "multipath"]))
    }

    /// Of lines as `mpatha\t(253:0)`, older ones as `mpatha\t(253, 0)`; or one that says that there is none.
    static func maps(_ text: String) -> [(name: String, minor: UInt32)] {
        text.split(separator: "\n").compactMap { line in
            guard let open = line.lastIndex(of: "("), line.hasSuffix(")"),
                let minor = line[open...].dropLast().split(whereSeparator: { $0 == ":" || $0 == "," || $0 == " " }).last
                    .flatMap({ UInt32($0) })
            else { return nil }
            let name = String(line[..<open]).trimmed
            return name.isEmpty || name.contains("/") ? nil : (name, minor)
        }
    }
}
