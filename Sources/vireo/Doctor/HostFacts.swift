// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What a host says of itself; gathered by `HostSurvey`, judged by `Diagnosis`.
struct HostFacts: Hashable, Sendable {
    enum CPUVendor: String, Hashable, Sendable { case intel, amd, other }

    enum KVMState: Hashable, Sendable {
        /// A guest instruction ran.
        case works
        /// There is no `/dev/kvm`.
        case missing
        /// The device may not be opened.
        case forbidden
        /// The device is there, but a virtual machine could not be made or run: at which step, and the error.
        case broken(String)
        /// The step took longer than its deadline.
        case hangs
    }

    enum CgroupVersion: Hashable, Sendable { case none, v1, v2 }

    struct Program: Hashable, Sendable {
        /// nil: not in PATH or the usual places.
        var path: String?
        /// What it calls its version, where asked.
        var version: String?
    }

    var uid: UInt32 = 1000
    var userName = "user"
    var architecture = "x86_64"
    var cpuVendor = CPUVendor.other
    /// The CPU says that it has VT-x or AMD-V.
    var hasVirtualisationFlag = false
    /// The CPU says that it is itself in a virtual machine.
    var isVirtualMachine = false
    var kvm = KVMState.missing
    /// The group that owns `/dev/kvm`.
    var kvmGroup: String?
    /// `kvm_intel` or `kvm_amd` is loaded or built in.
    var hasKVMModule = false
    /// The `nested` parameter of the KVM module; nil where it cannot be read.
    var nested: Bool?
    /// Of `tun` and `vhost_net`: the device node exists.
    var deviceNodes: Set<String> = []
    var cgroup = CgroupVersion.none
    /// Version 2: controllers that this user may hand on.
    var cgroupControllers: Set<String> = []
    var qemu = Program()
    var qemuImg = Program()
    var swtpm = Program()
    var dnsmasq = Program()
    var nft = Program()
    /// Chains of firewalls, as Docker's, that drop what is forwarded and say nothing of networks' bridges: `ip filter FORWARD`.
    var droppingChains: [String] = []
    /// firewalld's chain that leads what is forwarded to its zones, as nft shows it; nil where firewalld does not run.
    var firewalldZones: String?
    /// The bridges that networks make, as nft names them; `virbr*` are most of them.
    var bridges = ["virbr*"]
    /// Path of a UEFI firmware image, if there is one.
    var uefiFirmware: String?
    /// The package manager, for cures.
    var packages = PackageManager.apt
    var availableMemory: UInt64 = 0
    var runDirectory = ""
    /// The run directory, or the nearest parent that exists, can be written to.
    var runDirectoryIsWritable = true
    /// Room where state is kept, in bytes; nil if unknown.
    var freeSpace: UInt64?
    var stateDirectory = ""
    /// Version of the daemon that answers, if one does.
    var daemon: String?
    var daemonSocket = ""
    /// Images of machines whose chains are deeper than the daemon wants; nil where it was not asked.
    var deepChains: [String]?
    /// A vireod binary was found.
    var hasDaemonBinary = true
    /// Groups of the user, by name.
    var groups: Set<String> = []

    var isRoot: Bool { uid == 0 }
}

/// How software is installed on this host.
enum PackageManager: String, Hashable, Sendable, CaseIterable {
    case apt, dnf, zypper, pacman

    /// The packages that a cure names, by what is missing.
    enum Need: Hashable, Sendable { case qemu, qemuImg, uefi, swtpm, dnsmasq, nft }

    /// The command that installs what is needed.
    func install(_ need: Need, asRoot: Bool) -> String {
        let package =
            switch (self, need) {
            case (.apt, .qemu): "qemu-system-x86"
            case (.apt, .qemuImg): "qemu-utils"
            case (.apt, .uefi): "ovmf"
            case (.apt, .swtpm): "swtpm"
            case (.apt, .dnsmasq): "dnsmasq-base"
            case (_, .dnsmasq): "dnsmasq"
            case (_, .nft): "nftables"
            case (.dnf, .qemu): "qemu-kvm"
            case (.dnf, .qemuImg): "qemu-img"
            case (.dnf, .uefi): "edk2-ovmf"
            case (.dnf, .swtpm): "swtpm"
            case (.zypper, .qemu): "qemu-x86"
            case (.zypper, .qemuImg): "qemu-tools"
            case (.zypper, .uefi): "qemu-ovmf-x86_64"
            case (.zypper, .swtpm): "swtpm"
            case (.pacman, .qemu): "qemu-base"
            case (.pacman, .qemuImg): "qemu-img"
            case (.pacman, .uefi): "edk2-ovmf"
            case (.pacman, .swtpm): "swtpm"
            }
        let command =
            switch self {
            case .apt: "apt-get install -y \(package)"
            case .dnf: "dnf install -y \(package)"
            case .zypper: "zypper install -y \(package)"
            case .pacman: "pacman -S --noconfirm \(package)"
            }
        return asRoot ? command : "sudo \(command)"
    }
}
