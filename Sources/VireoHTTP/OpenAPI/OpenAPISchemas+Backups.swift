// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Backups, and what is done with them.
    static let backups = #"""
        {
          "Backup": {
            "type": "object", "required": ["name", "domain", "state", "createdAt", "wasRunning", "incremental", "disks"],
            "properties": {
              "name": {"type": "string"},
              "domain": {
                "type": "object", "required": ["uuid", "name"],
                "properties": {"uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"}}
              },
              "state": {"enum": ["writing", "written", "complete", "removing"]},
              "createdAt": {"type": "string", "format": "date-time", "description": "The moment of which the disks are."},
              "completedAt": {"type": "string", "format": "date-time"},
              "wasRunning": {"type": "boolean"}, "incremental": {"type": "boolean"},
              "checkpoint": {"type": "string", "description": "What the next increment starts from."},
              "quiesced": {"type": "boolean", "description": "Whether the guest's agent held its file systems still."},
              "compressed": {"type": "boolean"}, "owner": {"type": "string"},
              "variables": {"type": "array", "description": "What the firmware and the TPM keep in files.", "items": {
                "type": "object", "required": ["kind", "path"],
                "properties": {
                  "kind": {"enum": ["nvram", "tpm"]}, "path": {"type": "string"},
                  "fileBytes": {"type": "integer", "minimum": 0}, "sha256": {"type": "string"}
                }
              }},
              "disks": {"type": "array", "items": {
                "type": "object", "required": ["target", "path", "format", "sizeBytes"],
                "properties": {
                  "target": {"type": "string"}, "path": {"type": "string"}, "format": {"enum": ["qcow2", "raw"]},
                  "sizeBytes": {"type": "integer", "minimum": 0}, "fileBytes": {"type": "integer", "minimum": 0},
                  "sha256": {"type": "string"},
                  "base": {"type": "string", "description": "The backup on whose file this one stands."},
                  "reason": {"type": "string", "description": "Why everything was copied."}
                }
              }}
            }
          },
          "BackupList": {
            "type": "object", "required": ["backups"],
            "properties": {"backups": {"type": "array", "items": {"$ref": "#/components/schemas/Backup"}}}
          },
          "BackupRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "name": {"type": "string", "description": "The time, as 20260131-120000, if not given."},
              "directory": {"type": "string", "description": "Absolute; where the last backup is if not given."},
              "full": {"type": "boolean", "default": false, "description": "Copy everything in any case."},
              "raw": {"type": "boolean", "default": false, "description": "Copies of everything as raw images."},
              "quiesce": {"type": "boolean", "default": false, "description": "Have the guest's agent hold its file systems still at that moment."},
              "compress": {"type": "boolean", "default": false, "description": "Compress the data; not with 'raw'."},
              "disks": {"type": "array", "items": {"type": "string"}, "description": "Targets; all writable disks if not given."},
              "keep": {"type": "integer", "minimum": 1, "description": "Then remove all but the latest so many."},
              "keepDays": {"type": "integer", "minimum": 1, "description": "Then remove those that are older than so many days."}
            }
          },
          "BackupRetention": {
            "type": "object", "additionalProperties": false,
            "properties": {"keep": {"type": "integer", "minimum": 1}, "keepDays": {"type": "integer", "minimum": 1}}
          },
          "BackupReport": {
            "type": "object", "required": ["isSound", "backups"],
            "properties": {
              "isSound": {"type": "boolean"},
              "backups": {"type": "array", "items": {
                "type": "object", "required": ["name", "findings"],
                "properties": {"name": {"type": "string"}, "findings": {"type": "array", "items": {"type": "string"}}}
              }}
            }
          },
          "RestoreRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "as": {"type": "string", "description": "The name of a new domain."},
              "directory": {"type": "string", "description": "Absolute; for the new domain's images."},
              "over": {"type": "boolean", "default": false, "description": "Set the domain's own disks back; it has to be shut off."},
              "disks": {"type": "array", "items": {"type": "string"}, "description": "With 'over': only these."}
            }
          },
          "BackupOutcome": {
            "type": "object", "required": ["dryRun", "written", "removed", "kept"],
            "properties": {
              "dryRun": {"type": "boolean"}, "written": {"type": "array", "items": {"type": "string"}},
              "removed": {"type": "array", "items": {"type": "string"}}, "kept": {"type": "array", "items": {"type": "string"}},
              "leftOut": {"type": "array", "items": {"type": "string"}, "description": "Disks that are not in the backup."}
            }
          }
        }
        """#
}
