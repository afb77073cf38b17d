// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import SystemPackage
import VireoCore
import VireoModel

/// The host's end of a guest's sockets: `/dev/vhost-vsock`, opened for one start, with the context id that the guest has.
///
/// The kernel keeps the id for as long as QEMU has the descriptor, so two guests cannot have the same one.
final class VsockDevice: Sendable {
    let descriptor: OwnedDescriptor
    let cid: Int

    private init(_ descriptor: consuming OwnedDescriptor, cid: Int) {
        self.descriptor = descriptor
        self.cid = cid
    }

    static let path: FilePath = "/dev/vhost-vsock"

    /// Opens the device and takes the context id that `vsock` names, or the first free one where it leaves that open. Blocks.
    ///
    /// - Throws: `systemError`, as libvirt, when the host has no such device, or the id is another guest's.
    static func open(for vsock: Vsock, at path: FilePath = path) throws(VireoError) -> VsockDevice {
        let opened: FileDescriptor
        do {
            opened = try FileDescriptor.open(path, .readWrite, options: .closeOnExec)
        } catch {
            let hint = (error as? Errno) == .noSuchFileOrDirectory ? "; load the module vhost_vsock" : ""
            throw VireoError(.systemError, "unable to open vhost-vsock device '\(path)': \(error)\(hint)", cause: error)
        }
        let descriptor = OwnedDescriptor(adopting: opened)
        let cid = try choose(vsock.autoCID == true ? nil : vsock.cid) { cid in
            vireo_vsock_set_cid(opened.rawValue, cid) == 0 ? nil : Errno(rawValue: errno)
        }
        return VsockDevice(descriptor, cid: cid)
    }

    /// Ids below are the hypervisor's, the host's and the loopback's.
    private static let firstCID: UInt64 = 3
    /// How many ids are tried: more than a host has guests.
    private static let attempts: UInt64 = 1 << 16

    /// Finds the id that `take` accepts: `wanted`, else the lowest that nobody has.
    ///
    /// - Parameter take: nil when the id is ours, else why not; `addressInUse` when it is another guest's.
    static func choose(_ wanted: Int?, _ take: (UInt64) -> Errno?) throws(VireoError) -> Int {
        if let wanted {
            guard let error = take(UInt64(clamping: wanted)) else { return wanted }
            let why = error == .addressInUse ? "another guest has it" : "\(error)"
            throw VireoError(.systemError, "failed to set guest cid \(wanted) of the vsock device: \(why)", cause: error)
        }
        for cid in firstCID..<firstCID + attempts {
            guard let error = take(cid) else { return Int(cid) }
            guard error == .addressInUse else {
                throw VireoError(.systemError, "failed to acquire guest cid for the vsock device: \(error)", cause: error)
            }
        }
        throw VireoError(.systemError, "failed to acquire guest cid for the vsock device: the first \(attempts) are taken")
    }
}
