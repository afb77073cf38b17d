// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes
package import HummingbirdCore
package import Logging
package import VireoCore
package import VireoService

/// A request that was matched to a route and read whole, but for a body that its route takes as it comes.
package struct APIRequest: Sendable {
    package var method: HTTPRequest.Method
    /// Values of the `{…}` parts of the route's path, decoded.
    package var parameters: [String: String]
    /// In the order of the URI, decoded.
    package var query: [(name: String, value: String)]
    /// Without parameters, in lower case: `application/json`.
    package var contentType: String?
    package var body: [UInt8]
    /// Of routes that stream it.
    package var content: Content?
    package var client: ClientIdentity
    package var services: APIServices

    /// A body that is read as it comes.
    package struct Content: Sendable {
        package var bytes: RequestBody
        /// What the client announced; nil where it said nothing.
        package var length: UInt64?
    }

    /// The last query parameter of that name.
    package func query(_ name: String) -> String? { query.last { $0.name == name }?.value }

    /// A boolean query parameter: `true`, `1`, or a bare name; `false`, `0`.
    ///
    /// - Throws: `Problem` for anything else.
    package func flag(_ name: String) throws(Problem) -> Bool? {
        switch query(name) {
        case nil: return nil
        case "true", "1", "": return true
        case "false", "0": return false
        case let text?: throw Problem(.badRequest, "query parameter '\(name)' is 'true' or 'false', not '\(text)'")
        }
    }

    /// An integer query parameter within `range`.
    package func integer(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let text = query(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw Problem(.badRequest, "query parameter '\(name)' is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// The body as JSON; an empty body reads as an empty object.
    ///
    /// - Throws: `Problem` 415 for another content type, 400 for bad JSON.
    package func json() throws(Problem) -> JSONReading {
        guard contentType == nil || contentType == "application/json" else {
            throw Problem(.unsupportedMediaType, "the body must be application/json")
        }
        guard !body.isEmpty else { return JSONReading([:], path: "") }
        do {
            return JSONReading(try JSONValue.parse(body), path: "")
        } catch {
            throw Problem(.badRequest, "the body is not JSON: \(error.kind) at byte \(error.offset)")
        }
    }

    /// The body as text of XML.
    ///
    /// - Parameter other: what else the route takes, for the message.
    package func xml(or other: String? = nil) throws(Problem) -> String {
        guard ["application/xml", "text/xml", "application/libvirt+xml"].contains(contentType) else {
            throw Problem(.unsupportedMediaType, "the body must be \(other.map { "\($0) or " } ?? "")application/xml")
        }
        guard let text = String(validating: body, as: UTF8.self) else { throw Problem(.badRequest, "the body is not UTF-8") }
        return text
    }

    /// The domain that `{domain}` names: by UUID, else by name, else by id.
    ///
    /// - Throws: `VireoError` with `noDomain`.
    package func domain() throws(VireoError) -> DomainActor {
        try services.domain(parameters["domain"] ?? "")
    }
}

/// What the handlers of all routes share.
package struct APIServices: Sendable {
    package let hypervisor: Hypervisor
    package let paths: HostPaths
    package let logger: Logger
    /// Set when the server shuts down: streams end.
    let closing = Latch()

    package init(hypervisor: Hypervisor, paths: HostPaths, logger: Logger) {
        (self.hypervisor, self.paths, self.logger) = (hypervisor, paths, logger)
    }

    /// The domain that a client calls `text`: by UUID, else by name, else by id.
    ///
    /// - Throws: `VireoError` with `noDomain`.
    package func domain(_ text: String) throws(VireoError) -> DomainActor {
        if let uuid = DomainUUID(text), let domain = try? hypervisor.domain(uuid: uuid) { return domain }
        do {
            return try hypervisor.domain(named: text)
        } catch {
            guard let id = Int32(text), id > 0, let domain = try? hypervisor.domain(id: id) else { throw error }
            return domain
        }
    }
}
