// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// What QEMU is told through its monitor between its start and the first instruction of the guest.
package enum StartupCommand {
    /// The commands that a prepared definition asks for, in the order to run them: display passwords, disk limits, links that are
    /// down, the balloon's target and statistics.
    ///
    /// - Throws: `xmlError` for a password's end of validity that is no date.
    package static func all(for domain: Domain) throws(VireoError) -> [MonitorCommand] {
        var commands: [MonitorCommand] = []
        for graphics in domain.devices.graphics {
            switch graphics.kind {
            case .vnc(let vnc): commands += try password(vnc.password, protocol: "vnc")
            case .spice(let spice): commands += try password(spice.password, protocol: "spice")
            case .sdl, .eglHeadless, .dbus, .rdp, .desktop: break
            }
        }
        commands += domain.devices.disks.compactMap(throttle)
        for interface in domain.devices.interfaces where interface.linkState == .down {
            guard let alias = interface.alias else { continue }
            commands.append(MonitorCommand("set_link", ["name": .string(alias), "up": false]))
        }
        guard let balloon = domain.devices.memoryBalloon, balloon.model != MemoryBalloon.Model.none, let alias = balloon.alias
        else {
            return commands
        }
        if let period = balloon.statisticsPeriodSeconds, period > 0 {
            commands.append(statistics(balloon: alias, periodSeconds: period))
        }
        if let target = domain.memory.current, target < domain.memory.total {
            commands.append(MonitorCommand("balloon", ["value": JSONValue(target.bytes)]))
        }
        return commands
    }

    /// Makes the balloon collect the guest's memory statistics.
    package static func statistics(balloon alias: String, periodSeconds: Int) -> MonitorCommand {
        MonitorCommand(
            "qom-set",
            [
                "path": .string("/machine/peripheral/\(alias)"), "property": "guest-stats-polling-interval",
                "value": JSONValue(periodSeconds),
            ])
    }

    /// Sets a display's password; nothing where there is none.
    package static func password(_ password: Graphics.Password, protocol name: String) throws(VireoError) -> [MonitorCommand] {
        guard let text = password.text else { return [] }
        var arguments: JSONObject = JSONObject([("protocol", .string(name)), ("password", .string(text))])
        // VNC knows no other answer than to keep those who are connected.
        if let connected = password.connected, name != "vnc" || connected == .keep {
            arguments["connected"] = .string(connected.rawValue)
        }
        var commands = [MonitorCommand("set_password", .object(arguments))]
        var time = "never"
        if let end = password.validTo {
            guard let seconds = seconds(ofTimestamp: end) else {
                throw VireoError(
                    .xmlError, "devices/graphics: passwdValidTo '\(end)' is not of the form YYYY-MM-DDThh:mm:ss", origin: .domain)
            }
            time = "\(seconds)"
        }
        commands.append(MonitorCommand("expire_password", ["protocol": .string(name), "time": .string(time)]))
        return commands
    }

    /// Seconds since 1970 of `YYYY-MM-DDThh:mm:ss` in UTC; nil for anything else.
    static func seconds(ofTimestamp text: String) -> Int64? {
        let parts = text.split(separator: "T", omittingEmptySubsequences: false)
        guard parts.count == 2, let dateText = parts.first, let timeText = parts.last else { return nil }
        let date = dateText.split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
        let time = timeText.split(separator: ":", omittingEmptySubsequences: false).map { Int64($0) }
        guard date.count == 3, time.count == 3, let year = date[0], let month = date[1], let day = date[2], let hour = time[0],
            let minute = time[1], let second = time[2], (1970...9999).contains(year), (1...12).contains(month),
            (1...31).contains(day), (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        return days * 86_400 + hour * 3600 + minute * 60 + second
    }

    /// Limits on a disk's I/O; nil where it has none.
    package static func throttle(_ disk: Disk) -> MonitorCommand? {
        guard let tune = disk.tuning, let alias = disk.alias, !disk.source.isEmpty else { return nil }
        func value(_ limit: UInt64?) -> JSONValue { JSONValue(limit ?? 0) }
        var arguments = JSONObject([("id", .string(qomPath(of: disk, alias: alias)))])
        let limits: [(String, IOTune.Limits)] = [("bps", tune.bytesPerSecond), ("iops", tune.operationsPerSecond)]
        for (name, limit) in limits {
            arguments[name] = value(limit.total)
            arguments["\(name)_rd"] = value(limit.read)
            arguments["\(name)_wr"] = value(limit.write)
        }
        let maxima: [(String, IOTune.Limits)] = [
            ("bps", tune.maximumBytesPerSecond), ("iops", tune.maximumOperationsPerSecond),
        ]
        for (name, limit) in maxima {
            if let total = limit.total { arguments["\(name)_max"] = value(total) }
            if let read = limit.read { arguments["\(name)_rd_max"] = value(read) }
            if let write = limit.write { arguments["\(name)_wr_max"] = value(write) }
        }
        let lengths: [(String, IOTune.Limits)] = [("bps", tune.maximumBytesSeconds), ("iops", tune.maximumOperationsSeconds)]
        for (name, limit) in lengths {
            if let total = limit.total { arguments["\(name)_max_length"] = value(total) }
            if let read = limit.read { arguments["\(name)_rd_max_length"] = value(read) }
            if let write = limit.write { arguments["\(name)_wr_max_length"] = value(write) }
        }
        if let size = tune.operationSize { arguments["iops_size"] = value(size) }
        if let group = tune.groupName { arguments["group"] = .string(group) }
        return MonitorCommand("block_set_io_throttle", .object(arguments))
    }

    /// Where QEMU's object model has the device that a disk's backend belongs to.
    package static func qomPath(of disk: Disk, alias: String) -> String {
        switch disk.bus {
        case .virtio?: "/machine/peripheral/\(alias)/virtio-backend"
        case .usb?: "/machine/peripheral/\(alias)/\(alias).0/legacy[0]"
        default: alias
        }
    }
}
