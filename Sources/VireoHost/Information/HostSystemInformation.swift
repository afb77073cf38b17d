// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore
import VireoXML

/// The host's firmware tables as `<sysinfo>`: from `/sys/class/dmi/id`, which needs no `dmidecode`.
package struct HostSystemInformation: Hashable, Sendable {
    package struct Section: Hashable, Sendable {
        /// The element: `bios`, `system`, `baseBoard`, `chassis`, `processor`.
        package var name: String
        package var entries: [Entry]
    }

    package struct Entry: Hashable, Sendable {
        package var name: String
        package var value: String
    }

    package var sections: [Section]

    private static let tables: [(section: String, entries: [(name: String, file: String)])] = [
        ("bios", [("vendor", "bios_vendor"), ("version", "bios_version"), ("date", "bios_date"), ("release", "bios_release")]),
        (
            "system",
            [
                ("manufacturer", "sys_vendor"), ("product", "product_name"), ("version", "product_version"),
                ("serial", "product_serial"), ("uuid", "product_uuid"), ("sku", "product_sku"), ("family", "product_family"),
            ]
        ),
        (
            "baseBoard",
            [
                ("manufacturer", "board_vendor"), ("product", "board_name"), ("version", "board_version"),
                ("serial", "board_serial"), ("asset", "board_asset_tag"),
            ]
        ),
        (
            "chassis",
            [
                ("manufacturer", "chassis_vendor"), ("version", "chassis_version"), ("serial", "chassis_serial"),
                ("asset", "chassis_asset_tag"),
            ]
        ),
    ]

    /// Reads what there is, and one `processor` section for each socket of `/proc/cpuinfo`.
    ///
    /// - Throws: `configUnsupported`, as libvirt, when neither source tells anything.
    package init(host: HostInformation) throws(VireoError) {
        var sections = Self.tables.compactMap { table -> Section? in
            let entries = table.entries.compactMap { entry in
                host.files.line("/sys/class/dmi/id/\(entry.file)").map { Entry(name: entry.name, value: $0) }
            }
            return entries.isEmpty ? nil : Section(name: table.section, entries: entries)
        }
        var sockets: Set<String> = []
        for (_, fields) in host.cpuTable where sockets.insert(fields["physical id"] ?? "0").inserted {
            let entries = [
                ("socket_destination", fields["physical id"] ?? "0"), ("type", "Central Processor"),
                ("family", fields["cpu family"]),
                ("manufacturer", fields["vendor_id"]), ("version", fields["model name"]),
            ].compactMap { name, value in value.map { Entry(name: name, value: $0) } }
            sections.append(Section(name: "processor", entries: entries))
        }
        guard !sections.isEmpty else { throw VireoError(.configUnsupported, "Host SMBIOS information is not available") }
        self.sections = sections
    }

    /// As `virConnectGetSysinfo` answers.
    package var xml: String {
        var text = XMLWriter()
        text.element("sysinfo", [("type", "smbios")]) { text in
            for section in sections {
                text.element(section.name) { text in
                    for entry in section.entries { text.leaf("entry", [("name", entry.name)], entry.value) }
                }
            }
        }
        return text.text
    }
}
