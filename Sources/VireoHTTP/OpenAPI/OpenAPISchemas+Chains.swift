// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Images and who stands on them.
    static let chains = #"""
        {
          "Layer": {
            "type": "object", "required": ["path", "format", "exists", "baseChanged", "users"],
            "properties": {
              "path": {"type": "string", "description": "With links resolved."}, "format": {"type": "string"},
              "backing": {"type": "string", "description": "The path of what it stands on; left out for one that stands alone."},
              "allocatedBytes": {"type": "integer"}, "exists": {"type": "boolean"},
              "baseChanged": {"type": "boolean", "description": "What it stands on was changed after it was made on that."},
              "users": {"type": "array", "items": {
                "type": "object", "required": ["uuid", "name", "path"],
                "description": "A disk of a domain (disk, active), or a snapshot of one (snapshot).",
                "properties": {
                  "uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"}, "disk": {"type": "string"},
                  "snapshot": {"type": "string"}, "active": {"type": "boolean"}, "path": {"type": "string", "description": "The image that the domain names."}
                }
              }}
            }
          },
          "LayerList": {
            "type": "object", "required": ["layers"],
            "properties": {"layers": {"type": "array", "items": {"$ref": "#/components/schemas/Layer"}}}
          },
          "AcceptBaseRequest": {
            "type": "object", "additionalProperties": false, "required": ["path"],
            "properties": {"path": {"type": "string", "description": "Of the changed base image."}}
          }
        }
        """#
}
