// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A change of a display of a running domain: its password, and for how long it holds.
package struct GraphicsUpdate: Hashable, Sendable {
    /// Where the display is among those of the domain.
    package var index: Int
    /// The display as it will be.
    package var new: Graphics
    package var plan: MonitorPlan

    /// Finds the display of the same type and checks that nothing else of it changes.
    ///
    /// - Throws: `deviceMissing`; `operationUnsupported` naming what cannot be changed; `xmlError` for a bad end of validity.
    package init(_ wanted: Graphics, in domain: Domain) throws(VireoError) {
        let type = wanted.kind.typeWord
        guard let index = domain.devices.graphics.firstIndex(where: { $0.kind.typeWord == type }) else {
            throw VireoError(
                .deviceMissing, "cannot find existing graphics device to modify of type '\(type)'", origin: .qemu)
        }
        func refuse(_ what: String) -> VireoError {
            VireoError(.operationUnsupported, "cannot change \(what) on \(type) graphics", origin: .qemu)
        }
        func checkListens(_ new: [Graphics.Listen], _ old: [Graphics.Listen]) throws(VireoError) {
            guard new.count == old.count else { throw refuse("the number of listen addresses") }
            for (new, old) in zip(new, old) where new != old {
                switch (new, old) {
                case (.address(nil), .address), (.socket(nil), .socket): continue
                case (.network(let name, _), .network(let oldName, _)) where name == oldName: continue
                default: throw refuse("listen address setting")
                }
            }
        }
        self.index = index
        new = domain.devices.graphics[index]
        switch (wanted.kind, new.kind) {
        case (.vnc(var vnc), .vnc(var old)):
            if vnc.listens.isEmpty { vnc.listens = [.address(nil)] }
            try checkListens(vnc.listens, old.listens)
            guard vnc.autoPort == old.autoPort || (vnc.port ?? -1) == -1, vnc.autoPort || (vnc.port ?? old.port) == old.port
            else { throw refuse("port settings") }
            guard vnc.keymap == old.keymap else { throw refuse("keymap setting") }
            plan = try Self.plan(vnc.password, old.password, protocol: "vnc")
            old.password = vnc.password
            new.kind = .vnc(old)
        case (.spice(var spice), .spice(var old)):
            if spice.listens.isEmpty { spice.listens = [.address(nil)] }
            try checkListens(spice.listens, old.listens)
            guard spice.autoPort == old.autoPort,
                spice.autoPort || (spice.port == old.port && spice.tlsPort == old.tlsPort)
            else { throw refuse("port settings") }
            guard spice.keymap == old.keymap else { throw refuse("keymap setting") }
            plan = try Self.plan(spice.password, old.password, protocol: "spice")
            old.password = spice.password
            new.kind = .spice(old)
        default:
            throw VireoError(.internalError, "unable to change config on '\(type)' graphics type", origin: .qemu)
        }
    }

    private static func plan(
        _ new: Graphics.Password, _ old: Graphics.Password, protocol name: String
    ) throws(VireoError) -> MonitorPlan {
        guard new != old || new.validTo != nil || new.connected == .disconnect else { return MonitorPlan() }
        return MonitorPlan(try StartupCommand.password(new, protocol: name).map { MonitorPlan.Step($0) })
    }
}
