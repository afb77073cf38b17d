// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Storage pools and their volumes.
    static let storage = #"""
        {
          "Pool": {
            "type": "object",
            "required": ["name", "uuid", "type", "state", "autostart", "persistent", "capacityBytes", "allocatedBytes",
                         "availableBytes", "volumes"],
            "properties": {
              "name": {"type": "string"}, "uuid": {"type": "string", "format": "uuid"},
              "type": {"type": "string", "description": "As in libvirt's XML: dir, fs, netfs, logical, disk ..."},
              "state": {"type": "string", "enum": ["inactive", "building", "running", "degraded", "inaccessible"]},
              "autostart": {"type": "boolean"}, "persistent": {"type": "boolean"},
              "path": {"type": "string", "description": "Where its volumes show up on the host."},
              "capacityBytes": {"type": "integer"}, "allocatedBytes": {"type": "integer"}, "availableBytes": {"type": "integer"},
              "volumes": {"type": "integer", "description": "How many."},
              "space": {"type": "string", "enum": ["fine", "low", "critical"],
                        "description": "low: full within an hour at this rate, or less than 5 % left; critical: five minutes, 1 %."},
              "fullInSeconds": {"type": "integer", "description": "At the rate of the last minutes; left out while it does not shrink."},
              "silentSince": {"type": "string", "format": "date-time", "description": "Its storage has not answered since."}
            }
          },
          "PoolList": {
            "type": "object", "required": ["pools"],
            "properties": {"pools": {"type": "array", "items": {"$ref": "#/components/schemas/Pool"}}}
          },
          "PoolRequest": {
            "type": "object", "additionalProperties": false, "required": ["name", "path"],
            "properties": {
              "name": {"type": "string"}, "path": {"type": "string", "description": "A directory; made if it is not there."}
            }
          },
          "Volume": {
            "type": "object", "required": ["name", "kind", "capacityBytes", "encrypted"],
            "properties": {
              "name": {"type": "string"}, "path": {"type": "string"},
              "kind": {"type": "string", "enum": ["file", "block", "dir", "network", "netdir", "ploop"]},
              "format": {"type": "string", "description": "What its bytes look like."},
              "capacityBytes": {"type": "integer"}, "allocatedBytes": {"type": "integer"},
              "physicalBytes": {"type": "integer", "description": "The length of its file: what a download has."},
              "backing": {"type": "string", "description": "The image that it stands on."}, "encrypted": {"type": "boolean"}
            }
          },
          "VolumeList": {
            "type": "object", "required": ["volumes"],
            "properties": {"volumes": {"type": "array", "items": {"$ref": "#/components/schemas/Volume"}}}
          },
          "VolumeRemoval": {
            "type": "object", "required": ["dryRun", "removed", "namedBy"],
            "properties": {
              "dryRun": {"type": "boolean"}, "removed": {"type": "array", "items": {"type": "string"}},
              "namedBy": {"type": "array", "items": {"type": "string"},
                          "description": "Machines, snapshots and images that name it, in words."}
            }
          },
          "VolumeRequest": {
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {
              "name": {"type": "string"}, "sizeBytes": {"type": "integer", "description": "That of the backing image if left out."},
              "format": {"type": "string", "enum": ["qcow2", "raw"], "default": "qcow2"},
              "backing": {"type": "string", "description": "A volume of the pool, or the path of any volume."}
            }
          },
          "VolumeResizeRequest": {
            "type": "object", "additionalProperties": false, "required": ["sizeBytes"],
            "properties": {
              "sizeBytes": {"type": "integer"},
              "shrink": {"type": "boolean", "description": "Make it smaller: what lies behind the new end is lost."}
            }
          },
          "VolumeCloneRequest": {
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {
              "name": {"type": "string"}, "pool": {"type": "string", "description": "Another pool for the copy."},
              "format": {"type": "string", "enum": ["qcow2", "raw"]}
            }
          }
        }
        """#
}
