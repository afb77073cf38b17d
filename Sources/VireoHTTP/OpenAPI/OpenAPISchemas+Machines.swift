// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

extension OpenAPISchemas {
    /// Machines, their host, and what is done to them.
    static let machines = #"""
        {
          "Problem": {
            "type": "object", "required": ["title", "status", "detail"],
            "properties": {
              "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
              "detail": {"type": "string", "description": "One sentence for a person."},
              "code": {"type": "integer", "description": "libvirt's virErrorNumber."}
            }
          },
          "Version": {
            "type": "object", "required": ["version", "api"],
            "properties": {
              "version": {"type": "string"}, "api": {"type": "string"}, "libvirtAPI": {"type": "string"},
              "pid": {"type": "integer"}
            }
          },
          "Host": {
            "type": "object", "required": ["hostname", "architecture", "cpus", "memoryBytes"],
            "properties": {
              "hostname": {"type": "string"}, "architecture": {"type": "string"},
              "uuid": {"type": "string", "format": "uuid"},
              "cpus": {"type": "integer"}, "megahertz": {"type": "integer"}, "memoryBytes": {"type": "integer"},
              "freeMemoryBytes": {"type": "integer"}, "numaCells": {"type": "integer"}, "domains": {"type": "integer"},
              "activeDomains": {"type": "integer"}
            }
          },
          "Capabilities": {
            "type": "object", "required": ["emulator", "version", "kvm", "machines"],
            "properties": {
              "emulator": {"type": "string"}, "version": {"type": "string"}, "package": {"type": "string"},
              "architecture": {"type": "string"},
              "kvm": {
                "type": "object", "required": ["usable"],
                "properties": {"usable": {"type": "boolean"}, "reason": {"type": "string"}}
              },
              "machines": {"type": "array", "items": {
                "type": "object", "required": ["name"],
                "properties": {
                  "name": {"type": "string"}, "alias": {"type": "string"}, "maximumCPUs": {"type": "integer"},
                  "default": {"type": "boolean"}, "deprecated": {"type": "boolean"}
                }
              }}
            }
          },
          "DomainReference": {
            "type": "object", "required": ["uuid", "name", "id"],
            "properties": {
              "uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"},
              "id": {"type": ["integer", "null"], "description": "null while it does not run."}
            }
          },
          "DomainSummary": {
            "type": "object", "required": ["uuid", "name", "id", "state", "persistent", "cpus", "memoryBytes"],
            "properties": {
              "uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"},
              "id": {"type": ["integer", "null"], "description": "null while it does not run."},
              "state": {
                "enum": ["nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended"]
              },
              "reason": {"type": "string"}, "persistent": {"type": "boolean"}, "autostart": {"type": "boolean"},
              "hasManagedSave": {"type": "boolean"}, "cpus": {"type": "integer"}, "memoryBytes": {"type": "integer"},
              "uptimeSeconds": {"type": "integer"}
            }
          },
          "DomainList": {
            "type": "object", "required": ["domains"],
            "properties": {"domains": {"type": "array", "items": {"$ref": "#/components/schemas/DomainSummary"}}}
          },
          "Domain": {
            "allOf": [{"$ref": "#/components/schemas/DomainSummary"}],
            "type": "object",
            "properties": {
              "title": {"type": "string"}, "description": {"type": "string"}, "pid": {"type": "integer"},
              "startedAt": {"type": "string", "format": "date-time"},
              "stateSince": {"type": "string", "format": "date-time"},
              "problem": {"type": "string", "description": "What keeps its disks' chains from being changed, as an operation could not be ended; it is tried again."},
              "answering": {"type": "boolean", "description": "Whether its QEMU is known to answer; what is shown of a silent one may be old. Only while it runs."},
              "hasPendingChanges": {"type": "boolean", "description": "The definition was changed since the start."},
              "job": {"$ref": "#/components/schemas/Operation"},
              "accelerator": {"enum": ["kvm", "tcg"]}, "architecture": {"type": "string"}, "machine": {"type": "string"},
              "firmware": {"enum": ["bios", "uefi"]}, "kernel": {"type": "string"},
              "disks": {"type": "array", "items": {
                "type": "object", "required": ["target", "device"],
                "properties": {
                  "target": {"type": "string"}, "device": {"type": "string"}, "bus": {"type": "string"},
                  "type": {"type": "string"}, "source": {"type": "string"}, "format": {"type": "string"},
                  "readOnly": {"type": "boolean"}, "serial": {"type": "string"}
                }
              }},
              "interfaces": {"type": "array", "items": {
                "type": "object", "required": ["type"],
                "properties": {
                  "type": {"type": "string"}, "source": {"type": "string"}, "mac": {"type": "string"},
                  "model": {"type": "string"}, "target": {"type": "string"},
                  "portForwards": {"type": "array", "items": {"$ref": "#/components/schemas/PortForward"}},
                  "addresses": {
                    "type": "array", "items": {"$ref": "#/components/schemas/KnownAddress"},
                    "description": "Of a running machine, when it is asked for by itself; the best first."
                  }
                }
              }},
              "graphics": {"type": "array", "items": {
                "type": "object", "required": ["type"],
                "properties": {
                  "type": {"type": "string"}, "address": {"type": "string"}, "port": {"type": "integer"},
                  "tlsPort": {"type": "integer"}, "socket": {"type": "string"}
                }
              }},
              "consoles": {"type": "array", "items": {
                "type": "object", "required": ["device", "type"],
                "properties": {"device": {"type": "string"}, "type": {"type": "string"}, "path": {"type": "string"}}
              }}
            }
          },
          "KnownAddress": {
            "type": "object", "required": ["address", "source"],
            "properties": {
              "address": {"type": "string"}, "prefix": {"type": "integer"},
              "source": {
                "enum": ["agent", "lease", "arp", "connections", "assigned"],
                "description": "Who says so: the guest's agent, its network's DHCP server, its packets or the host's neighbours, connections of QEMU's own network, or what that gives its only client."
              },
              "ageSeconds": {"type": "integer", "description": "Since it was last confirmed, where that is known."}
            }
          },
          "PortForward": {
            "type": "object", "required": ["hostPort", "guestPort"],
            "properties": {
              "protocol": {"enum": ["tcp", "udp"], "default": "tcp"},
              "address": {"type": "string", "format": "ipv4", "default": "127.0.0.1"},
              "hostPort": {"type": "integer", "minimum": 1, "maximum": 65535},
              "guestPort": {"type": "integer", "minimum": 1, "maximum": 65535}
            }
          },
          "MachineRequest": {
            "type": "object", "additionalProperties": false,
            "description": "A machine in short. Members that are not known are refused.",
            "properties": {
              "name": {"type": "string", "description": "Made up if not given."},
              "title": {"type": "string"}, "description": {"type": "string"},
              "cpus": {"type": "integer", "minimum": 1, "maximum": 1024, "default": 1},
              "memoryBytes": {"type": "integer", "minimum": 1048576, "default": 1073741824},
              "accelerator": {"enum": ["auto", "kvm", "tcg"], "default": "auto"},
              "machine": {"type": "string", "default": "q35"},
              "firmware": {"enum": ["bios", "uefi"], "default": "bios"},
              "disks": {"type": "array", "maxItems": 20, "items": {
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
                  "readOnly": {"type": "boolean", "default": false}
                }
              }},
              "cdrom": {"type": "string", "description": "Absolute path of an ISO image."},
              "kernel": {
                "type": "object", "additionalProperties": false, "required": ["path"],
                "properties": {
                  "path": {"type": "string"}, "initrd": {"type": "string"}, "commandLine": {"type": "string"}
                }
              },
              "networks": {"type": "array", "maxItems": 16, "description": "One of type user unless said.", "items": {
                "type": "object", "additionalProperties": false,
                "properties": {
                  "type": {"enum": ["user", "bridge", "network"], "default": "user"}, "bridge": {"type": "string"},
                  "network": {"type": "string", "description": "With type network: a virtual network."},
                  "mac": {"type": "string"}, "model": {"type": "string", "default": "virtio"},
                  "portForwards": {"type": "array", "items": {"$ref": "#/components/schemas/PortForward"}}
                }
              }},
              "graphics": {
                "type": "object", "additionalProperties": false,
                "properties": {
                  "type": {"enum": ["vnc"], "default": "vnc"},
                  "address": {"type": "string", "description": "A unix socket unless said."},
                  "port": {"type": "integer", "minimum": 5900, "maximum": 65535}, "password": {"type": "string"}
                }
              },
              "persistent": {"type": "boolean", "default": true, "description": "false: forgotten when it stops."},
              "start": {"type": "boolean", "default": true}, "autostart": {"type": "boolean", "default": false}
            }
          },
          "StartRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "paused": {"type": "boolean", "default": false},
              "discardSavedMemory": {"type": "boolean", "default": false, "description": "Boot afresh."}
            }
          },
          "StopRequest": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "timeoutSeconds": {
                "type": "integer", "minimum": 0, "maximum": 3600, "default": 60,
                "description": "How long the guest may take; 0 asks and does not wait."
              },
              "force": {
                "enum": ["never", "afterTimeout", "now"], "default": "never",
                "description": "Whether, and when, to turn it off as if its plug were pulled."
              }
            }
          },
          "Operation": {
            "type": "object", "required": ["id", "kind", "state"],
            "properties": {
              "id": {"type": "string"}, "kind": {"type": "string"},
              "state": {"enum": ["running", "completed", "failed", "cancelled"]},
              "error": {"type": "string", "description": "Why it failed."},
              "endedAt": {"type": "string", "format": "date-time", "description": "Left out while it runs."},
              "domain": {"$ref": "#/components/schemas/DomainReference"},
              "volume": {
                "type": "object", "description": "Instead of a domain, where it is done to a volume.",
                "required": ["pool", "name"], "properties": {"pool": {"type": "string"}, "name": {"type": "string"}}
              },
              "owner": {"type": "string"},
              "startedAt": {"type": "string", "format": "date-time"}, "elapsedSeconds": {"type": "integer"},
              "cancellable": {"type": "boolean"},
              "progress": {
                "type": "object",
                "properties": {
                  "totalBytes": {"type": "integer"}, "processedBytes": {"type": "integer"},
                  "remainingBytes": {"type": "integer"}, "percent": {"type": "number"}
                }
              }
            }
          },
          "OperationList": {
            "type": "object", "required": ["operations"],
            "properties": {"operations": {"type": "array", "items": {"$ref": "#/components/schemas/Operation"}}}
          },
          "Statistics": {
            "type": "object", "required": ["uuid", "name", "state", "cpuTimeNanoseconds", "memory"],
            "properties": {
              "uuid": {"type": "string", "format": "uuid"}, "name": {"type": "string"}, "state": {"type": "string"},
              "cpus": {"type": "integer"}, "cpuTimeNanoseconds": {"type": "integer"},
              "memory": {
                "type": "object",
                "properties": {
                  "actualBytes": {"type": "integer"}, "residentBytes": {"type": "integer"},
                  "unusedBytes": {"type": "integer", "description": "As the guest's balloon driver says."}
                }
              },
              "ageMilliseconds": {
                "type": "integer", "description": "How old the figures of QEMU are, where it did not answer in time."
              },
              "disks": {"type": "array", "items": {
                "type": "object",
                "properties": {
                  "target": {"type": "string"}, "path": {"type": "string"}, "readBytes": {"type": "integer"},
                  "writtenBytes": {"type": "integer"}, "readRequests": {"type": "integer"},
                  "writeRequests": {"type": "integer"}
                }
              }},
              "interfaces": {"type": "array", "items": {
                "type": "object",
                "properties": {
                  "target": {"type": "string"}, "receivedBytes": {"type": "integer"}, "sentBytes": {"type": "integer"}
                }
              }}
            }
          },
          "StatisticsList": {
            "type": "object", "required": ["domains"],
            "properties": {
              "time": {"type": "string", "format": "date-time"},
              "domains": {"type": "array", "items": {"$ref": "#/components/schemas/Statistics"}}
            }
          },
          "Event": {
            "type": "object", "required": ["id", "time", "kind"],
            "description": "Of a domain; with 'objects' also of a network, pool, node device or secret, which it names instead.",
            "properties": {
              "id": {"type": "integer"}, "time": {"type": "string", "format": "date-time"},
              "kind": {"type": "string"}, "domain": {"$ref": "#/components/schemas/DomainReference"},
              "network": {"type": "object"}, "pool": {"type": "object"}, "nodeDevice": {"type": "object"},
              "secret": {"type": "object"}, "detail": {"type": "object"}
            }
          }
        }
        """#
}
