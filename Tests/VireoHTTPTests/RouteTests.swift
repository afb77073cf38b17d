// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import VireoCore

@testable import VireoHTTP

@Suite("Addresses")
struct RouteTests {
    @Test("Addresses are split and decoded")
    func target() throws {
        let target = try #require(RequestTarget("/v1/domains/a%20b?follow=true&x=1%2B1&y=a+b&z"))
        #expect(target.components == ["", "v1", "domains", "a%20b"])
        #expect(target.query.map(\.name) == ["follow", "x", "y", "z"])
        #expect(target.query.map(\.value) == ["true", "1+1", "a b", ""])
    }

    @Test("Broken addresses are refused", arguments: ["", "v1", "*", "/v1?a=%2", "/v1?a=%zz", "/v1?a=%ff", "/v1?%00=1"])
    func badTargets(uri: String) {
        #expect(RequestTarget(uri) == nil)
    }

    @Test("A name with a slash or NUL in it cannot be smuggled into a path", arguments: ["a%00b", "%c3%28", ""])
    func badParameters(component: String) {
        let route = Route(.get, "/v1/domains/{domain}", .init(operationID: "x", tag: "", summary: "", answer: .none)) { _ in
            .empty
        }
        #expect(route.match(["", "v1", "domains", component[...]]) == nil)
        #expect(route.match(["", "v1", "domains", "a%2Fb"]) == ["domain": "a/b"])
        #expect(route.match(["", "v1", "domains", "a", "b"]) == nil)
    }

    @Test("No two operations share an address or an id")
    func unique() {
        #expect(Set(Routes.all.map { "\($0.method) \($0.path)" }).count == Routes.all.count)
        #expect(Set(Routes.all.map(\.description.operationID)).count == Routes.all.count)
    }
}

@Suite("OpenAPI")
struct OpenAPITests {
    @Test("Every operation is in the document, and nothing else")
    func coverage() throws {
        let paths = try #require(OpenAPIDocument.json["paths"]?.objectValue)
        let documented = Set(
            paths.members.flatMap { path, item in
                (item.objectValue?.members ?? []).map { "\($0.key.uppercased()) \(path)" }
            })
        #expect(documented == Set(Routes.all.map { "\($0.method.rawValue) \($0.path)" }))
    }

    @Test("The schemas parse, and every reference leads to one")
    func references() throws {
        for text in OpenAPISchemas.texts { _ = try JSONValue.parse(text) }
        let members = try #require(OpenAPISchemas.json.objectValue).members.map(\.key)
        let names = Set(members)
        #expect(names.count == members.count)
        #expect(names.count > 10)
        var pending = [OpenAPIDocument.json]
        while let value = pending.popLast() {
            switch value {
            case .array(let elements): pending += elements
            case .object(let object):
                pending += object.members.map(\.value)
                guard let reference = object["$ref"]?.stringValue else { continue }
                #expect(reference.split(separator: "/").last.map { names.contains(String($0)) } == true, "\(reference)")
            default: break
            }
        }
    }

    @Test("The short form takes what its schema says, and no more")
    func machineRequest() throws {
        let properties = try #require(OpenAPISchemas.json["MachineRequest"]?["properties"]?.objectValue).members.map(\.key)
        for name in properties {
            // A known member of a wrong kind is refused for its value, not for its name.
            let body = JSONValue.object(JSONObject([(name, .object(JSONObject([("nonsense", 1)])))]))
            do {
                _ = try MachineRequest(JSONReading(body, path: ""), suffix: "x")
            } catch {
                #expect(error.message != "'\(name)' is not known")
            }
        }
    }
}

@Suite("Problems")
struct ProblemTests {
    @Test(
        "Codes become fitting statuses",
        arguments: [
            (VireoError.Code.noDomain, 404), (.invalidArg, 400), (.operationInvalid, 409), (.configUnsupported, 422),
            (.operationTimeout, 504), (.accessDenied, 403), (.internalError, 500), (.noSupport, 501),
        ])
    func statuses(code: VireoError.Code, status: Int) {
        let problem = Problem(VireoError(code, "why"))
        #expect(problem.status.code == status)
        #expect(problem.json["code"]?.intValue == Int(code.rawValue))
        #expect(problem.json["detail"]?.stringValue == "why")
    }
}
