// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// Formats of disk images, as `<driver type='…'>` and `<format type='…'>` name them.
public enum ImageFormat: String, Hashable, Sendable, CaseIterable {
    case none, raw, dir, bochs, cloop, dmg, iso, vpc, vdi, fat, vhd, ploop, cow, qcow, qcow2, qed, vmdk, luks
}

/// Where a disk, or a layer of its chain, keeps its data.
public struct DiskSource: Hashable, Sendable {
    public enum StartupPolicy: String, Hashable, Sendable, CaseIterable { case mandatory, requisite, optional }

    public var location: Location
    /// The number of the layer in a running guest: the N of `libvirt-N-format`, from 1; nil in an inactive definition.
    public var index: Int?
    public var startupPolicy: StartupPolicy?
    public var securityLabels: [SecurityLabel] = []
    /// `<encryption>` inside `<source>`.
    public var encryption: DiskEncryption?
    /// `<auth>`.
    public var authentication: DiskAuthentication?
    /// `<slices>`: the part of the file that holds the image.
    public var slice: Slice?
    public var reservations: Reservations?

    public init(_ location: Location) { self.location = location }

    /// The `type` attribute of the disk and what its source needs.
    public enum Location: Hashable, Sendable {
        /// Nil: an empty drive.
        case file(String?)
        case block(String?)
        case dir(String?)
        case network(NetworkSource)
        case volume(VolumeSource)
        case nvme(NVMeSource)
        case vhostUser(CharacterSource)

        /// The word in the XML.
        public var typeWord: String {
            switch self {
            case .file: "file"
            case .block: "block"
            case .dir: "dir"
            case .network: "network"
            case .volume: "volume"
            case .nvme: "nvme"
            case .vhostUser: "vhostuser"
            }
        }
    }

    /// A byte range of the file.
    public struct Slice: Hashable, Sendable {
        public var offset: ByteCount
        public var size: ByteCount

        public init(offset: ByteCount, size: ByteCount) { (self.offset, self.size) = (offset, size) }
    }

    /// `<reservations>`: SCSI persistent reservations.
    public struct Reservations: Hashable, Sendable {
        public var isManaged: Bool
        /// The helper's socket, where it is not managed.
        public var socket: String?

        public init(isManaged: Bool, socket: String? = nil) { (self.isManaged, self.socket) = (isManaged, socket) }
    }

    /// The local path, where there is one.
    public var path: String? {
        switch location {
        case .file(let path), .block(let path), .dir(let path): path
        case .volume(let volume): volume.place.flatMap { $0.unit == nil ? $0.path : nil }
        case .network, .nvme, .vhostUser: nil
        }
    }

    /// `<auth>`, or what the pool says of a volume that QEMU itself opens.
    public var activeAuthentication: DiskAuthentication? {
        if let authentication { return authentication }
        guard case .volume(let volume) = location else { return nil }
        return volume.place?.unit?.authentication
    }

    /// Whether nothing is inserted.
    public var isEmpty: Bool {
        switch location {
        case .file(let path), .block(let path), .dir(let path): path == nil
        case .network, .volume, .nvme, .vhostUser: false
        }
    }
}

/// A source on another host: `<disk type='network'>`.
public struct NetworkSource: Hashable, Sendable {
    public enum Scheme: String, Hashable, Sendable, CaseIterable {
        case nbd, rbd, sheepdog, gluster, iscsi, http, https, ftp, ftps, tftp, ssh, vxhs, nfs
    }

    public var scheme: Scheme
    /// The export, image or path; for RBD with the pool in front.
    public var name: String?
    public var query: String?
    public var hosts: [Host] = []
    public var tls: Bool?
    public var tlsHostname: String?
    /// Of RBD: `<snapshot name=…>`.
    public var snapshot: String?
    /// Of RBD: `<config file=…>`.
    public var configurationFile: String?
    /// Of iSCSI: `<initiator><iqn name=…>`.
    public var initiator: String?
    public var verifiesCertificate: Bool?
    public var cookies: [Cookie] = []
    public var readAhead: ByteCount?
    public var timeoutSeconds: UInt64?
    /// `<reconnect delay=…>`, in seconds.
    public var reconnectDelaySeconds: Int?
    /// `<knownHosts path=…>` and `<identity …>` of ssh and nfs.
    public var knownHosts: String?
    /// The attributes of `<identity>` by name.
    public var identity: [String: String] = [:]

    public init(_ scheme: Scheme, name: String? = nil) { (self.scheme, self.name) = (scheme, name) }

    /// One `<host>`.
    public struct Host: Hashable, Sendable {
        public enum Transport: String, Hashable, Sendable, CaseIterable { case tcp, unix, rdma }
        public var transport: Transport?
        public var name: String?
        public var port: Int?
        public var socket: String?

        public init(name: String? = nil, port: Int? = nil, transport: Transport? = nil, socket: String? = nil) {
            (self.transport, self.name, self.port, self.socket) = (transport, name, port, socket)
        }
    }

    /// One `<cookie>`.
    public struct Cookie: Hashable, Sendable {
        public var name: String
        public var value: String

        public init(name: String, value: String) { (self.name, self.value) = (name, value) }
    }
}

/// A storage volume: `<source pool='default' volume='root.qcow2'/>`.
public struct VolumeSource: Hashable, Sendable {
    public enum Mode: String, Hashable, Sendable, CaseIterable { case host, direct }
    public var pool: String
    public var volume: String
    public var mode: Mode?
    /// Where the volume is on this host, once that was looked up for a guest that runs; in no XML.
    public var place: Place?

    /// A file or a device of this host, or a unit of an iSCSI target.
    public struct Place: Hashable, Sendable, Codable {
        public var path: String
        public var isDevice: Bool
        /// What QEMU opens itself; `path` is its name then.
        public var unit: SCSIUnit?

        public init(path: String, isDevice: Bool, unit: SCSIUnit? = nil) {
            (self.path, self.isDevice, self.unit) = (path, isDevice, unit)
        }
    }

    /// A logical unit of an iSCSI target, and who asks for it.
    public struct SCSIUnit: Hashable, Sendable, Codable {
        public var host: String
        public var port: Int?
        public var target: String
        public var number: UInt32
        public var initiator: String?
        public var username: String?
        /// Of the secret, where there is a user: its UUID, or what it is for.
        public var secretUUID: String?
        public var secretUsage: String?

        public init(host: String, port: Int?, target: String, number: UInt32) {
            (self.host, self.port, self.target, self.number) = (host, port, target, number)
        }

        /// The same as the source of a disk of type `network`.
        public var source: NetworkSource {
            var source = NetworkSource(.iscsi, name: "\(target)/\(number)")
            source.hosts = [NetworkSource.Host(name: host, port: port)]
            source.initiator = initiator
            return source
        }

        /// Who the host claims to be; nil where the target asks nobody.
        public var authentication: DiskAuthentication? {
            get {
                guard let username else { return nil }
                if let uuid = secretUUID.flatMap(DomainUUID.init) {
                    return DiskAuthentication(username: username, secretType: "iscsi", secret: .uuid(uuid))
                }
                return secretUsage.map { DiskAuthentication(username: username, secretType: "iscsi", secret: .usage($0)) }
            }
            set {
                (username, secretUUID, secretUsage) = (newValue?.username, nil, nil)
                switch newValue?.secret {
                case .uuid(let uuid): secretUUID = uuid.description
                case .usage(let usage): secretUsage = usage
                case nil: break
                }
            }
        }
    }

    public init(pool: String, volume: String, mode: Mode? = nil) { (self.pool, self.volume, self.mode) = (pool, volume, mode) }
}

/// A namespace of an NVMe controller that QEMU drives itself.
public struct NVMeSource: Hashable, Sendable {
    public var namespace: UInt64
    public var isManaged: Bool?
    public var address: PCIAddress

    public init(namespace: UInt64, isManaged: Bool? = nil, address: PCIAddress) {
        (self.namespace, self.isManaged, self.address) = (namespace, isManaged, address)
    }
}

/// `<auth>`: who the host claims to be, with a secret that libvirt keeps.
public struct DiskAuthentication: Hashable, Sendable {
    public var username: String
    /// The `type` of `<auth>` itself, of storage pools: `chap`, `ceph`.
    public var type: String?
    /// Of `<secret>`: `ceph` or `iscsi`.
    public var secretType: String?
    public var secret: SecretReference

    public init(username: String, secretType: String? = nil, secret: SecretReference) {
        (self.username, self.secretType, self.secret) = (username, secretType, secret)
    }
}

/// A secret by id or by what it is for.
public enum SecretReference: Hashable, Sendable {
    case uuid(DomainUUID)
    case usage(String)
}

/// `<encryption>`.
public struct DiskEncryption: Hashable, Sendable {
    public enum Format: String, Hashable, Sendable, CaseIterable {
        case `default`, qcow, luks, luks2
        case luksAny = "luks-any"
    }
    public enum Engine: String, Hashable, Sendable, CaseIterable { case qemu, librbd }

    public var format: Format
    public var engine: Engine?
    public var secrets: [Secret] = []

    public init(format: Format) { self.format = format }

    /// `<secret type='passphrase' …>`.
    public struct Secret: Hashable, Sendable {
        public var type: String
        public var reference: SecretReference

        public init(type: String, reference: SecretReference) { (self.type, self.reference) = (type, reference) }
    }
}

/// What a disk's top layer stands on: `<backingStore>`.
public struct BackingChain: Hashable, Sendable {
    /// The layers below the top one, next below first.
    public var layers: [Layer] = []
    /// Whether an empty `<backingStore/>` ends the chain: then nothing is looked up in the images.
    public var isTerminated: Bool
    /// Whether it was found in the images of a running guest, rather than asked for: then it is a live fact.
    public var isDetected: Bool

    public init(layers: [Layer] = [], isTerminated: Bool, isDetected: Bool = false) {
        (self.layers, self.isTerminated, self.isDetected) = (layers, isTerminated, isDetected)
    }

    /// One layer; its number is `source.index`.
    public struct Layer: Hashable, Sendable {
        public var format: ImageFormat
        public var source: DiskSource
        public var metadataCacheSize: ByteCount?

        public init(format: ImageFormat, source: DiskSource) { (self.format, self.source) = (format, source) }
    }
}

/// `<mirror>`: the copy that a running block job writes. Live only.
public struct DiskMirror: Hashable, Sendable {
    public enum Job: String, Hashable, Sendable, CaseIterable {
        case copy
        case activeCommit = "active-commit"
    }
    public enum Ready: String, Hashable, Sendable, CaseIterable { case yes, abort, pivot }

    public var job: Job
    public var ready: Ready?
    public var format: ImageFormat?
    public var source: DiskSource
    public var chain: BackingChain?

    public init(job: Job, source: DiskSource) { (self.job, self.source) = (job, source) }
}
