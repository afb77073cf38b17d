// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoModel
package import VireoService

/// Domains as the API shows them.
package enum DomainJSON {
    /// A domain in lists: schema `DomainSummary`.
    ///
    /// - Parameter now: seconds since 1970.
    package static func summary(of view: DomainView, now: Double) -> JSONValue { .members(summaryMembers(of: view, now: now)) }

    /// Everything about a domain: schema `Domain`. Live facts where it runs.
    ///
    /// - Parameter addresses: of its interfaces, by MAC; nil where nobody was asked.
    package static func detail(
        of view: DomainView, now: Double, addresses: [MACAddress: [KnownAddress]]? = nil
    ) -> JSONValue {
        let definition = view.definition()
        var members = summaryMembers(of: view, now: now)
        members += [
            ("title", .optional(definition?.title)), ("description", .optional(definition?.description)),
            ("pid", .optional(view.pid)), ("startedAt", view.startedAt.map { .string(Timestamp.text($0)) }),
            ("stateSince", .string(Timestamp.text(view.statusChangedAt))), ("hasPendingChanges", .bool(view.isUpdated)),
            ("answering", view.isActive ? .bool(view.isAnswering) : nil),
            ("problem", .optional(view.problem)),
            ("job", view.job.map { operation($0, of: .domain(view.reference)) }),
        ]
        guard let definition else { return .members(members) }
        members += [
            ("accelerator", .string(definition.kind == .kvm ? "kvm" : "tcg")),
            ("architecture", .optional(definition.os.architecture)), ("machine", .optional(definition.os.machine)),
            ("firmware", .string(firmware(of: definition.os))), ("kernel", .optional(definition.os.kernel)),
            ("disks", .array(definition.devices.disks.map(disk))),
            ("interfaces", .array(definition.devices.interfaces.map { interface($0, addresses) })),
            ("graphics", .array(definition.devices.graphics.map(graphics))),
            ("consoles", .array(definition.devices.serials.enumerated().map(console))),
        ]
        return .members(members)
    }

    /// Which domain: schema `DomainReference`.
    package static func reference(_ domain: DomainReference) -> JSONValue {
        .members([
            ("uuid", .string(domain.uuid.description)), ("name", .string(domain.name.text)),
            ("id", domain.id > 0 ? JSONValue(domain.id) : .null),
        ])
    }

    /// A job: schema `Operation`.
    ///
    /// - Parameter endedAt: when it ended, in seconds since 1970; nil while it runs.
    package static func operation(_ job: JobView, of subject: JobSubject, endedAt: Double? = nil) -> JSONValue {
        let (total, processed) = (job.progress.total.bytes, job.progress.processed.bytes)
        let progress: JSONValue? =
            total == 0
            ? nil
            : .members([
                ("totalBytes", JSONValue(total)), ("processedBytes", JSONValue(processed)),
                ("remainingBytes", JSONValue(job.progress.remaining.bytes)),
                ("percent", .double(min(100, Double(processed) * 100 / Double(total)))),
            ])
        let object: (key: String, value: JSONValue?) =
            switch subject {
            case .domain(let domain): ("domain", reference(domain))
            case .volume(let pool, let name): ("volume", .members([("pool", .string(pool)), ("name", .string(name))]))
            }
        return .members([
            ("id", .string("\(job.id)")), ("kind", .string(job.kind.rawValue)), object,
            ("state", .string(job.outcome.map { "\($0)" } ?? "running")), ("error", .optional(job.failure)),
            ("endedAt", endedAt.map { .string(Timestamp.text($0)) }),
            ("owner", .string(job.owner)), ("startedAt", .string(Timestamp.text(job.startedAt))),
            ("elapsedSeconds", JSONValue(job.elapsed.components.seconds)), ("cancellable", .bool(job.isCancellable)),
            ("progress", progress),
        ])
    }

    private static func summaryMembers(of view: DomainView, now: Double) -> [(key: String, value: JSONValue?)] {
        let definition = view.definition()
        let uptime = view.startedAt.flatMap { view.isActive ? Int64(exactly: max(0, now - $0).rounded(.down)) : nil }
        return [
            ("uuid", .string(view.uuid.description)), ("name", .string(view.name.text)),
            ("id", view.isActive ? JSONValue(view.id) : .null), ("state", .string(stateWord(view.state))),
            ("reason", .string(reasonWord(view.status))), ("persistent", .bool(view.isPersistent)),
            ("autostart", .bool(view.autostart)), ("hasManagedSave", .bool(view.hasManagedSave)),
            ("cpus", JSONValue(definition?.vcpus.effectiveCurrent ?? 0)),
            ("memoryBytes", JSONValue(definition?.memory.total.bytes ?? 0)), ("uptimeSeconds", .optional(uptime)),
        ]
    }

    /// The state as one word.
    package static func stateWord(_ state: DomainState) -> String {
        switch state {
        case .noState: "nostate"
        case .running: "running"
        case .blocked: "blocked"
        case .paused: "paused"
        case .shutdown: "shutdown"
        case .shutOff: "shutoff"
        case .crashed: "crashed"
        case .pmSuspended: "pmsuspended"
        }
    }

    private static func reasonWord(_ status: DomainStatus) -> String {
        let name =
            switch status {
            case .running(let reason): "\(reason)"
            case .paused(let reason): "\(reason)"
            case .shutdown(let reason): "\(reason)"
            case .shutOff(let reason): "\(reason)"
            case .crashed(let reason): "\(reason)"
            case .noState, .pmSuspended: ""
            }
        return name == "unknown" ? "" : name
    }

    private static func firmware(of os: OSDefinition) -> String {
        os.firmware == .efi || os.loader?.kind == .pflash ? "uefi" : "bios"
    }

    private static func disk(_ disk: Disk) -> JSONValue {
        .members([
            ("target", .string(disk.target)), ("device", .string(disk.kind.rawValue)), ("bus", .optional(disk.bus?.rawValue)),
            ("type", .string(disk.source.location.typeWord)), ("source", .optional(disk.source.path)),
            ("format", .optional(disk.driver.format?.rawValue)), ("readOnly", .bool(disk.isReadOnly)),
            ("serial", .optional(disk.serial)),
        ])
    }

    private static func interface(_ interface: Interface, _ addresses: [MACAddress: [KnownAddress]]?) -> JSONValue {
        let source: String? =
            switch interface.source {
            case .bridge(let name): name
            case .network(let network): network.name
            case .direct(let device, _): device
            default: nil
            }
        return .members([
            ("type", .string(interface.source.typeWord)), ("source", .optional(source)),
            ("mac", .optional(interface.mac?.description)), ("model", .optional(interface.model)),
            ("target", .optional(interface.target)), ("portForwards", .array(interface.portForwards.flatMap(forwards))),
            ("addresses", addresses.map { known in .array((interface.mac.flatMap { known[$0] } ?? []).map(address)) }),
        ])
    }

    private static func address(_ known: KnownAddress) -> JSONValue {
        .members([
            ("address", .string("\(known.address)")), ("prefix", .optional(known.prefix)),
            ("source", .string(known.source.rawValue)),
            ("ageSeconds", .optional(known.age.flatMap { Int(exactly: $0.rounded()) })),
        ])
    }

    private static func forwards(_ forward: Interface.PortForward) -> [JSONValue] {
        forward.ranges.map { range in
            .members([
                ("protocol", .string(forward.transport)), ("address", .optional(forward.address)),
                ("hostPort", JSONValue(range.start)), ("guestPort", JSONValue(range.to ?? range.start)),
            ])
        }
    }

    private static func graphics(_ graphics: Graphics) -> JSONValue {
        var members: [(key: String, value: JSONValue?)] = [("type", .string(graphics.kind.typeWord))]
        switch graphics.kind {
        case .vnc(let vnc): members.append(("port", .optional(vnc.port)))
        case .spice(let spice): members += [("port", .optional(spice.port)), ("tlsPort", .optional(spice.tlsPort))]
        default: break
        }
        for listen in graphics.listens {
            switch listen {
            case .address(let address): members.append(("address", .optional(address)))
            case .socket(let path): members.append(("socket", .optional(path)))
            case .network(_, let address): members.append(("address", .optional(address)))
            case .none: break
            }
        }
        return .members(members)
    }

    private static func console(_ index: Int, _ serial: Serial) -> JSONValue {
        .members([
            ("device", .string("serial\(index)")), ("type", .string(serial.source.kind.typeWord)),
            ("path", .optional(serial.source.ptyPath)),
        ])
    }
}
