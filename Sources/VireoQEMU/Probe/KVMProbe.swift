// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore

/// Finds out whether KVM works, by having it run a few instructions in a child process.
///
/// `/dev/kvm` can be there, open and answer its version, and yet run nothing, or a thousand times too slowly to boot a
/// kernel: in a guest without nesting, in a container, with a broken module. Guests with KVM would then hang or fail.
package enum KVMProbe {
    /// - Parameter deadline: after which KVM counts as unusable. A child that hangs in the kernel is killed and left to it.
    package static func run(deadline: Duration = .seconds(2)) async -> KVMUsability {
        var (pid, pidfd, reportDescriptor) = (pid_t(-1), CInt(-1), CInt(-1))
        guard vireo_kvm_probe(&pid, &pidfd, &reportDescriptor) == 0 else {
            return .unusable(reason: "the probe cannot be started: \(Errno(rawValue: errno))")
        }
        let report = OwnedDescriptor(adopting: FileDescriptor(rawValue: reportDescriptor))
        let process: WatchedProcess
        do {
            process = try WatchedProcess.watch(pid: pid, pidfd: OwnedDescriptor(adopting: FileDescriptor(rawValue: pidfd)))
        } catch {
            return .unusable(reason: "the probe cannot be watched: \(error)")
        }
        guard let status = await process.exit.wait(upTo: deadline) else {
            try? process.signal(SIGKILL)
            return .unusable(reason: "running a few instructions did not end within \(deadline)")
        }
        guard status != .killed(signal: SIGPROF) else {
            return .unusable(reason: "it runs guests far too slowly, as if it emulated each instruction")
        }
        var result = vireo_kvm_report()
        let count = withUnsafeMutableBytes(of: &result) { read(report.rawValue, $0.baseAddress, $0.count) }
        guard count == MemoryLayout<vireo_kvm_report>.size else {
            return .unusable(reason: "the probe was killed while it used KVM")
        }
        return usability(stage: result.stage, error: Errno(rawValue: result.error), detail: result.detail)
    }

    private static func usability(stage: Int32, error: Errno, detail: Int32) -> KVMUsability {
        let what: String
        switch UInt32(bitPattern: stage) {
        case VIREO_KVM_WORKS.rawValue: return .usable
        case VIREO_KVM_OPEN.rawValue: what = "opening /dev/kvm"
        case VIREO_KVM_API_VERSION.rawValue: what = "asking for its version (answer \(detail), expected 12)"
        case VIREO_KVM_CREATE_VM.rawValue: what = "creating a virtual machine"
        case VIREO_KVM_MEMORY.rawValue: what = "giving a virtual machine memory"
        case VIREO_KVM_CREATE_VCPU.rawValue: what = "creating a virtual CPU"
        case VIREO_KVM_REGISTERS.rawValue: what = "setting the registers of a virtual CPU"
        default: what = "running a few instructions (exit reason \(detail))"
        }
        return .unusable(reason: "\(what) failed" + (error.rawValue == 0 ? "" : ": \(error)"))
    }
}
