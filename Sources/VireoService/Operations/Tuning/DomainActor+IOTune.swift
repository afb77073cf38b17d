// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel

/// The limits of a disk by their libvirt names; each is a number, but for the group's name.
enum IOTuneField {
    static let numbers: [(name: String, qmp: String, path: any (WritableKeyPath<IOTune, UInt64?> & Sendable))] = [
        ("total_bytes_sec", "bps", \.bytesPerSecond.total), ("read_bytes_sec", "bps_rd", \.bytesPerSecond.read),
        ("write_bytes_sec", "bps_wr", \.bytesPerSecond.write), ("total_iops_sec", "iops", \.operationsPerSecond.total),
        ("read_iops_sec", "iops_rd", \.operationsPerSecond.read), ("write_iops_sec", "iops_wr", \.operationsPerSecond.write),
        ("total_bytes_sec_max", "bps_max", \.maximumBytesPerSecond.total),
        ("read_bytes_sec_max", "bps_rd_max", \.maximumBytesPerSecond.read),
        ("write_bytes_sec_max", "bps_wr_max", \.maximumBytesPerSecond.write),
        ("total_iops_sec_max", "iops_max", \.maximumOperationsPerSecond.total),
        ("read_iops_sec_max", "iops_rd_max", \.maximumOperationsPerSecond.read),
        ("write_iops_sec_max", "iops_wr_max", \.maximumOperationsPerSecond.write),
        ("size_iops_sec", "iops_size", \.operationSize),
        ("total_bytes_sec_max_length", "bps_max_length", \.maximumBytesSeconds.total),
        ("read_bytes_sec_max_length", "bps_rd_max_length", \.maximumBytesSeconds.read),
        ("write_bytes_sec_max_length", "bps_wr_max_length", \.maximumBytesSeconds.write),
        ("total_iops_sec_max_length", "iops_max_length", \.maximumOperationsSeconds.total),
        ("read_iops_sec_max_length", "iops_rd_max_length", \.maximumOperationsSeconds.read),
        ("write_iops_sec_max_length", "iops_wr_max_length", \.maximumOperationsSeconds.write),
    ]
    static let group = "group_name"

    /// Each limit that has a burst, with the burst's fields.
    static let bursts = numbers.filter { $0.name.hasSuffix("_sec") && $0.name != "size_iops_sec" }.map {
        (limit: $0.name, most: "\($0.name)_max", length: "\($0.name)_max_length")
    }

    static func value(_ name: String, of tune: IOTune) -> UInt64? {
        numbers.first { $0.name == name }.flatMap { tune[keyPath: $0.path] }
    }
}

extension DomainView {
    /// The limits of a disk; zero is none.
    ///
    /// - Throws: `invalidArg` for a disk that the domain has not; as `resolve`.
    package func ioTune(_ disk: String, _ scope: ChangeScope) throws(VireoError) -> [TypedParameter] {
        let affected = try resolve(scope)
        guard
            let found = (affected.live ? live : inactive)?.devices.disks.first(where: {
                $0.target == disk || $0.source.path == disk
            })
        else {
            throw VireoError(
                .invalidArg,
                affected.live ? "disk '\(disk)' not found in domain" : "disk '\(disk)' was not found in the domain config")
        }
        let tune = found.tuning
        var list = IOTuneField.numbers.map { TypedParameter($0.name, .ullong(tune?[keyPath: $0.path] ?? 0)) }
        list.insert(TypedParameter(IOTuneField.group, .string(tune?.groupName ?? "")), at: 13)
        return list
    }
}

extension DomainActor {
    /// Changes limits of a disk. Those of a kind that is not mentioned stay, as libvirt has it: naming a total drops reads
    /// and writes of that kind, and the other way round.
    ///
    /// - Throws: `argumentUnsupported` for a name that is no limit; `invalidArg` for both a total and its parts, or for a disk that is not there;
    ///   `configUnsupported` for a burst without its limit or below it.
    package func setIOTune(
        _ disk: String, _ parameters: [TypedParameter], scope: ChangeScope, client: ClientIdentity? = nil
    ) async throws {
        try await withJob(.modify, client: client) { domain, _ in
            let affected = try domain.resolve(scope)
            if affected.live {
                let device = try domain.view.disk(disk)
                let tune = try Self.tune(device.tuning, parameters)
                guard let alias = device.alias else { throw VireoError(.internalError, "disk '\(disk)' has no alias") }
                var arguments = JSONObject([(key: "id", value: .string(Self.throttleTarget(device, alias)))])
                for field in IOTuneField.numbers {
                    let value = tune[keyPath: field.path] ?? 0
                    let isOptional = field.name.contains("max") || field.name == "size_iops_sec"
                    if value > 0 || !isOptional { arguments[field.qmp] = JSONValue(value) }
                }
                if let group = tune.groupName { arguments["group"] = .string(group) }
                _ = try await domain.qmp("block_set_io_throttle", .object(arguments))
                try await domain.updateLive { definition in
                    for index in definition.devices.disks.indices where definition.devices.disks[index].target == device.target {
                        definition.devices.disks[index].tuning = tune
                    }
                }
                domain.emit(
                    .tunable(
                        [TypedParameter("blkdeviotune.disk", .string(device.target))]
                            + parameters.map { TypedParameter("blkdeviotune.\($0.field)", $0.value) }))
            }
            if affected.config {
                try await domain.updateInactive { definition in
                    guard let index = definition.devices.disks.firstIndex(where: { $0.target == disk || $0.source.path == disk })
                    else {
                        throw VireoError(.invalidArg, "missing persistent configuration for disk '\(disk)'")
                    }
                    definition.devices.disks[index].tuning = try Self.tune(definition.devices.disks[index].tuning, parameters)
                }
            }
        }
    }

    /// The path of the device in QEMU's tree: virtio disks have their backend below the transport.
    private static func throttleTarget(_ disk: Disk, _ alias: String) -> String {
        disk.bus == .virtio ? "/machine/peripheral/\(alias)/virtio-backend" : alias
    }

    private static func tune(_ present: IOTune?, _ parameters: [TypedParameter]) throws(VireoError) -> IOTune {
        var tune = present ?? IOTune()
        for parameter in parameters {
            if parameter.field == IOTuneField.group, case .string(let name) = parameter.value {
                tune.groupName = name.isEmpty ? nil : name
                continue
            }
            guard let field = IOTuneField.numbers.first(where: { $0.name == parameter.field }),
                case .ullong(let value) = parameter.value
            else { throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported") }
            tune[keyPath: field.path] = value == 0 ? nil : value
        }
        let given = Set(
            parameters.compactMap { parameter -> String? in
                guard case .ullong(let value) = parameter.value, value > 0 else { return nil }
                return parameter.field
            })
        for kind in ["bytes_sec", "iops_sec", "bytes_sec_max", "iops_sec_max"] {
            let (total, parts) = ("total_\(kind)", ["read_\(kind)", "write_\(kind)"])
            if given.contains(total), parts.contains(where: given.contains) {
                throw VireoError(.invalidArg, "total and read/write of \(kind) cannot be set at the same time")
            }
            let dropped = given.contains(total) ? parts : parts.contains(where: given.contains) ? [total] : []
            for field in IOTuneField.numbers where dropped.contains(field.name) { tune[keyPath: field.path] = nil }
        }
        try check(tune)
        return tune
    }

    /// What QEMU would refuse, and at the next start only.
    private static func check(_ tune: IOTune) throws(VireoError) {
        for burst in IOTuneField.bursts {
            guard let most = IOTuneField.value(burst.most, of: tune) else {
                guard IOTuneField.value(burst.length, of: tune) == nil else {
                    throw VireoError(
                        .configUnsupported, "value '\(burst.length)' cannot be set if '\(burst.most)' is not set", origin: .qemu)
                }
                continue
            }
            guard let limit = IOTuneField.value(burst.limit, of: tune) else {
                throw VireoError(
                    .configUnsupported, "value '\(burst.most)' cannot be set if '\(burst.limit)' is not set", origin: .qemu)
            }
            guard most >= limit else {
                throw VireoError(
                    .configUnsupported, "value '\(burst.most)' cannot be smaller than '\(burst.limit)'", origin: .qemu)
            }
        }
    }
}
