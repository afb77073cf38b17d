// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// What the monitor's `info usernet` tells: the connections that QEMU's own networks carry.
package enum UserNetworkTable {
    /// Lines that are looked at: a guest may have thousands of connections.
    private static let limit = 10_000

    /// The addresses in `subnet` that the guest uses on the network `name`, each once.
    ///
    /// A section begins with `Hub -1 (NAME):`; a line of it holds protocol and state, descriptor, source and its port, destination
    /// and its port. The guest is the source, or of a connection from outside the destination; where a forwarded port would
    /// lead tells nothing.
    package static func addresses(in text: String, network name: String, subnet: IPAddress, prefix: Int) -> [IPAddress] {
        var (found, isOurs) = ([IPAddress](), false)
        for line in text.split(whereSeparator: \.isNewline).prefix(limit) {
            if line.hasSuffix("):") {
                isOurs = line.contains("(\(name)):")
                continue
            }
            guard isOurs, !line.contains("HOST_FORWARD"), let end = line.firstIndex(of: "]") else { continue }
            let fields = line[line.index(after: end)...].split(whereSeparator: \.isWhitespace)
            guard fields.count >= 4 else { continue }
            // The host's own end has an address of the network, too.
            let ends = [1, 3].compactMap { IPAddress(fields[$0]) }
            guard let address = ends.first(where: { $0.isIn(subnet, prefix: prefix) }), !found.contains(address) else { continue }
            found.append(address)
        }
        return found
    }
}
