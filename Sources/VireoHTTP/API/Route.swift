// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
import VireoCore

/// One operation of the API: where, what for, and the code that does it.
package struct Route: Sendable {
    /// What the OpenAPI document says of it, beyond what follows from the rest.
    package struct Description: Sendable {
        package var operationID: String
        package var tag: String
        package var summary: String
        package var query: [QueryParameter] = []
        /// Media type and name of a schema in `components/schemas`; nil for plain text.
        package var body: [Content] = []
        package var answer: Answer
    }

    package struct QueryParameter: Sendable {
        package enum Kind: Sendable {
            case boolean, string
            case integer(ClosedRange<Int>)
        }
        package var name: String
        package var kind: Kind
        package var summary: String
    }

    package struct Content: Sendable {
        package var mediaType: String
        /// Name in `components/schemas`; nil: text or bytes.
        package var schema: String?
    }

    package enum Answer: Sendable {
        case json(schema: String, status: Int = 200)
        case content(mediaType: String)
        case none
        /// 101, then console bytes.
        case webSocket
    }

    package typealias Handler = @Sendable (APIRequest) async throws -> APIResponse

    package var method: HTTPRequest.Method
    /// As OpenAPI writes it: `/v1/domains/{domain}/start`.
    package var path: String
    package var description: Description
    /// How long the handler may take; a stream's time does not count.
    package var deadline: Duration
    /// The handler reads the body as it comes (`APIRequest.content`), however long it is.
    package var streamsBody: Bool
    package var handler: Handler

    package init(
        _ method: HTTPRequest.Method, _ path: String, _ description: Description, deadline: Duration = .seconds(30),
        streamsBody: Bool = false, handler: @escaping Handler
    ) {
        (self.method, self.path, self.description, self.deadline) = (method, path, description, deadline)
        (self.streamsBody, self.handler) = (streamsBody, handler)
    }

    /// The values of the path's `{…}` parts where `components`, still percent-encoded, fits the path; else nil.
    package func match(_ components: [Substring]) -> [String: String]? {
        let pattern = path.split(separator: "/", omittingEmptySubsequences: false)
        guard pattern.count == components.count else { return nil }
        var values: [String: String] = [:]
        for (expected, component) in zip(pattern, components) {
            if expected.hasPrefix("{"), expected.hasSuffix("}") {
                guard let value = PercentDecoding.decode(component), !value.isEmpty else { return nil }
                values[String(expected.dropFirst().dropLast())] = value
            } else if expected != component {
                return nil
            }
        }
        return values
    }

    package var answersByWebSocket: Bool {
        if case .webSocket = description.answer { return true }
        return false
    }
}

/// A request's address, split and decoded.
package struct RequestTarget: Sendable {
    /// Between slashes, still percent-encoded.
    package var components: [Substring]
    package var query: [(name: String, value: String)]

    /// nil for what is no origin-form target (RFC 9112, 3.2.1) or holds bad percent-encoding.
    package init?(_ uri: String) {
        guard uri.hasPrefix("/") else { return nil }
        let halves = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = halves.first else { return nil }
        components = path.split(separator: "/", omittingEmptySubsequences: false)
        query = []
        guard halves.count == 2 else { return }
        for pair in halves[1].split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first.flatMap({ PercentDecoding.decode($0, plusIsSpace: true) }),
                let value = PercentDecoding.decode(parts.count == 2 ? parts[1] : "", plusIsSpace: true)
            else { return nil }
            query.append((name, value))
        }
    }
}

/// Percent-decoding of parts of URIs (RFC 3986, 2.1).
package enum PercentDecoding {
    /// `text` decoded; nil for a broken escape, a NUL, or bytes that are not UTF-8.
    package static func decode(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+"), plusIsSpace {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        return bytes.contains(0) ? nil : String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
