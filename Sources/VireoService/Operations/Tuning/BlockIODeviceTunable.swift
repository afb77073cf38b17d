// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoHost
import VireoModel

/// A tunable of single devices of the host, by libvirt's name: each is one text `PATH,VALUE,PATH,VALUE...`
/// (`virDomainSetBlkioParameters`).
enum BlockIODeviceTunable: String, CaseIterable {
    case weight = "device_weight"
    case readOperations = "device_read_iops_sec"
    case writeOperations = "device_write_iops_sec"
    case readBytes = "device_read_bytes_sec"
    case writeBytes = "device_write_bytes_sec"

    /// What the devices have, without those that have nothing of this.
    func text(_ devices: [BlockIOTune.Device]) -> String {
        devices.compactMap { device in value(of: device).map { "\(device.path),\($0)" } }.joined(separator: ",")
    }

    /// Gives each device of `text` its value, 0 for none, and leaves others as they are.
    ///
    /// - Throws: `invalidArg` for a text that is no such list.
    func set(_ text: String, in devices: inout [BlockIOTune.Device]) throws(VireoError) {
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard words.count.isMultiple(of: 2) else { throw malformed(text) }
        for index in stride(from: 0, to: words.count, by: 2) {
            guard !words[index].isEmpty, let number = UInt64(words[index + 1]), isAllowed(number) else { throw malformed(text) }
            let place = devices.firstIndex { $0.path == words[index] }
            var device = place.map { devices[$0] } ?? BlockIOTune.Device(path: words[index])
            set(number == 0 ? nil : number, of: &device)
            if let place { devices[place] = device } else { devices.append(device) }
        }
        devices.removeAll { $0 == BlockIOTune.Device(path: $0.path) }
    }

    private func malformed(_ text: String) -> VireoError {
        VireoError(
            .invalidArg, "unable to parse blkio device '\(rawValue)' '\(text)': a list PATH,VALUE,PATH,VALUE... is asked for",
            origin: .qemu)
    }

    private func isAllowed(_ number: UInt64) -> Bool {
        switch self {
        case .weight: number == 0 || (10...1000).contains(number)
        case .readOperations, .writeOperations: number <= UInt32.max
        case .readBytes, .writeBytes: true
        }
    }

    private func value(of device: BlockIOTune.Device) -> UInt64? {
        switch self {
        case .weight: device.weight.map { UInt64(clamping: $0) }
        case .readOperations: device.readOperationsPerSecond.map { UInt64(clamping: $0) }
        case .writeOperations: device.writeOperationsPerSecond.map { UInt64(clamping: $0) }
        case .readBytes: device.readBytesPerSecond
        case .writeBytes: device.writeBytesPerSecond
        }
    }

    private func set(_ number: UInt64?, of device: inout BlockIOTune.Device) {
        switch self {
        case .weight: device.weight = number.map { Int(clamping: $0) }
        case .readOperations: device.readOperationsPerSecond = number.map { Int(clamping: $0) }
        case .writeOperations: device.writeOperationsPerSecond = number.map { Int(clamping: $0) }
        case .readBytes: device.readBytesPerSecond = number
        case .writeBytes: device.writeBytesPerSecond = number
        }
    }
}

extension DomainCgroup {
    /// Puts the tunables of single devices into force that are not as they were.
    ///
    /// - Throws: as `setBlockIOLimits`.
    func enforce(_ new: [BlockIOTune.Device], after old: [BlockIOTune.Device]) throws(VireoError) {
        let former = Dictionary(old.map { ($0.path, $0) }) { first, _ in first }
        let gone = old.filter { device in !new.contains { $0.path == device.path } }.map { BlockIOTune.Device(path: $0.path) }
        for device in new + gone {
            let before = former[device.path] ?? BlockIOTune.Device(path: device.path)
            if device.limits != before.limits { try setBlockIOLimits(device.limits, of: device.path) }
            if device.weight != before.weight { try setBlockIOWeight(device.weight, of: device.path) }
        }
    }
}

extension BlockIOTune.Device {
    fileprivate var limits: DomainCgroup.BlockIOLimits {
        var limits = DomainCgroup.BlockIOLimits()
        limits.readBytesPerSecond = readBytesPerSecond
        limits.writeBytesPerSecond = writeBytesPerSecond
        limits.readOperationsPerSecond = readOperationsPerSecond.map { UInt64(clamping: $0) }
        limits.writeOperationsPerSecond = writeOperationsPerSecond.map { UInt64(clamping: $0) }
        return limits
    }
}
