// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import VireoModel

/// What a fuzzer calls: reads any bytes as a definition, and what could be read is written and read again.
///
/// Never traps. A definition that was written must be readable, and the same when written once more.
package func fuzzXML(_ bytes: UnsafeRawBufferPointer) {
    guard (try? XMLParser.parse(bytes)) != nil else { return }
    guard let reading = try? DomainXML.read(String(decoding: bytes, as: UTF8.self)) else { return }
    let text = DomainXML.write(reading.domain, WriteOptions(secure: true))
    guard let again = try? DomainXML.read(text) else { preconditionFailure("a written definition cannot be read: \(text)") }
    precondition(DomainXML.write(again.domain, WriteOptions(secure: true)) == text, "a definition changes when it is read again")
}
