// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
import VireoModel
import VireoQMP

/// Events of devices: nothing about the domain's status follows from them.
extension DomainActor {
    func handleDeviceEvent(_ event: QMPEvent) async {
        let data = event.data
        switch event.name {
        case "RTC_CHANGE":
            if let offset = data["offset"]?.int64Value { emit(.rtcChange(offset: offset)) }
        case "DEVICE_TRAY_MOVED": trayMoved(data)
        case "BALLOON_CHANGE":
            guard let bytes = data["actual"]?.uint64Value else { return }
            live?.memory.current = ByteCount(bytes: bytes / 1024 * 1024)
            publish()
            emit(.balloonChange(actual: ByteCount(bytes: bytes)))
        case "DEVICE_DELETED":
            if let alias = data["device"]?.stringValue { deviceDeleted(alias) }
        case "DEVICE_UNPLUG_GUEST_ERROR", "MEM_UNPLUG_ERROR":
            guard let alias = data["device"]?.stringValue else { return }
            run?.unplugs[alias]?.set(.refused)
            emit(.deviceRemovalFailed(alias: alias))
        case "VSERPORT_CHANGE": channelChanged(data)
        case "BLOCK_WRITE_THRESHOLD": thresholdReached(data)
        case "VNC_CONNECTED", "SPICE_CONNECTED": displayChanged(data, phase: 0)
        case "VNC_INITIALIZED", "SPICE_INITIALIZED": displayChanged(data, phase: 1)
        case "VNC_DISCONNECTED", "SPICE_DISCONNECTED": displayChanged(data, phase: 2)
        case "MEMORY_FAILURE": memoryFailed(data)
        case "MEMORY_DEVICE_SIZE_CHANGE":
            guard let alias = data["id"]?.stringValue, let size = data["size"]?.uint64Value else { return }
            emit(.memoryDeviceSizeChange(alias: alias, size: ByteCount(bytes: size)))
        default: break
        }
    }

    /// The disk that an event is about, by whichever of its names QEMU gave: the device's id or QOM path, or a node of
    /// its chain (`libvirt-N-format`).
    func disk(qomPath: String?, device: String?, node: String?) -> Disk? {
        let disks = live?.devices.disks ?? []
        let names = [device ?? "", qomPath ?? ""].flatMap { $0.split(separator: "/").map(String.init) }
        if let disk = disks.first(where: { disk in disk.alias.map { names.contains($0) } ?? false }) { return disk }
        guard let node, let index = Self.layerIndex(ofNode: node) else { return nil }
        return disks.first { disk in
            disk.source.index == index || disk.backingChain?.layers.contains { $0.source.index == index } == true
        }
    }

    private static func layerIndex(ofNode node: String) -> Int? {
        let parts = node.split(separator: "-")
        guard parts.count == 3, parts[0] == "libvirt" else { return nil }
        return Int(parts[1])
    }

    private func trayMoved(_ data: JSONValue) {
        guard let isOpen = data["tray-open"]?.boolValue,
            let disk = disk(qomPath: data["id"]?.stringValue, device: data["device"]?.stringValue, node: nil),
            let alias = disk.alias
        else { return }
        if let index = live?.devices.disks.firstIndex(where: { $0.alias == alias }) {
            live?.devices.disks[index].tray = isOpen ? .open : .closed
            publish()
        }
        if isOpen { run?.trays[alias]?.set(()) }
        emit(.trayChange(alias: alias, isOpen: isOpen))
    }

    private func channelChanged(_ data: JSONValue) {
        guard let alias = data["id"]?.stringValue, let isOpen = data["open"]?.boolValue,
            let index = live?.devices.channels.firstIndex(where: { $0.alias == alias }),
            case .virtio(let name, _) = live?.devices.channels[index].target
        else { return }
        live?.devices.channels[index].target = .virtio(name: name, state: isOpen ? .connected : .disconnected)
        publish()
        if name == Self.agentChannel { emit(.agentLifecycle(state: isOpen ? 1 : 2, reason: 2)) }
    }

    private func thresholdReached(_ data: JSONValue) {
        guard let node = data["node-name"]?.stringValue, let disk = disk(qomPath: nil, device: nil, node: node) else { return }
        emit(
            .blockThreshold(
                target: disk.target, path: disk.source.path, threshold: data["write-threshold"]?.uint64Value ?? 0,
                excess: data["amount-exceeded"]?.uint64Value ?? 0))
    }

    private func displayChanged(_ data: JSONValue, phase: Int32) {
        func address(_ value: JSONValue?) -> GraphicsEvent.Address {
            let families: [String: Int32] = ["ipv4": 0, "ipv6": 1, "unix": 2]
            let service = value?["service"]?.stringValue ?? value?["port"]?.stringValue ?? ""
            return GraphicsEvent.Address(
                family: value?["family"]?.stringValue.flatMap { families[$0] } ?? 0,
                node: value?["host"]?.stringValue ?? "", service: service)
        }
        let client = data["client"]
        var subject: [(type: String, name: String)] = []
        if let name = client?["x509_dname"]?.stringValue { subject.append(("x509dname", name)) }
        if let name = client?["sasl_username"]?.stringValue { subject.append(("saslUsername", name)) }
        emit(
            .graphics(
                GraphicsEvent(
                    phase: phase, local: address(data["server"]), remote: address(client),
                    authenticationScheme: data["server"]?["auth"]?.stringValue ?? "", subject: subject)))
    }

    private func memoryFailed(_ data: JSONValue) {
        let recipients: [String: Int32] = ["hypervisor": 0, "guest": 1]
        let actions: [String: Int32] = ["ignore": 0, "inject": 1, "fatal": 2, "reset": 3]
        guard let recipient = data["recipient"]?.stringValue.flatMap({ recipients[$0] }),
            let action = data["action"]?.stringValue.flatMap({ actions[$0] })
        else { return }
        var flags: UInt32 = 0
        if data["flags"]?["action-required"]?.boolValue == true { flags |= 1 }
        if data["flags"]?["recursive"]?.boolValue == true { flags |= 2 }
        emit(.memoryFailure(recipient: recipient, action: action, flags: flags))
    }
}
