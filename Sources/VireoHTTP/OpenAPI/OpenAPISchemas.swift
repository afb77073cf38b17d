// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

package import VireoCore

/// The schemas of the API's bodies (JSON Schema 2020-12, as OpenAPI 3.1 has it), in one text for each area.
package enum OpenAPISchemas {
    /// Objects of schemas by name. They are ours and parse, and no name is there twice: a test sees to it.
    package static let texts = [
        machines,
        disks,
        chains,
        blockJobs,
        snapshots,
        backups,
        storage,
        networks,
        secrets,
    ]

    /// All of them by name.
    package static let json: JSONValue = .object(
        JSONObject(texts.flatMap { (try? JSONValue.parse($0))?.objectValue?.members ?? [] }))
}
