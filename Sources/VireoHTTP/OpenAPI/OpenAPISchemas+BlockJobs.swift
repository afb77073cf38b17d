// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Jobs on the chains of disks.
    static let blockJobs = #"""
        {
          "BlockJob": {
            "type": "object", "required": ["disk", "kind", "state", "canPivot"],
            "properties": {
              "disk": {"type": "string"}, "kind": {"enum": ["pull", "copy", "commit", "active-commit"]},
              "state": {"enum": ["running", "ready", "pivoting", "aborting", "finishing"]},
              "operation": {"type": "string", "description": "Its id in /v1/operations."},
              "canPivot": {"type": "boolean", "description": "The guest can be moved once it is ready."},
              "bytesPerSecond": {"type": "integer", "minimum": 0, "description": "0 for no limit."},
              "processedBytes": {"type": "integer", "minimum": 0}, "totalBytes": {"type": "integer", "minimum": 0},
              "percent": {"type": "number", "minimum": 0, "maximum": 100}
            }
          },
          "BlockJobList": {
            "type": "object", "required": ["jobs"],
            "properties": {"jobs": {"type": "array", "items": {"$ref": "#/components/schemas/BlockJob"}}}
          },
          "BlockJobSpeed": {
            "type": "object", "additionalProperties": false, "required": ["bytesPerSecond"],
            "properties": {"bytesPerSecond": {"type": "integer", "minimum": 0, "description": "0 for no limit."}}
          }
        }
        """#
}
