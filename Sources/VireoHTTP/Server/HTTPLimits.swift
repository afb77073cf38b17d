// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// What one client, or all of them, may take from the HTTP server.
package struct HTTPLimits: Sendable {
    /// Connections at once; more wait in the backlog.
    package var connections = 256
    /// Connections that wait to be accepted.
    package var backlog = 128
    /// Bytes of a request's body: a definition in XML is far smaller.
    package var body = 4 << 20
    /// Bytes of all header fields of a request.
    package var headers = 32 << 10
    /// How long a request may take to arrive, and a kept connection may be silent.
    package var idle: Duration = .seconds(60)
    /// How long running requests get at shutdown.
    package var drain: Duration = .seconds(5)
    /// Bytes of one WebSocket frame from a client.
    package var frame = 64 << 10

    package init() {}
}
