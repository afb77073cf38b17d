// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel

extension LaunchResources {
    /// Where QEMU can read a file from when it comes up.
    func readable(_ path: String) -> String { copies[path] ?? path }
}

extension QEMUArguments {
    static func addBoot(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        var options = Options("strict=on")
        if let menu = domain.os.bootMenu {
            options = Options("menu=\(menu.isEnabled ? "on" : "off")").with("splash-time", menu.timeoutMilliseconds).with(
                "strict", true)
        }
        options = options.with("reboot-timeout", domain.os.bios?.rebootTimeoutMilliseconds)
        line.add("-boot", options)
        if domain.os.bios?.useSerial == true { line.add("-device", JSONObject([("driver", "sga")])) }
        if let kernel = domain.os.kernel { line.add("-kernel", resources.readable(kernel)) }
        if let initrd = domain.os.initrd { line.add("-initrd", resources.readable(initrd)) }
        if let arguments = domain.os.kernelArguments { line.add("-append", arguments) }
        if let tree = domain.os.deviceTree { line.add("-dtb", resources.readable(tree)) }
        for table in domain.os.acpiTables {
            line.add("-acpitable", Options("sig=SLIC").with("file", resources.readable(table.path)))
        }
    }

    static func addClock(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) throws(VireoError) {
        let timers = domain.clock.timers
        var options: Options
        switch domain.clock.offset {
        case .utc: options = Options("base=utc")
        case .localtime: options = Options("base=localtime")
        case .timezone(let zone):
            throw VireoError(
                .configUnsupported, "clock: offset 'timezone' (\(zone)) is not supported; use utc, localtime or variable")
        case .variable(let seconds, let basis):
            guard basis != .localtime else {
                throw VireoError(.configUnsupported, "clock: offset 'variable' is supported with basis utc only")
            }
            options = Options("base=").appending(timestamp(resources.now.addingReportingOverflow(seconds).partialValue))
        case .absolute(let start): options = Options("base=").appending(timestamp(Int64(clamping: start)))
        }
        for timer in timers where timer.name == .rtc {
            switch timer.track {
            case .guest?: options = options.with("clock", "vm")
            case .wall?: options = options.with("clock", "host")
            case .realtime?: options = options.with("clock", "rt")
            case .boot?, nil: break
            }
            switch timer.tickPolicy {
            case nil, .delay?: break
            case .catchup?: options = options.with("driftfix", "slew")
            case .merge?, .discard?:
                throw VireoError(
                    .configUnsupported,
                    "clock/timer 'rtc': tick policy '\(timer.tickPolicy?.rawValue ?? "")' is not supported by QEMU")
            }
        }
        line.add("-rtc", options)
        for timer in timers where timer.name == .pit {
            switch timer.tickPolicy {
            case .delay? where resources.accelerator == .kvm: line.add("-global", "kvm-pit.lost_tick_policy=delay")
            case .discard? where resources.accelerator == .kvm: line.add("-global", "kvm-pit.lost_tick_policy=discard")
            case nil, .delay?, .discard?, .catchup?: break
            case .merge?: throw VireoError(.configUnsupported, "clock/timer 'pit': tick policy 'merge' is not supported by QEMU")
            }
        }
    }

    /// `YYYY-MM-DDThh:mm:ss` in UTC, as `-rtc base=` takes it; years 1970 to 9999.
    static func timestamp(_ seconds: Int64) -> String {
        let seconds = min(max(seconds, 0), 253_402_300_799)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        // Days to civil date, counted from 1 March of year 0.
        let shifted = seconds / 86_400 + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let time = seconds % 86_400
        return "\(year)-\(two(month))-\(two(day))T\(two(time / 3600)):\(two(time % 3600 / 60)):\(two(time % 60))"
    }

    static func addPower(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) {
        line.add("-no-shutdown")
        if domain.onReboot == .destroy { line.add("-no-reboot") }
        let device = domain.machineFamily == .q35 ? "ICH9-LPC" : "PIIX4_PM"
        if let state = domain.powerManagement?.suspendToMemory { line.add("-global", "\(device).disable_s3=\(state ? 0 : 1)") }
        if let state = domain.powerManagement?.suspendToDisk { line.add("-global", "\(device).disable_s4=\(state ? 0 : 1)") }
    }

    // MARK: SMBIOS

    static func addSMBIOS(_ domain: Domain, _ resources: LaunchResources, to line: inout CommandLine) {
        for information in domain.systemInformation {
            switch information.kind {
            case .smbios where domain.os.smbios == .sysinfo:
                for block in information.blocks { line.add("-smbios", smbios(block)) }
            case .smbios: break
            case .fwcfg:
                for entry in information.entries {
                    let options = Options("name=").appending(entry.name)
                    line.add(
                        "-fw_cfg",
                        entry.file.map { options.with("file", resources.readable($0)) } ?? options.with("string", entry.value))
                }
            }
        }
    }

    private static func smbios(_ block: SystemInformation.Block) -> Options {
        switch block.name {
        case .bios: entries(block, type: 0, ["vendor", "version", "date", "release"])
        case .system: entries(block, type: 1, ["manufacturer", "product", "version", "serial", "uuid", "sku", "family"])
        case .baseBoard: entries(block, type: 2, ["manufacturer", "product", "version", "serial", "asset", "location"])
        case .chassis: entries(block, type: 3, ["manufacturer", "version", "serial", "asset", "sku"])
        case .oemStrings: block.entries.reduce(Options("type=11")) { $0.with("value", $1.value) }
        }
    }

    /// Entries under the names that both sides use.
    private static func entries(_ block: SystemInformation.Block, type: Int, _ names: [String]) -> Options {
        names.reduce(Options("type=\(type)")) { options, name in
            block.entries.first { $0.name == name }.map { options.with(name, $0.value) } ?? options
        }
    }
}
