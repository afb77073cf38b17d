// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import NIOHTTP1
import SystemPackage
import VireoCore

/// Gathers the facts of this host. Changes nothing; each program that it asks gets a few seconds.
enum HostSurvey {
    /// How long the daemon may take to answer.
    static let patience: Duration = .seconds(5)

    /// - Parameter options: which daemon's directories and socket are meant.
    static func facts(for options: GlobalOptions) async -> HostFacts {
        var facts = HostFacts()
        facts.uid = geteuid()
        facts.userName = name(ofUser: facts.uid)
        facts.groups = groupNames()
        cpu(&facts)
        await kvm(&facts)
        modules(&facts)
        cgroups(&facts)
        await programs(&facts)
        resources(&facts, paths: options.paths)
        facts.daemonSocket = options.paths.httpSocket.string
        facts.hasDaemonBinary = DaemonLauncher.daemonBinary() != nil
        let version = try? await APIClient(socket: options.paths.httpSocket)
            .json(.init(method: .GET, path: "/version", timeout: patience))
        facts.daemon = version?["version"]?.stringValue
        if facts.daemon != nil { facts.bridges += await bridges(options.paths) }
        if facts.daemon != nil,
            let answer = try? await APIClient(socket: options.paths.httpSocket)
                .json(.init(method: .GET, path: "/chains", timeout: patience))
        {
            facts.deepChains = LayerDrawing(answer).layers.values.filter { $0.excessiveDepth != nil && !$0.users.isEmpty }
                .map(\.path).sorted()
        }
        return facts
    }

    /// The bridges of networks that are not called `virbr…`.
    private static func bridges(_ paths: HostPaths) async -> [String] {
        let answer = try? await APIClient(socket: paths.httpSocket)
            .json(.init(method: .GET, path: "/networks", timeout: patience))
        return (answer?["networks"]?.arrayValue ?? []).filter { $0["mode"]?.stringValue != "bridge" }
            .compactMap { $0["bridge"]?.stringValue }
            .filter { name in !name.hasPrefix("virbr") && name.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) } }
            .sorted()
    }

    private static func cpu(_ facts: inout HostFacts) {
        var machine = utsname()
        if uname(&machine) == 0 {
            facts.architecture = withUnsafeBytes(of: machine.machine) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        let lines = (FileText.read("/proc/cpuinfo", limit: 1 << 16) ?? "").split(separator: "\n")
        func value(_ key: String) -> Substring {
            lines.first { $0.hasPrefix(key) }?.split(separator: ":", maxSplits: 1).last ?? ""
        }
        facts.cpuVendor =
            switch value("vendor_id") {
            case let text where text.contains("GenuineIntel"): .intel
            case let text where text.contains("AuthenticAMD"), let text where text.contains("HygonGenuine"): .amd
            default: .other
            }
        let flags = Set(value("flags").split(separator: " "))
        facts.hasVirtualisationFlag = flags.contains("vmx") || flags.contains("svm")
        facts.isVirtualMachine = flags.contains("hypervisor")
    }

    private static func kvm(_ facts: inout HostFacts) async {
        var status = stat()
        guard stat("/dev/kvm", &status) == 0 else {
            facts.kvm = .missing
            return
        }
        facts.kvmGroup = getgrgid(status.st_gid).map { String(cString: $0.pointee.gr_name) }
        guard access("/dev/kvm", R_OK | W_OK) == 0 else {
            facts.kvm = .forbidden
            return
        }
        facts.kvm = await runInstruction()
    }

    /// Runs one `hlt` in a virtual machine, in a child that is killed if it hangs.
    private static func runInstruction() async -> HostFacts.KVMState {
        var (pid, pidfd, report) = (pid_t(0), CInt(-1), CInt(-1))
        guard vireo_kvm_probe(&pid, &pidfd, &report) == 0 else { return .broken("\(Errno(rawValue: errno))") }
        defer {
            close(pidfd)
            close(report)
        }
        var waiting = pollfd(fd: report, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 2000) > 0 else {
            kill(pid, SIGKILL)
            // A child that hangs in the kernel cannot be reaped; this process ends soon, and init takes it.
            return .hangs
        }
        var answer = vireo_kvm_report()
        let size = MemoryLayout<vireo_kvm_report>.size
        let count = withUnsafeMutableBytes(of: &answer) { Glibc.read(report, $0.baseAddress, size) }
        var status: CInt = 0
        waitpid(pid, &status, 0)
        guard count == size else { return .broken("the test ended without a result") }
        guard answer.stage != VIREO_KVM_WORKS.rawValue else { return .works }
        let reason = answer.error == 0 ? "unexpected answer \(answer.detail)" : "\(Errno(rawValue: answer.error))"
        return .broken("\(step(answer.stage)): \(reason)")
    }

    private static func step(_ stage: Int32) -> String {
        switch UInt32(bitPattern: stage) {
        case VIREO_KVM_OPEN.rawValue: "opening the device"
        case VIREO_KVM_API_VERSION.rawValue: "asking for its version"
        case VIREO_KVM_CREATE_VM.rawValue: "making a virtual machine"
        case VIREO_KVM_MEMORY.rawValue: "giving it memory"
        case VIREO_KVM_CREATE_VCPU.rawValue: "making a virtual CPU"
        case VIREO_KVM_REGISTERS.rawValue: "setting its registers"
        default: "running an instruction"
        }
    }

    private static func modules(_ facts: inout HostFacts) {
        facts.hasKVMModule = ["kvm_intel", "kvm_amd"].contains { access("/sys/module/\($0)", F_OK) == 0 }
        for module in ["kvm_intel", "kvm_amd"] {
            guard let text = FileText.read(FilePath("/sys/module/\(module)/parameters/nested"), limit: 16) else { continue }
            facts.nested = text.hasPrefix("Y") || text.hasPrefix("1")
        }
        facts.deviceNodes = Set(["net/tun", "vhost-net"].filter { access("/dev/\($0)", F_OK) == 0 })
    }

    private static func cgroups(_ facts: inout HostFacts) {
        if access("/sys/fs/cgroup/cgroup.controllers", R_OK) == 0 {
            facts.cgroup = .v2
            // A user's processes live in the subtree that systemd handed to the user.
            let file =
                facts.uid == 0
                ? "/sys/fs/cgroup/cgroup.controllers"
                : "/sys/fs/cgroup/user.slice/user-\(facts.uid).slice/user@\(facts.uid).service/cgroup.controllers"
            let text = FileText.read(FilePath(file), limit: 4096) ?? ""
            facts.cgroupControllers = Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
        } else if access("/sys/fs/cgroup/cpu", F_OK) == 0 || access("/sys/fs/cgroup/memory", F_OK) == 0 {
            facts.cgroup = .v1
        }
    }

    private static func programs(_ facts: inout HostFacts) async {
        facts.packages =
            PackageManager.allCases.first { manager in
                find(manager == .apt ? "apt-get" : manager.rawValue) != nil
            } ?? .apt
        facts.qemu.path = find("qemu-system-\(facts.architecture)") ?? ["/usr/libexec/qemu-kvm"].first { access($0, X_OK) == 0 }
        if let path = facts.qemu.path { facts.qemu.version = version(printedBy: path) }
        facts.qemuImg.path = find("qemu-img")
        facts.swtpm.path = find("swtpm")
        facts.dnsmasq.path = find("dnsmasq")
        facts.nft.path = find("nft")
        if facts.isRoot, let nft = facts.nft.path, let chains = ProgramOutput.of(nft, ["list", "chains"], seconds: 5) {
            facts.droppingChains = droppingChains(chains).filter { chain in
                let text = ProgramOutput.of(nft, ["list", "chain"] + chain.split(separator: " ").map(String.init), seconds: 5)
                return text.map { !allowsBridges($0) } ?? true
            }
            // The second name is that of versions before 1.0.
            if chains.contains("table inet firewalld") {
                facts.firewalldZones =
                    ["filter_FORWARD_ZONES", "filter_FORWARD_IN_ZONES"].lazy
                    .compactMap { ProgramOutput.of(nft, ["list", "chain", "inet", "firewalld", $0], seconds: 5) }.first
            }
        }
        facts.uefiFirmware = [
            "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_CODE.fd",
            "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/qemu/ovmf-x86_64-code.bin",
        ].first { access($0, R_OK) == 0 }
    }

    /// Those of the chains that `nft list chains` shows which are hooked to forwarding and drop by policy, as
    /// `family table chain`; of the families that see what leaves a bridge.
    static func droppingChains(_ chains: String) -> [String] {
        var (table, chain, found) = ("", "", [String]())
        for line in chains.split(separator: "\n") {
            let words = line.split(whereSeparator: \.isWhitespace)
            switch words.first {
            case "table" where words.count > 2: table = "\(words[1]) \(words[2])"
            case "chain" where words.count > 1: chain = String(words[1])
            default: break
            }
            let isSeen = ["ip ", "ip6 ", "inet "].contains { table.hasPrefix($0) }
            if isSeen, line.contains("hook forward"), line.contains("policy drop") { found.append("\(table) \(chain)") }
        }
        return found
    }

    /// Whether a chain that `nft list chain` shows lets through what comes from and goes to networks' bridges.
    static func allowsBridges(_ chain: String) -> Bool {
        ["iifname", "oifname"].allSatisfy { word in
            chain.split(separator: "\n").contains { $0.contains("\(word) \"virbr") && $0.contains("accept") }
        }
    }

    /// `name` in PATH or where system programs are.
    private static func find(_ name: String) -> String? {
        let directories = (Environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (directories + ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]).map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// `7.2.22` of a first line `QEMU emulator version 7.2.22 (Debian …)`.
    private static func version(printedBy program: String) -> String? {
        guard let text = ProgramOutput.of(program, ["--version"], seconds: 5) else { return nil }
        let words = text.split(whereSeparator: \.isWhitespace)
        guard let index = words.firstIndex(of: "version"), index + 1 < words.count else { return nil }
        return String(words[index + 1])
    }

    private static func resources(_ facts: inout HostFacts, paths: HostPaths) {
        for line in (FileText.read("/proc/meminfo", limit: 1 << 14) ?? "").split(separator: "\n")
        where line.hasPrefix("MemAvailable:") {
            facts.availableMemory =
                line.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.flatMap(ByteCount.init(kibibytes:))?.bytes
                ?? 0
        }
        facts.runDirectory = paths.run.string
        facts.runDirectoryIsWritable = nearestExisting(paths.run).map { access($0.string, W_OK | X_OK) == 0 } ?? false
        facts.stateDirectory = paths.state.string
        var space = statvfs()
        if let directory = nearestExisting(paths.state), statvfs(directory.string, &space) == 0 {
            facts.freeSpace = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize)).partialValue
        }
    }

    private static func nearestExisting(_ path: FilePath) -> FilePath? {
        var path = path
        while access(path.string, F_OK) != 0 { guard path.removeLastComponent() else { return nil } }
        return path
    }

    private static func name(ofUser uid: UInt32) -> String {
        getpwuid(uid).map { String(cString: $0.pointee.pw_name) } ?? "\(uid)"
    }

    private static func groupNames() -> Set<String> {
        var ids = [gid_t](repeating: 0, count: 1024)
        let count = max(0, Int(getgroups(CInt(ids.count), &ids)))
        return Set((ids.prefix(count) + [getegid()]).compactMap { getgrgid($0).map { String(cString: $0.pointee.gr_name) } })
    }
}
