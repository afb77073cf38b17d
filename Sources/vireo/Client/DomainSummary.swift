// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoCore

/// What the daemon says of a machine in lists; unknown or missing fields read as empty.
struct DomainSummary: Hashable, Sendable {
    var uuid: String
    var name: String
    /// nil while the machine does not run.
    var id: Int64?
    /// `running`, `paused`, `shutoff` …
    var state: String
    var reason: String
    var cpus: Int64
    /// Bytes.
    var memory: UInt64
    var uptimeSeconds: Int64?
    var hasManagedSave: Bool

    init(_ json: JSONValue) {
        uuid = json["uuid"]?.stringValue ?? ""
        name = json["name"]?.stringValue ?? ""
        id = json["id"]?.int64Value
        state = json["state"]?.stringValue ?? "unknown"
        reason = json["reason"]?.stringValue ?? ""
        cpus = json["cpus"]?.int64Value ?? 0
        memory = json["memoryBytes"]?.uint64Value ?? 0
        uptimeSeconds = json["uptimeSeconds"]?.int64Value
        hasManagedSave = json["hasManagedSave"]?.boolValue ?? false
    }

    /// The state for a person: `shutoff` reads as `off`, or `saved` where memory was kept.
    var stateText: String {
        switch state {
        case "shutoff": hasManagedSave ? "saved" : "off"
        case "shutdown": "stopping"
        case "pmsuspended": "asleep"
        default: state
        }
    }
}
