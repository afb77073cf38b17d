// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Networks and network cards of machines.
    static let networks = #"""
        {
          "NetworkSummary": {
            "type": "object",
            "required": ["name", "uuid", "active", "persistent", "autostart", "mode", "subnets", "connections"],
            "properties": {
              "name": { "type": "string" },
              "uuid": { "type": "string", "format": "uuid" },
              "active": { "type": "boolean" },
              "persistent": { "type": "boolean" },
              "autostart": { "type": "boolean", "description": "Whether it starts with the host." },
              "mode": { "type": "string", "description": "nat, route, open, isolated, bridge, private, vepa, passthrough or hostdev." },
              "bridge": { "type": ["string", "null"] },
              "subnets": { "type": "array", "items": { "type": "string" } },
              "connections": { "type": "integer", "description": "Network cards of machines that are on it." }
            }
          },
          "NetworkList": {
            "type": "object", "required": ["networks"],
            "properties": { "networks": { "type": "array", "items": { "$ref": "#/components/schemas/NetworkSummary" } } }
          },
          "Network": {
            "allOf": [
              { "$ref": "#/components/schemas/NetworkSummary" },
              {
                "type": "object",
                "properties": {
                  "addresses": { "type": "array", "items": { "type": "object" }, "description": "The host's, with the ranges that DHCP gives out." },
                  "domain": { "type": ["string", "null"], "description": "What names on it end with." },
                  "forwards": { "type": "array", "items": { "type": "object" }, "description": "Ports of the host that lead to machines." },
                  "machines": { "type": "array", "items": { "type": "string" } }
                }
              }
            ]
          },
          "NetworkRequest": {
            "type": "object", "required": ["name"],
            "properties": {
              "name": { "type": "string" },
              "mode": { "type": "string", "enum": ["nat", "route", "open", "isolated", "bridge"], "default": "nat" },
              "bridge": { "type": "string", "description": "With mode bridge: a bridge that the host has." },
              "subnet": { "type": "string", "description": "As 10.0.0.0/24; a free one unless said." },
              "autostart": { "type": "boolean", "default": true }
            }
          },
          "Lease": {
            "type": "object", "required": ["address", "prefix", "expiresAt"],
            "properties": {
              "address": { "type": "string" },
              "prefix": { "type": "integer" },
              "mac": { "type": ["string", "null"] },
              "hostname": { "type": ["string", "null"] },
              "clientID": { "type": ["string", "null"] },
              "expiresAt": { "type": "integer", "description": "Seconds since 1970; 0 is never." }
            }
          },
          "LeaseList": {
            "type": "object", "required": ["leases"],
            "properties": { "leases": { "type": "array", "items": { "$ref": "#/components/schemas/Lease" } } }
          },
          "ForwardRequest": {
            "type": "object", "required": ["port", "address"],
            "properties": {
              "transport": { "type": "string", "enum": ["tcp", "udp"], "default": "tcp" },
              "port": { "type": "integer", "description": "On the host." },
              "address": { "type": "string", "description": "The machine's." },
              "targetPort": { "type": "integer", "description": "On the machine; the same unless said." }
            }
          },
          "NICRequest": {
            "type": "object",
            "properties": {
              "network": { "type": "string", "description": "A virtual network." },
              "bridge": { "type": "string", "description": "A bridge of the host; with neither, QEMU's own NAT." },
              "model": { "type": "string", "default": "virtio" },
              "mac": { "type": "string" }
            }
          },
          "NICLimit": {
            "type": "object",
            "properties": {
              "inKilobytesPerSecond": { "type": "integer", "description": "What the machine takes, in 1000 bytes; 0 is no limit." },
              "outKilobytesPerSecond": { "type": "integer", "description": "What the machine sends." }
            }
          }
        }
        """#
}
