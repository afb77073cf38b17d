// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoHost
package import VireoModel
package import VireoService

/// What a running domain has used up to now: schema `Statistics`.
package struct DomainStatistics: Sendable {
    package struct Disk: Hashable, Sendable {
        package var target: String
        package var readBytes: UInt64
        package var writtenBytes: UInt64
        package var readRequests: UInt64
        package var writeRequests: UInt64
    }

    package struct Interface: Hashable, Sendable {
        package var target: String
        package var receivedBytes: UInt64
        package var sentBytes: UInt64
    }

    /// How long QEMU may take to tell about disks; a frozen one costs the caller no more.
    package static let patience: Duration = .milliseconds(1500)

    package var view: DomainView
    package var cpuTimeNanoseconds: UInt64
    package var residentMemory: ByteCount
    /// nil where QEMU did not tell in time.
    package var disks: [Disk]?
    package var interfaces: [Interface]

    /// Asks the kernel and QEMU.
    package static func sample(_ domain: DomainActor) async -> DomainStatistics {
        let view = domain.view
        let process = view.pid.flatMap { ProcessSample(pid: $0) }
        var disks: [Disk]?
        if let answer = try? await domain.qmp("query-blockstats", .object(JSONObject()), timeout: patience) {
            disks = self.disks(answer, of: view.live)
        }
        return DomainStatistics(
            view: view, cpuTimeNanoseconds: process?.time ?? 0, residentMemory: process?.residentMemory ?? .zero,
            disks: disks, interfaces: interfaces(of: view.live))
    }

    /// Reads `query-blockstats`, matching its devices to disks by alias.
    package static func disks(_ answer: JSONValue, of domain: Domain?) -> [Disk] {
        (domain?.devices.disks ?? []).compactMap { disk in
            guard let alias = disk.alias else { return nil }
            let statistics = answer.arrayValue?.first { entry in
                // `/machine/peripheral/virtio-disk0/virtio-backend` of the device that we named.
                let device = entry["qdev"]?.stringValue ?? ""
                return device == alias || device.split(separator: "/").contains { $0 == alias }
            }?["stats"]
            guard let statistics else { return nil }
            func number(_ key: String) -> UInt64 { statistics[key]?.uint64Value ?? 0 }
            return Disk(
                target: disk.target, readBytes: number("rd_bytes"), writtenBytes: number("wr_bytes"),
                readRequests: number("rd_operations"), writeRequests: number("wr_operations"))
        }
    }

    private static func interfaces(of domain: Domain?) -> [Interface] {
        (domain?.devices.interfaces ?? []).compactMap { interface in
            guard let target = interface.target, let link = LinkStatistics(link: target) else { return nil }
            // What the host's end sends, the guest receives.
            return Interface(target: target, receivedBytes: link.sent.bytes, sentBytes: link.received.bytes)
        }
    }

    package var json: JSONValue {
        let definition = view.definition()
        let disks = disks.map { disks in
            JSONValue.array(
                disks.map { disk in
                    .members([
                        ("target", .string(disk.target)), ("readBytes", JSONValue(disk.readBytes)),
                        ("writtenBytes", JSONValue(disk.writtenBytes)), ("readRequests", JSONValue(disk.readRequests)),
                        ("writeRequests", JSONValue(disk.writeRequests)),
                    ])
                })
        }
        return .members([
            ("uuid", .string(view.uuid.description)), ("name", .string(view.name.text)),
            ("state", .string(DomainJSON.stateWord(view.state))),
            ("cpus", JSONValue(definition?.vcpus.effectiveCurrent ?? 0)), ("cpuTimeNanoseconds", JSONValue(cpuTimeNanoseconds)),
            (
                "memory",
                .members([
                    ("actualBytes", JSONValue((definition?.memory.current ?? definition?.memory.total ?? .zero).bytes)),
                    ("residentBytes", JSONValue(residentMemory.bytes)),
                ])
            ), ("disks", disks ?? .null),
            (
                "interfaces",
                .array(
                    interfaces.map { interface in
                        .members([
                            ("target", .string(interface.target)), ("receivedBytes", JSONValue(interface.receivedBytes)),
                            ("sentBytes", JSONValue(interface.sentBytes)),
                        ])
                    })
            ),
        ])
    }
}
