// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import SystemPackage
internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// A guest's screen, keyboard and lines; QEMU's monitor.
    mutating func addDomainAccess() {
        addTerminals()
        addScreen()
        addMonitor()
        addPeeking()
        fast(RemoteCalls.domainGetSecurityLabel) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainGetSecurityLabelRet(label: [0], enforcing: 0)
        }
        fast(RemoteCalls.domainGetSecurityLabelList) { args, call in
            _ = try call.domain(args.dom)
            return RemoteDomainGetSecurityLabelListRet(labels: [], ret: 0)
        }
    }

    private mutating func addPeeking() {
        on(RemoteCalls.domainBlockPeek) { args, call in
            let bytes = try await call.domain(args.dom).peekDisk(args.path, at: args.offset, count: Int(args.size))
            return RemoteDomainBlockPeekRet(buffer: bytes)
        }
        on(RemoteCalls.domainMemoryPeek) { args, call in
            guard args.flags == Libvirt.VIR_MEMORY_VIRTUAL || args.flags == Libvirt.VIR_MEMORY_PHYSICAL else {
                throw VireoError(.invalidArg, "flags parameter must be VIR_MEMORY_VIRTUAL or VIR_MEMORY_PHYSICAL", origin: .qemu)
            }
            let bytes = try await call.domain(args.dom).peekMemory(
                at: args.offset, count: Int(args.size), isPhysical: args.flags == Libvirt.VIR_MEMORY_PHYSICAL)
            return RemoteDomainMemoryPeekRet(buffer: bytes)
        }
    }

    private mutating func addTerminals() {
        on(RemoteCalls.domainOpenConsole) { args, call in
            let force = args.flags & UInt32(Libvirt.VIR_DOMAIN_CONSOLE_FORCE) != 0
            let session = try await call.domain(args.dom).openConsole(args.devName, force: force)
            await call.openStream { stream in await Self.connect(stream, session) }
            return XDRVoid()
        }
        on(RemoteCalls.domainOpenChannel) { args, call in
            let force = args.flags & UInt32(Libvirt.VIR_DOMAIN_CHANNEL_FORCE) != 0
            let session = try await call.domain(args.dom).openChannel(args.name, force: force)
            await call.openStream { stream in await Self.connect(stream, session) }
            return XDRVoid()
        }
    }

    /// Moves bytes both ways until one side has no more, or the client goes.
    private static func connect(_ stream: CallStream, _ session: TerminalSession) async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while let bytes = await session.stream.read() {
                    guard (try? await stream.send(ByteBuffer(bytes: bytes))) != nil else { return }
                }
            }
            tasks.addTask {
                while case let inputs = await stream.next(), !inputs.isEmpty {
                    for case .data(let bytes) in inputs {
                        guard (try? await session.stream.write(Array(bytes.readableBytesView))) != nil else { return }
                    }
                }
            }
            await tasks.next()
            tasks.cancelAll()
        }
        await session.close()
    }

    private mutating func addScreen() {
        on(RemoteCalls.domainScreenshot) { args, call in
            let picture = try await call.domain(args.dom).screenshot(screen: args.screen, client: call.client)
            await call.openStream { stream in try await stream.send(ByteBuffer(bytes: picture.bytes)) }
            return RemoteDomainScreenshotRet(mime: picture.type)
        }
        on(RemoteCalls.domainSendKey) { args, call in
            guard let set = KeyCodeSet(rawValue: args.codeset) else {
                throw VireoError(.invalidArg, "Unsupported codeset: \(args.codeset)", origin: .domain)
            }
            try await call.domain(args.dom).sendKeys(args.keycodes, in: set, holdMilliseconds: args.holdtime, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainInjectNmi) { args, call in
            try await call.domain(args.dom).injectNMI(client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainOpenGraphics) { args, call in
            let descriptors = call.takeDescriptors()
            defer { for descriptor in descriptors { try? descriptor.close() } }
            guard let descriptor = descriptors.first else {
                throw VireoError(.internalError, "No FD available at slot 0", origin: .rpc)
            }
            let skips = args.flags & UInt32(Libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH) != 0
            try await call.domain(args.dom).openGraphics(
                Int(args.idx), descriptor: descriptor.rawValue, skipsAuthentication: skips, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainOpenGraphicsFd) { args, call in
            let skips = args.flags & UInt32(Libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH) != 0
            let descriptor = try await call.domain(args.dom).openGraphics(
                Int(args.idx), skipsAuthentication: skips, client: call.client)
            call.attach(OwnedDescriptor(adopting: descriptor))
            return XDRVoid()
        }
    }

    private mutating func addMonitor() {
        on(QemuCalls.domainMonitorCommand) { args, call in
            let result = try await call.domain(args.dom).monitorCommand(
                args.cmd, isHuman: args.flags & UInt32(Libvirt.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) != 0, client: call.client)
            return QemuDomainMonitorCommandRet(result: result)
        }
        on(QemuCalls.domainMonitorCommandWithFiles) { args, call in
            let descriptors = call.takeDescriptors()
            defer { for descriptor in descriptors { try? descriptor.close() } }
            guard descriptors.count <= 1 else {
                throw VireoError(.invalidArg, "at most one file descriptor can go along with a command", origin: .domain)
            }
            let result = try await call.domain(args.dom).monitorCommand(
                args.cmd, isHuman: args.flags & UInt32(Libvirt.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP) != 0,
                passing: descriptors.first?.rawValue, client: call.client)
            return QemuDomainMonitorCommandWithFilesRet(result: result)
        }
        on(RemoteCalls.domainStartDirtyRateCalc) { args, call in
            let bitmap = args.flags & UInt32(Libvirt.VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_BITMAP) != 0
            let ring = args.flags & UInt32(Libvirt.VIR_DOMAIN_DIRTYRATE_MODE_DIRTY_RING) != 0
            let mode = bitmap ? "dirty-bitmap" : ring ? "dirty-ring" : "page-sampling"
            try await call.domain(args.dom).measureDirtyRate(seconds: Int(args.seconds), mode: mode, client: call.client)
            return XDRVoid()
        }
    }
}
