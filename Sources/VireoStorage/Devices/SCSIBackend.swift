// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoXML

/// Pools of type scsi: the units behind a host adapter of this machine.
struct SCSIBackend: FoundUnitsBackend {
    var units = SCSIUnits()

    func isActive(_ pool: StoragePool) throws -> Bool {
        guard let host = try? host(of: pool) else { return false }
        return units.exists(host: host)
    }

    func start(_ pool: StoragePool) throws { try units.scan(host: try host(of: pool)) }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        let host = try host(of: pool)
        try units.scan(host: host)
        return PoolContents(units: try units.volumes(ofHost: host, in: pool))
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] { throw .noDiscovery(.scsi) }

    /// The number of the adapter that the pool names, by which way it does.
    func host(of pool: StoragePool) throws(VireoError) -> Int {
        func missing(_ what: String) -> VireoError {
            VireoError(
                .operationFailed,
                "storage pool '\(pool.name)': this host has no adapter \(what); see 'ls \(units.sysfs)/class/scsi_host'",
                origin: .storage)
        }
        guard let adapter = pool.source.adapter else { throw missing("that the pool names") }
        switch adapter.kind {
        case .scsiHost:
            if let name = adapter.name {
                // libvirt takes 'scsi_host9', too, as its list of node devices has it.
                let digits = name.hasPrefix("scsi_host") ? name.dropFirst(9) : name.hasPrefix("host") ? name.dropFirst(4) : ""
                guard let number = Int(digits), number >= 0 else { throw missing("'\(name)'") }
                return number
            }
            guard let parent = adapter.parentAddress else { throw missing("without a name") }
            let wanted = parent.uniqueID.map { "\($0)" }
            return try host(missing("at \(parent.address)\(wanted.map { " with unique id \($0)" } ?? "")")) { directory in
                let isThere = SystemLink.target(of: directory)?.contains("/\(parent.address)/") == true
                return isThere && (wanted == nil || SCSIUnits.text("\(directory)/unique_id") == wanted)
            }
        case .fcHost:
            guard let node = adapter.wwnn, let port = adapter.wwpn else {
                throw missing("of fibre channel without WWNN and WWPN")
            }
            let noPort = missing(
                "of fibre channel with WWNN \(node) and WWPN \(port), and Vireo makes no virtual ones (write 'WWPN:WWNN' into vport_create)"
            )
            return try host(noPort) { directory in
                let name = directory.split(separator: "/").last.map(String.init) ?? ""
                func names(_ file: String, _ value: String) -> Bool {
                    SCSIUnits.text("\(units.sysfs)/class/fc_host/\(name)/\(file)") == "0x\(value.lowercased())"
                }
                return names("node_name", node) && names("port_name", port)
            }
        }
    }

    private func host(_ missing: VireoError, where isWanted: (String) -> Bool) throws(VireoError) -> Int {
        for name in SCSIUnits.names(in: "\(units.sysfs)/class/scsi_host") {
            guard let number = Int(name.dropFirst(4)), isWanted("\(units.sysfs)/class/scsi_host/\(name)") else { continue }
            return number
        }
        throw missing
    }
}
