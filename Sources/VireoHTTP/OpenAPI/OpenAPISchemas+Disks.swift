// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Disks of machines.
    static let disks = #"""
        {
          "DiskRequest": {
            "type": "object", "additionalProperties": false,
            "description": "An existing image (path, format), or a new one (sizeBytes).",
            "properties": {
              "path": {"type": "string", "description": "Absolute."},
              "sizeBytes": {"type": "integer", "minimum": 512, "description": "Makes a new, empty image."},
              "format": {
                "enum": ["raw", "qcow2", "vmdk", "vdi", "vpc"],
                "description": "Needed for an existing image; qcow2 for a new one unless said."
              },
              "bus": {"enum": ["virtio", "scsi", "sata", "ide", "usb"], "default": "virtio"},
              "readOnly": {"type": "boolean", "default": false},
              "target": {"type": "string", "description": "As vdb; the first free one unless said."}
            }
          },
          "DiskResizeRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "sizeBytes": {"type": "integer", "minimum": 512, "description": "The new size; this or growBytes."},
              "growBytes": {"type": "integer", "minimum": 1, "description": "How much larger than now."},
              "guest": {"type": "boolean", "default": false, "description": "Have the guest's agent grow what lies on it."}
            }
          },
          "DiskResize": {
            "type": "object", "required": ["disk", "sizeBytes"],
            "properties": {
              "disk": {"type": "string"}, "sizeBytes": {"type": "integer"},
              "guest": {
                "type": "object", "required": ["device", "fileSystem", "mountPoint"],
                "properties": {
                  "device": {"type": "string"}, "partition": {"type": "string"}, "volume": {"type": "string"},
                  "fileSystem": {"type": "string"}, "mountPoint": {"type": "string"}, "totalBytes": {"type": "integer"}
                }
              }
            }
          }
        }
        """#
}
