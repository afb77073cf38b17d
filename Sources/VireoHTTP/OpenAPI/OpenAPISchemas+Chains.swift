// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Images and who stands on them.
    static let chains = #"""
        {
          "Layer": {
            "type": "object", "required": ["path", "format", "exists", "baseChanged", "depth", "users"],
            "properties": {
              "path": {"type": "string", "description": "With links resolved."}, "format": {"type": "string"},
              "backing": {"type": "string", "description": "The path of what it stands on; left out for one that stands alone."},
              "depth": {"type": "integer", "description": "Layers from here down, this one included."},
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
            "type": "object", "required": ["layers", "depthLimit"],
            "properties": {
              "layers": {"type": "array", "items": {"$ref": "#/components/schemas/Layer"}},
              "depthLimit": {"type": "integer", "description": "Deeper chains are told of; 0: any depth is fine."}
            }
          },
          "AcceptBaseRequest": {
            "type": "object", "additionalProperties": false, "required": ["path"],
            "properties": {"path": {"type": "string", "description": "Of the changed base image."}}
          },
          "FlattenRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {"onto": {"type": "string", "description": "The layer that stays below; left out: none does."}}
          },
          "CompactRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {"into": {"type": "string", "description": "The layer down to which layers are merged, and that is written into; left out: the lowest one stays below as it is."}}
          },
          "MoveRequest": {
            "type": "object", "additionalProperties": false, "required": ["to"],
            "properties": {
              "to": {"type": "string", "description": "A file that is not there yet, or a directory."},
              "flatten": {"type": "boolean", "description": "The copy stands alone."},
              "keepSource": {"type": "boolean", "description": "The old file stays."},
              "layer": {"type": "string", "description": "The layer, by its path; left out: the top. One below is moved while the domain is shut off."},
              "whole": {"type": "boolean", "description": "All layers, into the directory."}
            }
          },
          "ChainOutcome": {
            "description": "The chain as it is then, or with dryRun what would be done.",
            "oneOf": [
              {
                "type": "object", "required": ["disk", "chain"],
                "properties": {"disk": {"type": "string"}, "chain": {"type": "array", "items": {"type": "string"}, "description": "Top first."}}
              },
              {"$ref": "#/components/schemas/SnapshotPreview"}
            ]
          }
        }
        """#
}
