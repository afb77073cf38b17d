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
          },
          "ScheduleRequest": {
            "type": "object", "additionalProperties": false, "required": ["name"],
            "description": "At least one of hourly, daily and weekly; 100 together at most.",
            "properties": {
              "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
              "kind": {
                "enum": ["external", "internal", "checkpoint"], "default": "external",
                "description": "Disks in new overlays, disks inside their images, or those and the memory of a running domain."
              },
              "hourly": {"type": "integer", "minimum": 0, "maximum": 100, "description": "How many hours have a snapshot."},
              "daily": {"type": "integer", "minimum": 0, "maximum": 100},
              "weekly": {"type": "integer", "minimum": 0, "maximum": 100},
              "quiesce": {"type": "boolean", "default": true, "description": "Freeze file systems, where the guest's agent answers."}
            }
          },
          "Schedule": {
            "type": "object", "required": ["name", "kind", "hourly", "daily", "weekly", "quiesce", "domain", "snapshots"],
            "properties": {
              "name": {"type": "string"}, "kind": {"type": "string"}, "hourly": {"type": "integer"}, "daily": {"type": "integer"},
              "weekly": {"type": "integer"}, "quiesce": {"type": "boolean"},
              "domain": {
                "type": "object", "required": ["uuid", "name"],
                "properties": {"uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"}}
              },
              "lastRun": {"type": "string", "format": "date-time"}, "lastTry": {"type": "string", "format": "date-time"},
              "outcome": {"type": "string", "description": "What came of the last try."},
              "snapshots": {"type": "array", "items": {"type": "string"}, "description": "Those that are there, oldest first."}
            }
          },
          "ScheduleList": {
            "type": "object", "required": ["schedules"],
            "properties": {"schedules": {"type": "array", "items": {"$ref": "#/components/schemas/Schedule"}}}
          },
          "AdoptRequest": {
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {"name": {"type": "string", "description": "Of the new snapshot."}}
          },
          "SnapshotDifference": {
            "type": "object", "required": ["disks"],
            "properties": {"disks": {"type": "array", "items": {
              "type": "object", "required": ["disk", "changedBytes", "truncated", "blocks", "fileSystems"],
              "properties": {
                "disk": {"type": "string"}, "changedBytes": {"type": "integer", "description": "In blocks of 64 KiB."},
                "truncated": {"type": "boolean", "description": "There are more blocks than are told."},
                "blocks": {"type": "array", "items": {
                  "type": "object", "required": ["offset", "length"],
                  "properties": {"offset": {"type": "integer"}, "length": {"type": "integer"}}
                }},
                "problem": {"type": "string", "description": "Why no file system was looked at."},
                "fileSystems": {"type": "array", "items": {
                  "type": "object", "required": ["truncated", "files"],
                  "properties": {
                    "partition": {"type": "integer"}, "kind": {"type": "string"}, "truncated": {"type": "boolean"},
                    "problem": {"type": "string", "description": "Why its files are not told."},
                    "files": {"type": "array", "items": {
                      "type": "object", "required": ["path", "change"],
                      "properties": {
                        "path": {"type": "string"}, "change": {"enum": ["added", "changed", "removed"]},
                        "oldSize": {"type": "integer"}, "newSize": {"type": "integer"}
                      }
                    }}
                  }
                }}
              }
            }}}
          },
          "ScheduleOutcome": {
            "type": "object", "required": ["outcome"], "properties": {"outcome": {"type": "string"}}
          }
        }
        """#
}
