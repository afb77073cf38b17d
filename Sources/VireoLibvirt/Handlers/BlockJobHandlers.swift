// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoModel
internal import VireoQEMU
internal import VireoRPC
internal import VireoService
internal import VireoXML

extension HandlerTable {
    /// Jobs on the chains of disks, and their sizes.
    mutating func addBlockJobs() {
        addBlockJobStarts()
        on(RemoteCalls.domainGetBlockJobInfo) { args, call in
            guard let job = try await call.domain(args.dom).blockJobInformation(args.path) else {
                return RemoteDomainGetBlockJobInfoRet(found: 0, type: 0, bandwidth: 0, cur: 0, end: 0)
            }
            let isInBytes = args.flags & Libvirt.VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES != 0
            let megabytes = job.speed >> 20 + (job.speed & 0xFFFFF == 0 ? 0 : 1)
            return RemoteDomainGetBlockJobInfoRet(
                found: 1, type: job.kind.number, bandwidth: isInBytes ? job.speed : megabytes, cur: job.current, end: job.end)
        }
        on(RemoteCalls.domainBlockJobAbort) { args, call in
            try await call.domain(args.dom).abortBlockJob(
                args.path, pivots: args.flags & Libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT != 0,
                waits: args.flags & Libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_ASYNC == 0, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBlockJobSetSpeed) { args, call in
            let isInBytes = args.flags & Libvirt.VIR_DOMAIN_BLOCK_JOB_SPEED_BANDWIDTH_BYTES != 0
            try await call.domain(args.dom).setBlockJobSpeed(
                args.path, try DomainActor.speed(args.bandwidth, isInBytes: isInBytes), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBlockResize) { args, call in
            var bytes = args.size
            if args.flags & Libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES == 0 {
                guard bytes <= UInt64.max >> 10 else {
                    throw VireoError(.overflow, "size must be less than \(UInt64.max >> 10)", origin: .qemu)
                }
                bytes <<= 10
            }
            try await call.domain(args.dom).resizeDisk(args.disk, to: ByteCount(bytes: bytes), client: call.client)
            return XDRVoid()
        }
    }

    private mutating func addBlockJobStarts() {
        on(RemoteCalls.domainBlockCommit) { args, call in
            try await call.domain(args.dom).blockCommit(
                args.disk, base: args.base, top: args.top, bandwidth: args.bandwidth,
                options: BlockCommitOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBlockPull) { args, call in
            let isInBytes = args.flags & Libvirt.VIR_DOMAIN_BLOCK_PULL_BANDWIDTH_BYTES != 0
            try await call.domain(args.dom).blockPull(
                args.path, base: nil, speed: try DomainActor.speed(args.bandwidth, isInBytes: isInBytes), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBlockRebase) { args, call in
            func has(_ flag: UInt32) -> Bool { args.flags & flag != 0 }
            let speed = try DomainActor.speed(
                args.bandwidth, isInBytes: has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_BANDWIDTH_BYTES))
            let domain = try call.domain(args.dom)
            guard has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY) else {
                // What only makes sense for a copy is refused without it, as by libvirt's library.
                let ofCopies =
                    Libvirt.VIR_DOMAIN_BLOCK_REBASE_SHALLOW | Libvirt.VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT
                    | Libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY_RAW | Libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY_DEV
                guard args.flags & ofCopies == 0 else {
                    throw VireoError(.invalidArg, "flags of a copy need VIR_DOMAIN_BLOCK_REBASE_COPY", origin: .domain)
                }
                try await domain.blockPull(
                    args.path, base: args.base, speed: speed, isRelative: has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_RELATIVE),
                    client: call.client)
                return XDRVoid()
            }
            guard let path = args.base else { throw VireoError(.invalidArg, "a copy needs a destination", origin: .domain) }
            let isDevice = has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY_DEV)
            let destination = CopyDestination(
                source: DiskSource(isDevice ? .block(path) : .file(path)),
                format: has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_COPY_RAW) ? .raw : nil)
            var options: BlockCopyOptions = []
            if has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_SHALLOW) { options.insert(.shallow) }
            if has(Libvirt.VIR_DOMAIN_BLOCK_REBASE_REUSE_EXT) { options.insert(.reuseExternal) }
            try await domain.blockCopy(
                args.path, to: destination, speed: speed, options: options, allowsPersistent: true, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainBlockCopy) { args, call in
            var (speed, tuning): (UInt64, MirrorTuning) = (0, MirrorTuning())
            for parameter in args.params {
                switch (parameter.field, parameter.value) {
                case (Libvirt.VIR_DOMAIN_BLOCK_COPY_BANDWIDTH, .ullong(let value)):
                    speed = try DomainActor.speed(value, isInBytes: true)
                case (Libvirt.VIR_DOMAIN_BLOCK_COPY_GRANULARITY, .uint(let value)):
                    guard value == 0 || value & (value - 1) == 0 else {
                        throw VireoError(.invalidArg, "granularity must be power of 2", origin: .qemu)
                    }
                    if value > 0 { tuning.granularity = value }
                case (Libvirt.VIR_DOMAIN_BLOCK_COPY_BUF_SIZE, .ullong(let value)): if value > 0 { tuning.bufferSize = value }
                default: throw VireoError(.argumentUnsupported, "parameter '\(parameter.field)' not supported", origin: .qemu)
                }
            }
            try await call.domain(args.dom).blockCopy(
                args.path, to: try DomainXML.readCopyDestination(args.destxml), speed: speed, tuning: tuning,
                options: BlockCopyOptions(rawValue: args.flags), client: call.client)
            return XDRVoid()
        }
    }
}
