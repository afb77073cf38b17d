// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoHost
internal import VireoQEMU
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// What the hypervisor offers: its version, its capabilities, what a domain can have.
    mutating func addCapabilities() {
        on(RemoteCalls.connectGetVersion) { _, call in
            RemoteConnectGetVersionRet(hvVer: try await call.hypervisor.capabilities().version.number)
        }
        on(RemoteCalls.connectGetCapabilities) { _, call in
            RemoteConnectGetCapabilitiesRet(capabilities: await call.hypervisor.hostCapabilities().xml)
        }
        on(RemoteCalls.connectGetDomainCapabilities) { args, call in
            let capabilities = try await call.hypervisor.domainCapabilities(
                emulator: args.emulatorbin, architecture: args.arch, machine: args.machine, domainType: args.virttype)
            return RemoteConnectGetDomainCapabilitiesRet(capabilities: capabilities.xml)
        }
        on(RemoteCalls.connectGetMaxVcpus) { args, call in
            // libvirt's answers: a constant for emulation, the kernel's limit for KVM.
            switch args.type?.lowercased() {
            case nil, "qemu": return RemoteConnectGetMaxVcpusRet(maxVcpus: 16)
            case "kvm":
                let capabilities = try await call.hypervisor.domainCapabilities(
                    emulator: nil, architecture: nil, machine: nil, domainType: "kvm")
                return RemoteConnectGetMaxVcpusRet(maxVcpus: Int32(clamping: capabilities.maximumCPUs))
            case let other?: throw VireoError(.invalidArg, "unknown type '\(other)'")
            }
        }
        fast(RemoteCalls.nodeGetSevInfo) { _, _ in
            throw VireoError(.operationUnsupported, "QEMU does not support SEV guest")
        }
        fast(RemoteCalls.nodeSuspendForDuration) { args, _ in
            guard args.target <= 2 else { throw VireoError(.invalidArg, "Invalid target \(args.target)") }
            throw VireoError(.argumentUnsupported, "suspending the host is not supported")
        }
        // No pools yet: the kinds are told, none is supported.
        fast(RemoteCalls.connectGetStoragePoolCapabilities) { _, _ in
            let kinds = [
                "dir", "fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "sheepdog", "gluster",
                "zfs", "vstorage",
            ]
            let lines = kinds.map { "  <pool type='\($0)' supported='no'/>\n" }.joined()
            return RemoteConnectGetStoragePoolCapabilitiesRet(
                capabilities: "<storagepoolCapabilities>\n\(lines)</storagepoolCapabilities>\n")
        }
        addCPUModels()
        addCPUComparison()
        on(RemoteCalls.connectDomainXmlToNative) { args, call in
            guard args.nativeFormat == "qemu-argv" else {
                throw VireoError(.invalidArg, "unsupported config type \(args.nativeFormat)")
            }
            let arguments = try await call.hypervisor.nativeArguments(xml: args.domainXml)
            return RemoteConnectDomainXmlToNativeRet(nativeConfig: Self.shellText(arguments))
        }
    }

    /// One option with its argument on each line, quoted for a shell where that is needed.
    private static func shellText(_ arguments: [String]) -> String {
        var text = ""
        for argument in arguments {
            let isPlain =
                !argument.isEmpty
                && argument.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"):
                        true
                    default: "-_.,:=/@%+".utf8.contains(byte)
                    }
                }
            let quoted =
                isPlain
                ? argument
                : "'" + argument.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
            if !text.isEmpty { text += argument.hasPrefix("-") ? " \\\n" : " " }
            text += quoted
        }
        return text + "\n"
    }

    private mutating func addCPUComparison() {
        on(RemoteCalls.connectCompareCpu) { args, call in
            let failing = args.flags & Libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE != 0
            return RemoteConnectCompareCpuRet(result: try call.hypervisor.compareCPU(xml: args.xml, failing: failing).rawValue)
        }
        on(RemoteCalls.connectCompareHypervisorCpu) { args, call in
            let failing = args.flags & Libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE != 0
            let result = try await call.hypervisor.compareCPU(
                xml: args.xmlCPU, emulator: args.emulator, architecture: args.arch, domainType: args.virttype, failing: failing)
            return RemoteConnectCompareHypervisorCpuRet(result: result.rawValue)
        }
        on(RemoteCalls.connectBaselineCpu) { args, call in
            RemoteConnectBaselineCpuRet(
                cpu: try call.hypervisor.baselineCPU(
                    of: args.xmlCPUs, expanded: args.flags & Libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES != 0,
                    migratable: args.flags & Libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE != 0))
        }
        on(RemoteCalls.connectBaselineHypervisorCpu) { args, call in
            RemoteConnectBaselineHypervisorCpuRet(
                cpu: try await call.hypervisor.baselineCPU(
                    of: args.xmlCPUs, emulator: args.emulator, architecture: args.arch, domainType: args.virttype,
                    expanded: args.flags & Libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES != 0,
                    migratable: args.flags & Libvirt.VIR_CONNECT_BASELINE_CPU_MIGRATABLE != 0))
        }
    }

    private mutating func addCPUModels() {
        fast(RemoteCalls.connectGetCpuModelNames) { args, _ in
            guard ["x86_64", "i686"].contains(args.arch) else {
                guard Libvirt.architectures.contains(args.arch) else {
                    throw VireoError(.invalidArg, "cannot find architecture \(args.arch)", origin: .cpu)
                }
                return RemoteConnectGetCpuModelNamesRet(models: [], ret: 0)
            }
            let names = X86Model.all.map(\.name)
            return RemoteConnectGetCpuModelNamesRet(
                models: args.needResults == 0 ? [] : names, ret: Int32(clamping: names.count))
        }
    }
}

extension Libvirt {
    /// Guest architectures that libvirt has names for.
    static let architectures: Set<String> = [
        "alpha", "armv6l", "armv7l", "armv7b", "aarch64", "cris", "i686", "ia64", "lm32", "loongarch64", "m68k", "microblaze",
        "microblazeel", "mips", "mipsel", "mips64", "mips64el", "openrisc", "parisc", "parisc64", "ppc", "ppc64", "ppc64le",
        "ppcemb", "riscv32", "riscv64", "s390", "s390x", "sh4", "sh4eb", "sparc", "sparc64", "unicore32", "x86_64", "xtensa",
        "xtensaeb",
    ]
}
