// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore
package import VireoModel

extension NodeDeviceScan {
    private static let directory = "/sys/bus/pci/devices"

    func pciDevice(_ entry: String, _ names: PCINames) -> NodeDevice? {
        let path = "\(Self.directory)/\(entry)"
        guard let place = PCIAddress(kernel: entry), let product = hexadecimal("\(path)/device"),
            let vendor = hexadecimal("\(path)/vendor")
        else { return nil }
        var pci = NodeDevice.PCI(
            address: place, product: .init(id: product, name: names.product(product, of: vendor)),
            vendor: .init(id: vendor, name: names.vendor(vendor)))
        pci.classCode = hexadecimal("\(path)/class")
        pci.physicalFunction = address(at: "\(path)/physfn")
        pci.virtualFunctions = files.numbers(in: path, prefix: "virtfn").compactMap { address(at: "\(path)/virtfn\($0)") }
        pci.maximumVirtualFunctions = files.number("\(path)/sriov_totalvfs").map { Int(clamping: $0) }
        if pci.maximumVirtualFunctions == 0 { pci.maximumVirtualFunctions = nil }
        pci.numaNode = files.number("\(path)/numa_node").map { Int(clamping: $0) }
        pci.mediatedTypes = mediatedTypes(at: path)
        if let group = files.resolved("\(path)/iommu_group")?.split(separator: "/").last {
            pci.iommuGroup = Int(group)
            pci.iommuMembers = files.names(in: "/sys/kernel/iommu_groups/\(group)/devices").compactMap { PCIAddress(kernel: $0) }
        }
        if let space = files.bytes("\(path)/config", limit: 4096) { PCIConfiguration(bytes: space).describe(&pci) }
        return device(Self.name("pci", entry), at: path, .pci(pci)).map { device in
            var device = device
            device.node = nil
            return device
        }
    }

    /// The PCI address of what a link in `/sys` points to.
    func address(at link: String) -> PCIAddress? {
        files.resolved(link)?.split(separator: "/").last.flatMap { PCIAddress(kernel: String($0)) }
    }

    private func mediatedTypes(at path: String) -> [NodeDevice.MediatedType] {
        let directory = "\(path)/mdev_supported_types"
        return files.names(in: directory).compactMap { id in
            guard let api = files.line("\(directory)/\(id)/device_api"),
                let instances = files.number("\(directory)/\(id)/available_instances")
            else { return nil }
            return .init(
                id: id, name: files.line("\(directory)/\(id)/name"), deviceAPI: api, availableInstances: Int(clamping: instances))
        }
    }

    func mediatedDevice(_ entry: String) -> NodeDevice? {
        let path = "/sys/bus/mdev/devices/\(entry)"
        guard let uuid = DomainUUID(entry), let resolved = files.resolved(path),
            let type = files.resolved("\(path)/mdev_type")?.split(separator: "/").last
        else { return nil }
        var mediated = NodeDevice.Mediated(type: String(type), uuid: uuid)
        mediated.iommuGroup = files.resolved("\(path)/iommu_group")?.split(separator: "/").last.flatMap { Int($0) }
        let parent = resolved.split(separator: "/").dropLast().last.map(String.init) ?? ""
        return device(Self.name("mdev", entry, parent), at: path, .mediated(mediated))
    }
}

extension PCIAddress {
    /// Reads an address as the kernel writes it: `0000:00:1f.2`.
    package init?(kernel text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let last = parts.last else { return nil }
        let place = last.split(separator: ".", omittingEmptySubsequences: false)
        guard place.count == 2, let domain = Int(parts[0], radix: 16), let bus = Int(parts[1], radix: 16),
            let slot = Int(place[0], radix: 16), let function = Int(place[1], radix: 16), domain >= 0, (0...255).contains(bus),
            (0...31).contains(slot), (0...7).contains(function)
        else { return nil }
        self.init(domain: domain, bus: bus, slot: slot, function: function)
    }
}
