// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Secrets; values only go in.
    static let secrets = #"""
        {
          "SecretUsage": {
            "type": "object", "additionalProperties": false, "required": ["type", "id"],
            "properties": {
              "type": {"type": "string", "enum": ["volume", "ceph", "iscsi", "tls", "vtpm"]},
              "id": {"type": "string", "description": "The path of an image, the name of a user or key, an iSCSI target."}
            }
          },
          "Secret": {
            "type": "object", "required": ["uuid", "private", "ephemeral", "usage"],
            "properties": {
              "uuid": {"type": "string", "format": "uuid"}, "description": {"type": "string"},
              "private": {"type": "boolean", "description": "No client of libvirt's protocol may read the value."},
              "ephemeral": {"type": "boolean", "description": "Kept in memory only."},
              "usage": {"oneOf": [{"$ref": "#/components/schemas/SecretUsage"}, {"type": "null"}]}
            }
          },
          "SecretList": {
            "type": "object", "required": ["secrets"],
            "properties": {"secrets": {"type": "array", "items": {"$ref": "#/components/schemas/Secret"}}}
          },
          "NewSecret": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "description": {"type": "string"}, "private": {"type": "boolean"}, "ephemeral": {"type": "boolean"},
              "usage": {"$ref": "#/components/schemas/SecretUsage"}, "value": {"type": "string", "contentEncoding": "base64"}
            }
          },
          "SecretValue": {
            "type": "object", "additionalProperties": false, "required": ["value"],
            "properties": {"value": {"type": "string", "contentEncoding": "base64"}}
          }
        }
        """#
}
