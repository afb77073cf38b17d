// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Snapshots, and what is done with them.
    static let snapshots = #"""
        {
          "Snapshot": {
            "type": "object", "required": ["name", "isCurrent", "state", "createdAt", "memory", "children", "disks"],
            "properties": {
              "name": {"type": "string"}, "description": {"type": "string"},
              "parent": {"type": "string", "description": "Left out for a root."},
              "isCurrent": {"type": "boolean", "description": "The disks go on from it."},
              "state": {
                "enum": [
                  "nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended", "disk-snapshot"
                ]
              },
              "createdAt": {"type": "string", "format": "date-time"},
              "memory": {"enum": ["no", "internal", "external"]}, "memoryFile": {"type": "string"},
              "quiesced": {"type": "boolean", "description": "The guest's file systems were frozen; else it is as after a power cut."},
              "children": {"type": "array", "items": {"type": "string"}},
              "disks": {"type": "array", "items": {
                "type": "object", "required": ["target", "location"],
                "properties": {
                  "target": {"type": "string"}, "location": {"enum": ["internal", "external"]},
                  "image": {"type": "string", "description": "What holds the disk as it was."},
                  "overlay": {"type": "string", "description": "What the guest went on with."}
                }
              }},
              "kept": {"type": "array", "items": {"type": "string"}, "description": "Branches that going back left."}
            }
          },
          "SnapshotList": {
            "type": "object", "required": ["snapshots"],
            "properties": {
              "current": {"type": "string"}, "snapshots": {"type": "array", "items": {"$ref": "#/components/schemas/Snapshot"}}
            }
          },
          "SnapshotPreview": {
            "type": "object", "required": ["dryRun", "written", "removed", "kept"],
            "properties": {
              "dryRun": {"const": true}, "written": {"type": "array", "items": {"type": "string"}},
              "removed": {"type": "array", "items": {"type": "string"}}, "kept": {"type": "array", "items": {"type": "string"}}
            }
          },
          "SnapshotOutcome": {
            "description": "What is there now; with dryRun what would be done.",
            "anyOf": [
              {"$ref": "#/components/schemas/Snapshot"}, {"$ref": "#/components/schemas/SnapshotList"},
              {"$ref": "#/components/schemas/SnapshotPreview"}
            ]
          },
          "SnapshotRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "name": {"type": "string", "description": "The time in seconds since 1970 if not given."},
              "description": {"type": "string"},
              "external": {"type": "boolean", "default": false, "description": "In overlays instead of inside the images."},
              "diskOnly": {"type": "boolean", "default": false, "description": "Without the memory of a running domain."},
              "memoryFile": {"type": "string", "description": "Absolute; where an external snapshot keeps the memory."},
              "quiesce": {"type": "boolean", "default": false, "description": "Freeze file systems meanwhile; disks only."},
              "halt": {"type": "boolean", "default": false, "description": "End the domain once it is taken."}
            }
          },
          "RevertRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "state": {"enum": ["asTaken", "running", "paused"], "default": "asTaken"},
              "force": {"type": "boolean", "default": false},
              "resetNVRAM": {"type": "boolean", "default": false}
            }
          }
        }
        """#
}
