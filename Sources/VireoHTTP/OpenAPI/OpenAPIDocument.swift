// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
package import VireoCore

/// The OpenAPI 3.1 document of the API: the paths are those of the route table, so it cannot name others; the schemas are
/// written in `OpenAPISchemas`.
package enum OpenAPIDocument {
    package static let json: JSONValue = document(of: Routes.all)

    /// The document that describes `routes`.
    package static func document(of routes: [Route]) -> JSONValue {
        var paths: [(key: String, value: JSONValue)] = []
        for route in routes {
            let operation = (key: route.method.rawValue.lowercased(), value: operation(route))
            if let index = paths.firstIndex(where: { $0.key == route.path }), case .object(var item) = paths[index].value {
                item.members.append(operation)
                paths[index].value = .object(item)
            } else {
                paths.append((route.path, .object(JSONObject([operation]))))
            }
        }
        return .members([
            ("openapi", "3.1.0"),
            (
                "info",
                .members([
                    ("title", "Vireo"), ("version", .string(VireoVersion.text)),
                    (
                        "description",
                        "Virtual machines on one host. Served on a unix socket; who may connect is decided by its mode and the peer's credentials. Errors are problem documents (RFC 9457) with libvirt's error number as 'code'."
                    ), ("license", .members([("name", "Apache-2.0"), ("identifier", "Apache-2.0")])),
                ])
            ),
            ("servers", .array([.members([("url", "http://localhost")])])),
            ("paths", .object(JSONObject(paths))),
            ("components", .members([("schemas", OpenAPISchemas.json)])),
        ])
    }

    private static func operation(_ route: Route) -> JSONValue {
        let description = route.description
        var parameters = route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map {
            pathParameter($0.dropFirst().dropLast())
        }
        parameters += description.query.map(queryParameter)
        var body: JSONValue?
        if !description.body.isEmpty {
            body = .members([("content", .object(JSONObject(description.body.map { ($0.mediaType, content($0.schema)) })))])
        }
        return .members([
            ("operationId", .string(description.operationID)), ("tags", .array([.string(description.tag)])),
            ("summary", .string(description.summary)), ("parameters", parameters.isEmpty ? nil : .array(parameters)),
            ("requestBody", body),
            ("responses", .object(JSONObject([answer(description.answer), ("default", problem)]))),
        ])
    }

    private static func pathParameter(_ name: Substring) -> JSONValue {
        let meaning =
            switch name {
            case "domain": "UUID, name or id of a domain."
            case "operation": "Id of an operation."
            case "log": "'serial' or 'qemu'."
            default: ""
            }
        return .members([
            ("name", .string(String(name))), ("in", "path"), ("required", .bool(true)), ("description", .string(meaning)),
            ("schema", .members([("type", "string")])),
        ])
    }

    private static func queryParameter(_ parameter: Route.QueryParameter) -> JSONValue {
        let schema: JSONValue =
            switch parameter.kind {
            case .boolean: .members([("type", "boolean")])
            case .string: .members([("type", "string")])
            case .integer(let range):
                .members([
                    ("type", "integer"), ("minimum", JSONValue(range.lowerBound)), ("maximum", JSONValue(range.upperBound)),
                ])
            }
        return .members([
            ("name", .string(parameter.name)), ("in", "query"), ("description", .string(parameter.summary)), ("schema", schema),
        ])
    }

    private static func content(_ schema: String?) -> JSONValue {
        guard let schema else { return .members([("schema", .members([("type", "string")]))]) }
        return .members([("schema", .members([("$ref", .string("#/components/schemas/\(schema)"))]))])
    }

    private static func answer(_ answer: Route.Answer) -> (key: String, value: JSONValue) {
        switch answer {
        case .json(let schema, let status):
            let type = JSONValue.members([("application/json", content(schema))])
            return ("\(status)", .members([("description", "Done."), ("content", type)]))
        case .content(let mediaType):
            let type = JSONValue.object(JSONObject([(mediaType, content(nil))]))
            return ("200", .members([("description", "Done."), ("content", type)]))
        case .none:
            return ("204", .members([("description", "Done.")]))
        case .webSocket:
            return ("101", .members([("description", "The connection is a WebSocket now.")]))
        }
    }

    private static let problem: JSONValue = .members([
        ("description", "What went wrong."),
        ("content", .members([("application/problem+json", content("Problem"))])),
    ])
}
