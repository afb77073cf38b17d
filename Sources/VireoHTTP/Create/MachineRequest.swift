// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import SystemPackage
package import VireoCore

/// A machine in the short JSON form of `POST /v1/domains`, checked: schema `MachineRequest`.
package struct MachineRequest: Hashable, Sendable {
    package enum Firmware: String, Hashable, Sendable, CaseIterable { case bios, uefi }
    package enum Accelerator: String, Hashable, Sendable, CaseIterable { case auto, kvm, tcg }
    package enum DiskFormat: String, Hashable, Sendable, CaseIterable { case raw, qcow2, vmdk, vdi, vpc }
    package enum DiskBus: String, Hashable, Sendable, CaseIterable { case virtio, scsi, sata, ide, usb }
    package enum Transport: String, Hashable, Sendable, CaseIterable { case tcp, udp }
    private enum NetworkKind: String, CaseIterable { case user, bridge, network }
    private enum GraphicsKind: String, CaseIterable { case vnc }

    package struct NewDisk: Hashable, Sendable {
        /// Virtual, in bytes.
        package var size: ByteCount
    }

    package struct Disk: Hashable, Sendable {
        /// Absolute; nil for a new disk whose place the daemon chooses.
        package var path: String?
        package var format: DiskFormat
        /// Set: the image is made, and must not exist.
        package var new: NewDisk?
        package var bus: DiskBus
        package var isReadOnly: Bool
    }

    package struct Kernel: Hashable, Sendable {
        package var path: String
        package var initrd: String?
        package var commandLine: String?
    }

    package struct PortForward: Hashable, Sendable {
        package var transport: Transport
        /// IPv4 of the host.
        package var address: String
        package var hostPort: Int
        package var guestPort: Int
    }

    package struct Network: Hashable, Sendable {
        package enum Source: Hashable, Sendable {
            case user([PortForward])
            case bridge(String)
            /// A virtual network.
            case network(String)
        }
        package var source: Source
        package var mac: MACAddress?
        package var model: String
    }

    package struct Graphics: Hashable, Sendable {
        /// nil: a unix socket in the machine's private directory.
        package var address: String?
        /// nil: the first free one.
        package var port: Int?
        package var password: String?
    }

    package var name: DomainName
    package var title: String?
    package var description: String?
    package var cpus: Int
    package var memory: ByteCount
    package var accelerator: Accelerator
    package var machine: String
    package var firmware: Firmware
    package var disks: [Disk]
    package var cdrom: String?
    package var kernel: Kernel?
    package var networks: [Network]
    package var graphics: Graphics?
    package var isPersistent: Bool
    package var starts: Bool
    package var autostart: Bool

    /// Reads a request's body.
    ///
    /// - Parameter suffix: makes up the name of a machine that was given none: `machine-SUFFIX`.
    /// - Throws: `VireoError` with `invalidArg`, naming the member at fault.
    package init(_ reading: JSONReading, suffix: String) throws(VireoError) {
        var reading = reading
        name = try DomainName(try reading.string("name") ?? "machine-\(suffix)")
        (title, description) = (try reading.string("title"), try reading.string("description"))
        cpus = try reading.integer("cpus", in: 1...1024) ?? 1
        let bytes = try reading.integer("memoryBytes", in: (1 << 20)...(1 << 50)) ?? 1 << 30
        memory = ByteCount(bytes: UInt64(bytes)).roundedUp(toMultipleOf: 1 << 20)
        accelerator = try reading.choice("accelerator") ?? .auto
        machine = try reading.string("machine") ?? "q35"
        firmware = try reading.choice("firmware") ?? .bios
        disks = try reading.objects("disks", limit: 20).map { element throws(VireoError) in try Self.disk(element) }
        cdrom = try Self.path(&reading, "cdrom")
        kernel = nil
        if let boot = try reading.object("kernel") { kernel = try Self.kernel(boot) }
        networks = try reading.objects("networks", limit: 16).map { element throws(VireoError) in try Self.network(element) }
        if try !reading.has("networks") { networks = [Network(source: .user([]), mac: nil, model: "virtio")] }
        graphics = nil
        if let screen = try reading.object("graphics") { graphics = try Self.graphics(screen) }
        isPersistent = try reading.bool("persistent") ?? true
        starts = try reading.bool("start") ?? true
        autostart = try reading.bool("autostart") ?? false
        try reading.finish()
        guard isPersistent || starts else { throw reading.invalid("start", "must be true for a machine that is not kept") }
        guard isPersistent || !autostart else { throw reading.invalid("autostart", "needs a machine that is kept") }
        guard kernel == nil || firmware == .bios else {
            throw reading.invalid("firmware", "must be bios where a kernel is given")
        }
    }

    private static func disk(_ reading: JSONReading) throws(VireoError) -> Disk {
        var reading = reading
        let disk = try Self.disk(&reading)
        try reading.finish()
        return disk
    }

    /// The members of `reading` that tell a disk; others are left to the caller.
    static func disk(_ reading: inout JSONReading) throws(VireoError) -> Disk {
        let path = try path(&reading, "path")
        let size = try reading.integer("sizeBytes", in: 512...(1 << 56))
        let format: DiskFormat? = try reading.choice("format")
        let disk = Disk(
            path: path, format: format ?? .qcow2,
            new: size.map { NewDisk(size: ByteCount(bytes: UInt64($0)).roundedUp(toMultipleOf: 512)) },
            bus: try reading.choice("bus") ?? .virtio, isReadOnly: try reading.bool("readOnly") ?? false)
        if disk.new == nil {
            guard path != nil else { throw reading.invalid("path", "or 'sizeBytes' is needed") }
            // A guest can write any header into its disk, so a format is never found out from the image.
            guard format != nil else { throw reading.invalid("format", "must be said for an existing image") }
        } else {
            guard disk.format == .raw || disk.format == .qcow2 else {
                throw reading.invalid("format", "must be raw or qcow2 for a new image")
            }
            guard !disk.isReadOnly else { throw reading.invalid("readOnly", "makes no sense for a new image") }
        }
        return disk
    }

    private static func kernel(_ reading: JSONReading) throws(VireoError) -> Kernel {
        var reading = reading
        guard let path = try path(&reading, "path") else { throw reading.missing("path") }
        let kernel = Kernel(
            path: path, initrd: try Self.path(&reading, "initrd"), commandLine: try reading.string("commandLine"))
        try reading.finish()
        return kernel
    }

    private static func network(_ reading: JSONReading) throws(VireoError) -> Network {
        var reading = reading
        let kind: NetworkKind = try reading.choice("type") ?? .user
        var mac: MACAddress?
        if let text = try reading.string("mac") {
            guard let address = MACAddress(text) else { throw reading.invalid("mac", "is no MAC address") }
            mac = address
        }
        let model = try reading.string("model") ?? "virtio"
        let forwards = try reading.objects("portForwards", limit: 256).map { element throws(VireoError) in try forward(element) }
        let bridge = try reading.string("bridge")
        let network = try reading.string("network")
        try reading.finish()
        guard bridge == nil || kind == .bridge else { throw reading.invalid("bridge", "goes with type bridge") }
        guard network == nil || kind == .network else { throw reading.invalid("network", "goes with type network") }
        guard forwards.isEmpty || kind == .user else { throw reading.invalid("portForwards", "goes with type user") }
        switch kind {
        case .user:
            return Network(source: .user(forwards), mac: mac, model: model)
        case .bridge:
            guard let bridge, !bridge.isEmpty else { throw reading.missing("bridge") }
            return Network(source: .bridge(bridge), mac: mac, model: model)
        case .network:
            guard let network, !network.isEmpty else { throw reading.missing("network") }
            return Network(source: .network(network), mac: mac, model: model)
        }
    }

    private static func forward(_ reading: JSONReading) throws(VireoError) -> PortForward {
        var reading = reading
        let address = try reading.string("address") ?? "127.0.0.1"
        let bytes = address.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard bytes.count == 4, bytes.allSatisfy({ $0 != nil }) else { throw reading.invalid("address", "is no IPv4 address") }
        guard let hostPort = try reading.integer("hostPort", in: 1...65535) else { throw reading.missing("hostPort") }
        guard let guestPort = try reading.integer("guestPort", in: 1...65535) else { throw reading.missing("guestPort") }
        let forward = PortForward(
            transport: try reading.choice("protocol") ?? .tcp, address: address, hostPort: hostPort, guestPort: guestPort)
        try reading.finish()
        return forward
    }

    private static func graphics(_ reading: JSONReading) throws(VireoError) -> Graphics {
        var reading = reading
        let _: GraphicsKind? = try reading.choice("type")
        let graphics = Graphics(
            address: try reading.string("address"), port: try reading.integer("port", in: 5900...65535),
            password: try reading.string("password"))
        try reading.finish()
        guard graphics.port == nil || graphics.address != nil else { throw reading.invalid("port", "goes with an address") }
        return graphics
    }

    private static func path(_ reading: inout JSONReading, _ key: String) throws(VireoError) -> String? {
        guard let text = try reading.string(key) else { return nil }
        guard text.hasPrefix("/") else { throw reading.invalid(key, "must be an absolute path") }
        return text
    }
}
