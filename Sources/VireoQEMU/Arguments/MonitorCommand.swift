// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// One QMP command as it is sent to QEMU's monitor.
package struct MonitorCommand: Hashable, Sendable {
    /// The QMP command.
    package var name: String
    package var arguments: JSONValue

    package init(_ name: String, _ arguments: JSONValue = [:]) { (self.name, self.arguments) = (name, arguments) }

    /// A command for the device, node or backend that `key` names.
    package init(_ name: String, _ key: String, _ id: String) {
        self.init(name, .object(JSONObject([(key, .string(id))])))
    }
}
