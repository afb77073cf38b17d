// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// Judges a host: a pure function of its facts.
enum Diagnosis {
    /// QEMU before this is not tried against; its release is of April 2021.
    static let oldestQEMU = 6
    /// Below this, an ordinary guest does not fit.
    static let scarceMemory = ByteCount.mebibytes(512)
    static let scarceSpace = ByteCount.gibibytes(2)

    /// The findings, in the order of what to cure first.
    static func findings(_ facts: HostFacts) -> [Finding] {
        [
            kvm(facts), nested(facts), qemu(facts), qemuImg(facts), uefi(facts), tpm(facts), tun(facts), vhost(facts),
            networks(facts), forwarding(facts), zones(facts), cgroups(facts), memory(facts), directories(facts), space(facts),
            daemon(facts),
            chains(facts),
        ].compactMap { $0 }
    }

    private static func kvm(_ facts: HostFacts) -> Finding {
        let sudo = facts.isRoot ? "" : "sudo "
        let slowly = "machines run, but slowly (emulated)"
        switch facts.kvm {
        case .works:
            return .good("KVM", "a virtual CPU ran an instruction")
        case .forbidden:
            let group = facts.kvmGroup ?? "kvm"
            let text = "\(facts.userName) may not open /dev/kvm; \(slowly)"
            guard facts.groups.contains(group) || group == "root" else {
                return .warning("KVM", text, cure: "sudo usermod -aG \(group) \(facts.userName)    (then log in again)")
            }
            return .warning("KVM", text, cure: "sudo chmod 0660 /dev/kvm && sudo chgrp kvm /dev/kvm")
        case .missing where !facts.hasVirtualisationFlag:
            let where_ =
                facts.isVirtualMachine
                ? "this host is itself a virtual machine without nested virtualisation"
                : "the CPU offers no virtualisation; it may be off in the firmware's settings"
            return .warning("KVM", "\(where_); \(slowly)", cure: nil)
        case .missing:
            let module = facts.cpuVendor == .amd ? "kvm_amd" : "kvm_intel"
            let text = facts.hasKVMModule ? "the module is loaded, but /dev/kvm is missing" : "the module \(module) is not loaded"
            return .warning("KVM", "\(text); \(slowly)", cure: "\(sudo)modprobe \(module)")
        case .broken(let step):
            let hint = facts.isVirtualMachine ? "; the hypervisor below this host does not really offer it" : ""
            return .warning("KVM", "/dev/kvm is there but does not work (\(step))\(hint); \(slowly)", cure: nil)
        case .hangs:
            return .warning(
                "KVM", "/dev/kvm is there, but a few instructions took seconds: the host below emulates them; \(slowly)",
                cure: nil)
        }
    }

    private static func nested(_ facts: HostFacts) -> Finding? {
        guard facts.kvm == .works, let nested = facts.nested else { return nil }
        if nested { return .good("nested", "guests can run virtual machines themselves") }
        let module = facts.cpuVendor == .amd ? "kvm_amd" : "kvm_intel"
        let sudo = facts.isRoot ? "" : "sudo "
        return .warning(
            "nested", "guests cannot run virtual machines themselves",
            cure: "echo 'options \(module) nested=1' | \(sudo)tee /etc/modprobe.d/vireo-nested.conf    (then restart the host)")
    }

    private static func qemu(_ facts: HostFacts) -> Finding {
        let cure = facts.packages.install(.qemu, asRoot: facts.isRoot)
        guard let path = facts.qemu.path else {
            return .failure("QEMU", "qemu-system-\(facts.architecture) is not installed", cure: cure)
        }
        guard let version = facts.qemu.version else {
            return .failure("QEMU", "\(path) does not run", cure: cure)
        }
        guard let major = version.split(separator: ".").first.flatMap({ Int($0) }), major >= oldestQEMU else {
            return .warning("QEMU", "\(path) is of version \(version), older than \(oldestQEMU).0", cure: cure)
        }
        return .good("QEMU", "\(path), version \(version)")
    }

    private static func qemuImg(_ facts: HostFacts) -> Finding {
        if let path = facts.qemuImg.path { return .good("qemu-img", path) }
        return .warning(
            "qemu-img", "not installed; new disks can only be raw images",
            cure: facts.packages.install(.qemuImg, asRoot: facts.isRoot))
    }

    private static func uefi(_ facts: HostFacts) -> Finding {
        if let path = facts.uefiFirmware { return .good("UEFI", path) }
        return .warning(
            "UEFI", "no firmware is installed; machines start with BIOS only",
            cure: facts.packages.install(.uefi, asRoot: facts.isRoot))
    }

    private static func tpm(_ facts: HostFacts) -> Finding {
        if let path = facts.swtpm.path { return .good("TPM", path) }
        return .warning(
            "TPM", "swtpm is not installed; machines cannot have a TPM",
            cure: facts.packages.install(.swtpm, asRoot: facts.isRoot))
    }

    private static func tun(_ facts: HostFacts) -> Finding {
        if facts.deviceNodes.contains("net/tun") { return .good("tun", "taps for bridged networks can be made") }
        return .warning(
            "tun", "/dev/net/tun is missing; machines have user-mode networks only",
            cure: "\(facts.isRoot ? "" : "sudo ")modprobe tun")
    }

    private static func vhost(_ facts: HostFacts) -> Finding? {
        if facts.deviceNodes.contains("vhost-net") { return .good("vhost", "bridged networks run in the kernel") }
        guard facts.isRoot, facts.kvm == .works else { return nil }
        return .warning("vhost", "vhost_net is not loaded; bridged networks are slower", cure: "modprobe vhost_net")
    }

    private static func networks(_ facts: HostFacts) -> Finding? {
        // An ordinary user's daemon makes no networks.
        guard facts.isRoot else { return nil }
        for (program, need) in [(facts.dnsmasq, PackageManager.Need.dnsmasq), (facts.nft, .nft)] where program.path == nil {
            return .warning(
                "networks", "\(need == .nft ? "nft" : "dnsmasq") is not installed; virtual networks cannot be started",
                cure: facts.packages.install(need, asRoot: true))
        }
        return .good("networks", "dnsmasq and nft are there")
    }

    private static func forwarding(_ facts: HostFacts) -> Finding? {
        guard !facts.droppingChains.isEmpty else { return nil }
        let commands = facts.droppingChains.flatMap { chain in
            facts.bridges.flatMap { bridge in
                ["iifname", "oifname"].map { "insert rule \(chain) \($0) \"\(bridge)\" accept" }
            }
        }
        return .warning(
            "forwarding",
            "a firewall, as Docker's, drops what is forwarded (\(facts.droppingChains.joined(separator: ", "))); machines on networks do not get out",
            cure: "nft '\(commands.joined(separator: "; "))'")
    }

    /// firewalld rejects what comes from interfaces of its default zone.
    private static func zones(_ facts: HostFacts) -> Finding? {
        guard let zones = facts.firewalldZones else { return nil }
        let missing = facts.bridges.filter { bridge in
            // `virbr*` stands for bridges of which each may be named by itself.
            !zones.contains("iifname \"\(bridge.hasSuffix("*") ? String(bridge.dropLast()) : "\(bridge)\"")")
        }
        guard !missing.isEmpty else { return nil }
        let options = missing.map { "--add-interface=\($0.replacing("*", with: "+"))" }.joined(separator: " ")
        return .warning(
            "firewalld",
            "\(missing.joined(separator: ", ")) in none of its zones; machines on networks get no address and do not get out",
            cure: "firewall-cmd --permanent --zone=trusted \(options) && firewall-cmd --reload")
    }

    private static func cgroups(_ facts: HostFacts) -> Finding {
        switch facts.cgroup {
        case .none:
            return .warning(
                "cgroups", "not mounted; machines cannot be limited or counted",
                cure: "\(facts.isRoot ? "" : "sudo ")mount -t cgroup2 none /sys/fs/cgroup")
        case .v1:
            return .good("cgroups", "version 1")
        case .v2:
            let missing = ["cpu", "memory"].filter { !facts.cgroupControllers.contains($0) }
            if missing.isEmpty {
                return .good("cgroups", "version 2 with \(facts.cgroupControllers.sorted().joined(separator: ", "))")
            }
            let text = "version 2 without \(missing.joined(separator: " and ")); machines cannot be limited"
            let wanted = missing.map { "+\($0)" }.joined(separator: " ")
            return .warning(
                "cgroups", text,
                cure: facts.isRoot
                    ? "echo '\(wanted)' > /sys/fs/cgroup/cgroup.subtree_control"
                    : "sudo systemctl set-property user-\(facts.uid).slice Delegate=yes")
        }
    }

    private static func memory(_ facts: HostFacts) -> Finding {
        let available = ByteCount(bytes: facts.availableMemory)
        if available >= scarceMemory { return .good("memory", "\(Format.bytes(available.bytes)) available") }
        return .warning("memory", "only \(Format.bytes(available.bytes)) available", cure: nil)
    }

    private static func directories(_ facts: HostFacts) -> Finding? {
        guard !facts.runDirectoryIsWritable else { return nil }
        let cure =
            facts.isRoot
            ? "mkdir -p \(facts.runDirectory)" : "sudo loginctl enable-linger \(facts.userName)    (then log in again)"
        return .failure(
            "directories", "\(facts.runDirectory) cannot be written; the daemon has no place for its sockets", cure: cure)
    }

    private static func space(_ facts: HostFacts) -> Finding? {
        guard let free = facts.freeSpace else { return nil }
        if free >= scarceSpace.bytes { return .good("space", "\(Format.bytes(free)) free for \(facts.stateDirectory)") }
        return .warning("space", "only \(Format.bytes(free)) free for \(facts.stateDirectory)", cure: "du -xh / | sort -h | tail")
    }

    private static func chains(_ facts: HostFacts) -> Finding? {
        guard let deep = facts.deepChains else { return nil }
        guard let first = deep.first else { return .good("chains", "no disk stands on too many layers") }
        let more = deep.count > 1 ? ", and \(deep.count - 1) more" : ""
        return .warning("chains", "\(first) stands on many layers\(more)", cure: "vireo chain show    (then vireo chain compact)")
    }

    private static func daemon(_ facts: HostFacts) -> Finding {
        if let version = facts.daemon { return .good("vireod", "version \(version) answers at \(facts.daemonSocket)") }
        guard facts.hasDaemonBinary else {
            return .failure("vireod", "is neither beside the vireo command nor in PATH", cure: "make install")
        }
        if !facts.isRoot { return .good("vireod", "does not run; 'vireo run' starts it") }
        return .warning("vireod", "does not run", cure: "systemctl enable --now vireod")
    }
}
