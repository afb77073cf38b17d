// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

internal import VireoCore
internal import VireoRPC
internal import VireoService

extension HandlerTable {
    /// Attaching, detaching and changing devices.
    mutating func addDomainDevices() {
        on(RemoteCalls.domainAttachDevice) { args, call in
            try await call.domain(args.dom).attachDevice(args.xml, scope: .live, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainAttachDeviceFlags) { args, call in
            try await call.domain(args.dom).attachDevice(
                args.xml, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDetachDevice) { args, call in
            try await call.domain(args.dom).detachDevice(args.xml, scope: .live, client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDetachDeviceFlags) { args, call in
            try await call.domain(args.dom).detachDevice(
                args.xml, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainDetachDeviceAlias) { args, call in
            try await call.domain(args.dom).detachDevice(
                alias: args.alias, scope: ChangeScope(flags: args.flags), client: call.client)
            return XDRVoid()
        }
        on(RemoteCalls.domainUpdateDeviceFlags) { args, call in
            let force = args.flags & UInt32(Libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE) != 0
            try await call.domain(args.dom).updateDevice(
                args.xml, scope: ChangeScope(flags: args.flags), force: force, client: call.client)
            return XDRVoid()
        }
    }
}
