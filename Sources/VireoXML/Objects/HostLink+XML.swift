// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoModel

/// libvirt's XML of a network interface of the host.
package enum HostLinkXML {
    package static func write(_ link: HostLink) -> String {
        var writer = XMLWriter()
        write(link, to: &writer, isNested: false)
        return writer.text
    }

    private static func write(_ link: HostLink, to writer: inout XMLWriter, isNested: Bool) {
        writer.element("interface") { writer in
            writer.attribute("type", link.kind.word)
            writer.attribute("name", link.name)
            if !isNested {
                writer.element("mtu") { $0.attribute("size", link.mtu) }
            }
            switch link.kind {
            case .ethernet:
                writeState(of: link, to: &writer)
                if !link.mac.isEmpty { writer.element("mac") { $0.attribute("address", link.mac) } }
            case .bridge(let usesSTP, let delay, let ports):
                writer.element("bridge") { writer in
                    writer.attribute("stp", onOff: usesSTP)
                    writer.attribute("delay", delay)
                    writer.content("")
                    for port in ports { write(port, to: &writer, isNested: true) }
                }
            case .bond(let mode, let members):
                writer.element("bond") { writer in
                    writer.attribute("mode", mode)
                    for member in members { write(member, to: &writer, isNested: true) }
                }
            case .vlan(let tag, let parent):
                writer.element("vlan") { writer in
                    writer.attribute("tag", tag)
                    writer.element("interface") { $0.attribute("name", parent) }
                }
            }
        }
    }

    /// `<link>`, which node devices have, too.
    static func writeState(of link: HostLink, to writer: inout XMLWriter) {
        writer.element("link") {
            $0.attribute("speed", link.speed)
            $0.attribute("state", link.state)
        }
    }
}

extension HostLink.Kind {
    fileprivate var word: String {
        switch self {
        case .ethernet: "ethernet"
        case .bridge: "bridge"
        case .bond: "bond"
        case .vlan: "vlan"
        }
    }
}
