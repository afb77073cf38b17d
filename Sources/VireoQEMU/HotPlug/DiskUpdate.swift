// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
package import VireoModel

/// A change of a disk of a running domain: another medium in a drive, or what only Vireo looks at.
package struct DiskUpdate: Hashable, Sendable {
    /// The disk as it was.
    package var old: Disk
    /// The disk as it will be.
    package var new: Disk
    /// Whether the medium changes.
    package var changesMedium: Bool

    /// Checks that `wanted` changes nothing of the live disk but what can be changed.
    ///
    /// - Parameter number: of the new medium's top layer; it and those after it were not used in this run before.
    /// - Throws: `operationUnsupported` naming the field; `configUnsupported` for another source of a disk that is no
    ///   drive of removable media.
    package init(_ wanted: Disk, of old: Disk, layer number: Int) throws(VireoError) {
        try Self.check(wanted, old)
        (self.old, new) = (old, old)
        new.source.startupPolicy = wanted.source.startupPolicy
        new.snapshot = wanted.snapshot
        changesMedium = wanted.source.location != old.source.location
        guard changesMedium else { return }
        guard old.kind == .cdrom || old.kind == .floppy else {
            throw VireoError(.configUnsupported, "disk source can be changed only in removable drives", origin: .qemu)
        }
        try LaunchChecks.check(wanted)
        new.source = wanted.source
        new.source.index = wanted.source.isEmpty ? nil : number
        new.driver.format = wanted.source.isEmpty ? nil : wanted.driver.format ?? .raw
        new.backingChain = wanted.source.isEmpty ? nil : wanted.backingChain
        for layer in new.backingChain?.layers.indices ?? 0..<0 {
            new.backingChain?.layers[layer].source.index = number + 1 + layer
        }
    }

    /// Whether `wanted` could be a disk at all.
    ///
    /// - Throws: `noSource`, `configUnsupported`.
    package static func checkSource(_ wanted: Disk) throws(VireoError) { try DomainValidation.checkSource(wanted) }

    private static func check(_ new: Disk, _ old: Disk) throws(VireoError) {
        func same<Value: Equatable>(_ field: String, _ path: KeyPath<Disk, Value?>) throws(VireoError) {
            guard let value = new[keyPath: path], value != old[keyPath: path] else { return }
            throw refuse(field)
        }
        func refuse(_ field: String) -> VireoError {
            VireoError(.operationUnsupported, "cannot modify field '\(field)' of the disk", origin: .qemu)
        }
        if let alias = new.alias, let name = old.alias, alias != name {
            throw VireoError(.operationDenied, "changing device alias is not allowed", origin: .domain)
        }
        if new.kind != old.kind { throw refuse("device") }
        try same("bus", \.bus)
        try same("removable", \.isRemovable)
        try same("geometry", \.geometry)
        if new.blockIO != nil, new.blockIO != old.blockIO { throw refuse("blockio") }
        try same("blkdeviotune", \.tuning)
        try same("serial", \.serial)
        try same("wwn", \.wwn)
        try same("vendor", \.vendor)
        try same("product", \.product)
        try same("cache", \.driver.cache)
        try same("error_policy", \.driver.errorPolicy)
        try same("rerror_policy", \.driver.readErrorPolicy)
        try same("io", \.driver.io)
        try same("ioeventfd", \.driver.ioEventFD)
        try same("event_idx", \.driver.eventIndex)
        try same("copy_on_read", \.driver.copyOnRead)
        try same("discard", \.driver.discard)
        try same("iothread", \.driver.ioThread)
        try same("boot order", \.bootOrder)
        try same("rawio", \.rawIO)
        try same("sgio", \.sgio)
        try same("backenddomain", \.backendDomain)
        if new.isTransient, !old.isTransient { throw refuse("transient") }
        if new.isReadOnly, !old.isReadOnly { throw refuse("readonly") }
        if new.isShareable, !old.isShareable { throw refuse("shared") }
        switch new.address {
        case nil, .unassigned?: break
        case let address where address == old.address: break
        default: throw refuse("address")
        }
    }

    /// Makes the change in the disk as it is by now.
    package func apply(to disk: inout Disk) {
        (disk.source, disk.snapshot) = (new.source, new.snapshot)
        if changesMedium { (disk.driver.format, disk.backingChain) = (new.driver.format, new.backingChain) }
    }

    // MARK: The medium

    /// QEMU's name of the drive.
    package var device: String { StartupCommand.qomPath(of: old, alias: old.alias ?? "") }

    /// The node under the drive afterwards; nil for none.
    package var node: String? { new.source.isEmpty ? nil : try? BlockNodes.top(of: new) }

    /// Whether the drive has a tray that has to be opened first.
    package var mustOpenTray: Bool { old.kind == .cdrom && old.tray != .open }

    /// Asks the guest to open the tray, or opens it whatever the guest says.
    package func openTray(force: Bool) -> MonitorCommand {
        MonitorCommand("blockdev-open-tray", ["id": .string(device), "force": .bool(force)])
    }

    package var closeTray: MonitorCommand { MonitorCommand("blockdev-close-tray", "id", device) }

    /// Opens the new medium's images, while the old one is still in: what cannot be opened changes nothing.
    ///
    /// - Parameter secrets: the values of what the images need, by the names of QEMU's objects.
    package func opening(_ secrets: [String: SecretSource] = [:]) throws(VireoError) -> MonitorPlan {
        var arguments = DeviceArguments()
        arguments.objects = try BlockSecrets.objects(for: new, secrets)
        arguments.blockNodes = try BlockNodes.build(new)
        return arguments.plan()
    }

    /// Exchanges the media and closes the tray.
    package func exchange() throws(VireoError) -> MonitorPlan {
        var plan = MonitorPlan()
        let oldNode = old.source.isEmpty ? nil : try BlockNodes.top(of: old)
        func insert(_ node: String) -> MonitorCommand {
            MonitorCommand("blockdev-insert-medium", ["id": .string(device), "node-name": .string(node)])
        }
        let remove = MonitorCommand("blockdev-remove-medium", "id", device)
        plan.add(remove, undo: oldNode.map(insert))
        if let node { plan.add(insert(node), undo: remove) }
        if node != nil, let throttle = StartupCommand.throttle(new) { plan.add(throttle) }
        if old.kind == .cdrom { plan.add(closeTray) }
        return plan
    }

    /// Closes the images of the medium that is out.
    package func closing() -> [MonitorCommand] { old.source.isEmpty ? [] : Device.disk(old).teardown() }
}
