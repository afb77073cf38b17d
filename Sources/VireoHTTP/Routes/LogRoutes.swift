// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import SystemPackage
import VireoCore
import VireoService

/// What guests and QEMU wrote.
enum LogRoutes {
    static let all = [log]

    /// How often a followed log is looked at.
    private static let interval: Duration = .milliseconds(100)

    private static let log = Route(
        .get, "/v1/domains/{domain}/logs/{log}",
        .init(
            operationID: "getLog", tag: "logs",
            summary: "What the guest wrote to its first serial port ('serial'), or QEMU to its log ('qemu').",
            query: [
                .init(name: "lines", kind: .integer(0...1_000_000), summary: "Only the last so many lines."),
                .init(name: "follow", kind: .boolean, summary: "Go on as more comes, until the client leaves."),
            ],
            answer: .content(mediaType: "text/plain"))
    ) { request in
        guard let kind = request.parameters["log"].flatMap(LogFiles.Kind.init(rawValue:)) else {
            throw Problem(.notFound, "a domain has the logs 'serial' and 'qemu'")
        }
        let view = try request.domain().view
        let path = LogFiles.path(kind, of: view, in: request.services.paths)
        let lines = try request.integer("lines", in: 0...1_000_000)
        let follows = try request.flag("follow") ?? false
        do {
            _ = try FileTail(path, bytes: 0)
        } catch {
            throw Problem(.notFound, "domain '\(view.name)' has no \(kind.rawValue) log: \(error)")
        }
        return .stream(contentType: "text/plain; charset=utf-8") { writer in
            var tail = try FileTail(path, lines: lines)
            while true {
                let bytes = try tail.next()
                if !bytes.isEmpty {
                    try await writer.write(bytes)
                } else {
                    guard follows else { return }
                    if await writer.ended.wait(for: interval) { return }
                }
            }
        }
    }
}
