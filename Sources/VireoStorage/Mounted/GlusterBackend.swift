// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import VireoCore
import VireoModel
import VireoXML

/// Pools of type gluster: a directory of a Gluster volume, whose files are volumes that QEMU opens itself over the network.
///
/// The daemon sees them through Gluster's FUSE client, at a place of its own that nobody else needs to know.
struct GlusterBackend: StorageBackend {
    private static let purpose = "a pool of type 'gluster'"
    /// What glusterd listens on where nothing else is said.
    private static let usualPort = 24007
    /// A server that does not answer holds mount up for longer than anybody wants to wait.
    private static let mountPatience = Duration.seconds(40)

    /// Where programs are looked for first.
    var programs: [String] = []
    /// Where the daemon mounts; one directory for each pool below it.
    var mounts: String
    private let directory = DirectoryBackend()

    init(mounts: String, programs: [String] = []) { (self.mounts, self.programs) = (mounts, programs) }

    func isActive(_ pool: StoragePool) throws -> Bool { try MountedBackend.mount(at: mountPoint(of: pool)) != nil }

    /// There is nothing to build, which is no error to libvirt.
    func build(_ pool: StoragePool, _ mode: PoolBuildMode) throws {}

    func start(_ pool: StoragePool) throws {
        let (place, arguments) = (try mountPoint(of: pool), try mountArguments(pool))
        if try MountedBackend.mount(at: place) == nil {
            // mount(8) has the work done by a program of its own, whose absence it names only as a number of its own.
            _ = try Tool("glusterfs", neededFor: Self.purpose, in: programs)
            try makeDirectory(mounts)
            try makeDirectory(place)
            do {
                try Tool("mount", neededFor: Self.purpose, in: programs).run(arguments + [place], within: Self.mountPatience)
            } catch {
                rmdir(place)
                throw error
            }
        }
        let files = try files(of: pool)
        guard access(try DirectoryBackend.path(of: files), F_OK) == 0 else {
            let reason = errno
            try? stop(pool)
            throw VireoError.storage(
                system: reason,
                "failed to change to directory '\(Self.directory(of: pool))' in '\(pool.source.name ?? pool.name)'")
        }
        try directory.start(files)
    }

    func stop(_ pool: StoragePool) throws {
        let place = try mountPoint(of: pool)
        if try MountedBackend.mount(at: place) != nil {
            try Tool("umount", neededFor: Self.purpose, in: programs).run([place])
        }
        rmdir(place)
    }

    func delete(_ pool: StoragePool) throws {
        throw VireoError(.noSupport, "pool type 'gluster' does not support pool deletion", origin: .storage)
    }

    func refresh(_ pool: StoragePool, known: PoolContents?) throws -> PoolContents {
        try requireMounted(pool)
        var contents = try directory.refresh(try files(of: pool), known: known)
        contents.volumes = contents.volumes.mapValues { Self.named($0, in: pool) }
        // The pool itself has no directory on this host.
        contents.permissions = nil
        return contents
    }

    func sizes(of pool: StoragePool) throws -> StoragePoolSizes { try directory.sizes(of: try files(of: pool)) }

    func find(_ name: String, in pool: StoragePool) throws -> FoundVolume? {
        try directory.find(name, in: try files(of: pool)).map { Self.named($0, in: pool) }
    }

    func create(_ new: NewVolume, in pool: StoragePool, _ progress: VolumeProgress) throws {
        try requireMounted(pool)
        var new = new
        let files = try files(of: pool)
        if let source = new.source?.path, let name = Self.name(at: source, in: pool), let path = files.target.path {
            new.source?.path = "\(path)/\(name)"
        }
        try directory.create(new, in: files, progress)
    }

    func delete(_ volume: StorageVolume, in pool: StoragePool) throws {
        try requireMounted(pool)
        var volume = volume
        if volume.kind == .netdir { volume.kind = .dir }
        try directory.delete(volume, in: try files(of: pool))
    }

    func resize(_ volume: StorageVolume, to capacity: ByteCount, allocate: Bool, in pool: StoragePool) throws {
        try requireMounted(pool)
        try directory.resize(volume, to: capacity, allocate: allocate, in: try files(of: pool))
    }

    func findSources(_ source: StoragePoolSource?) throws -> [StoragePoolSource] {
        guard let source else {
            throw VireoError(.invalidArg, "hostname must be specified for gluster sources", origin: .storage)
        }
        guard source.hosts.count == 1, let host = source.hosts.first else {
            throw VireoError(.invalidArg, "Expected exactly 1 host for the storage pool", origin: .storage)
        }
        let tool = try Tool("gluster", neededFor: "the search for Gluster volumes", in: programs, isQuestion: true)
        return try Self.volumes(tool, host.name).map { name in
            var found = StoragePoolSource()
            (found.hosts, found.directory, found.name) = ([host], "/", name)
            return found
        }
    }

    /// The names of the volumes that a server has.
    ///
    /// - Throws: what the program says.
    static func volumes(_ tool: Tool, _ host: String) throws(VireoError) -> [String] {
        let text = try tool.run([
            "--xml", "--log-file=/dev/null", "volume", "info", "all", "--remote-host=\(host)",
        ])
        guard let answer = try? XMLParser.parse(text.utf8).root else {
            throw VireoError(.operationFailed, "gluster told its volumes in a way that is not known", origin: .storage)
        }
        if let code = answer.childText("opRet"), code != "0" {
            let words = answer.childText("opErrstr") ?? "error \(answer.childText("opErrno") ?? code)"
            throw VireoError(
                .operationFailed, "gluster cannot list the volumes of host '\(host)': \(words)", origin: .storage)
        }
        return (answer.child("volInfo")?.child("volumes")?.elements ?? []).compactMap { volume in
            volume.localName == "volume" ? volume.childText("name") : nil
        }
    }

    // MARK: Names

    /// What a volume is called by those who open it over the network.
    private static func named(_ found: FoundVolume, in pool: StoragePool) -> FoundVolume {
        guard found.volume.kind != .network, found.volume.kind != .netdir else { return found }
        var volume = found.volume
        volume.kind = volume.kind == .dir ? .netdir : .network
        let address = address(of: volume.name, in: pool)
        (volume.key, volume.target.path) = (address, address)
        return FoundVolume(volume, stamp: found.stamp)
    }

    /// As libvirt and QEMU write it: `gluster://host/volume/directory/file`.
    static func address(of name: String, in pool: StoragePool) -> String {
        let host = pool.source.hosts.first
        let (server, port) = (bracketed(host?.name ?? ""), host?.port.map { ":\($0)" } ?? "")
        let directory = directory(of: pool)
        let path = "/\(pool.source.name ?? pool.name)\(directory)\(directory.hasSuffix("/") ? "" : "/")\(name)"
        return "gluster://\(server)\(port)\(escaped(path))"
    }

    /// The name of the pool's volume with this address; nil for all others.
    private static func name(at address: String, in pool: StoragePool) -> String? {
        guard let last = address.split(separator: "/").last else { return nil }
        var (bytes, rest) = ([UInt8](), Array(last.utf8)[...])
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        let name = String(decoding: bytes, as: UTF8.self)
        return self.address(of: name, in: pool) == address ? name : nil
    }

    /// What stands in the path of a URI as it is (RFC 3986, section 3.3); all else by its number.
    private static func escaped(_ path: String) -> String {
        var text = ""
        for byte in path.utf8 {
            let character = Character(Unicode.Scalar(byte))
            let isPlain =
                byte < 0x80 && (character.isLetter || character.isNumber || "-._~!$&'()*+,;=:@/".contains(character))
            let digits = String(byte, radix: 16, uppercase: true)
            text += isPlain ? String(character) : "%\(digits.utf8.count < 2 ? "0" : "")\(digits)"
        }
        return text
    }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    }

    /// The directory within the volume.
    private static func directory(of pool: StoragePool) -> String { pool.source.directory ?? "/" }

    // MARK: Mounting

    /// What mount(8) is told, before the place. The whole volume is mounted: Gluster's own way to mount a part of one must be
    /// allowed by its server.
    func mountArguments(_ pool: StoragePool) throws(VireoError) -> [String] {
        let (name, directory) = (pool.source.name ?? pool.name, Self.directory(of: pool))
        guard !name.contains("/"), !name.hasPrefix("-"), !name.isEmpty else {
            throw VireoError(.xmlError, "gluster pool name '\(name)' must not contain /", origin: .storage)
        }
        guard directory.hasPrefix("/") else {
            throw VireoError(.xmlError, "gluster pool path '\(directory)' must start with /", origin: .storage)
        }
        guard !directory.split(separator: "/").contains("..") else {
            throw VireoError(.xmlError, "gluster pool path '\(directory)' leads out of the volume", origin: .storage)
        }
        guard pool.source.hosts.count == 1, let host = pool.source.hosts.first, !host.name.hasPrefix("-") else {
            throw VireoError(.internalError, "Expected exactly 1 host for the storage pool", origin: .storage)
        }
        var options = ["nodev", "nosuid", "noexec"]
        if let port = host.port, port != Self.usualPort { options.append("server-port=\(port)") }
        return ["-t", "glusterfs", "-o", options.joined(separator: ","), "\(Self.bracketed(host.name)):/\(name)"]
    }

    private func mountPoint(of pool: StoragePool) throws(VireoError) -> String {
        guard let uuid = pool.uuid else {
            throw VireoError(.internalError, "storage pool '\(pool.name)' has no UUID", origin: .storage)
        }
        return "\(mounts)/\(uuid)"
    }

    /// The pool as one of files on this host.
    private func files(of pool: StoragePool) throws(VireoError) -> StoragePool {
        var files = pool
        let directory = Self.directory(of: pool)
        files.target.path = try mountPoint(of: pool) + (directory == "/" ? "" : directory)
        return files
    }

    /// A pool that was unmounted behind the daemon's back would fill the host's own disk.
    private func requireMounted(_ pool: StoragePool) throws {
        guard try MountedBackend.mount(at: mountPoint(of: pool)) != nil else {
            throw VireoError(
                .operationFailed,
                "Gluster volume '\(pool.source.name ?? pool.name)' is not mounted any more; stop and start storage pool '\(pool.name)'",
                origin: .storage)
        }
    }

    private func makeDirectory(_ path: String) throws(VireoError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw VireoError.storage(system: errno, "cannot create path '\(path)'")
        }
    }
}
