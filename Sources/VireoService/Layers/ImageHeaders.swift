// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import VireoCore
import VireoImage

/// What the headers of images said, remembered by how their files looked, so that thousands of images are known anew for one `stat` each.
///
/// A header is read again whenever its file looks different, and as long as it was changed so lately that the next change could have
/// the same time.
final class ImageHeaders: Sendable {
    /// What a header says.
    struct Header: Hashable, Sendable {
        /// The path of what it stands on, with links; nil where it stands on nothing.
        var backing: String?
        var backingFormat: String?
        var hasSnapshots = false
    }

    /// How a file looked when its header was read.
    struct Mark: Hashable, Sendable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        /// Of the last change of content, and of anything: nanoseconds since 1970.
        var modified: Int64
        var changed: Int64

        init(_ info: stat) {
            (device, inode, size) = (UInt64(info.st_dev), UInt64(info.st_ino), Int64(info.st_size))
            (modified, changed) = (Self.nanoseconds(info.st_mtim), Self.nanoseconds(info.st_ctim))
        }

        private static func nanoseconds(_ time: timespec) -> Int64 {
            Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ Int64(time.tv_nsec)
        }

        /// Whether a change from now on gives it another time. Clocks of file systems tick once in two seconds at the slowest.
        func isSettled(at now: Int64) -> Bool {
            now.subtractingReportingOverflow(max(modified, changed)).partialValue > 2_000_000_000
        }
    }

    struct Entry: Sendable {
        /// Nil where the times of the file tell nothing: a device, or a file that was changed just now.
        var mark: Mark?
        /// XXH64 of the first 4 KiB, where those are the whole header of a qcow2 image: a guest that writes changes the times only.
        var digest: UInt64?
        var header: Header
    }

    private let entries = Mutex<[String: Entry]>([:])
    /// About 50 MB at the worst. Whoever has more images reads their headers again now and then.
    private static let most = 100_000

    /// By paths without links.
    var known: [String: Entry] { entries.withLock { $0 } }

    func remember(_ fresh: [String: Entry]) {
        guard !fresh.isEmpty else { return }
        entries.withLock { entries in
            if entries.count + fresh.count > Self.most { entries = [:] }
            entries.merge(fresh) { $1 }
        }
    }

    /// Reads the header of the file at `path`. Blocks.
    ///
    /// - Parameter former: what was read some time ago.
    static func read(_ path: String, former: Entry?) -> Entry {
        let context = OpenContext(policy: .person, access: .readUnsafely)
        guard let file = try? context.files.open(path, .readUnsafely) else { return Entry(header: Header()) }
        let digest = QCOW2Image.wholeHeader(of: file).map { head in
            var hash = XXHash64()
            head.withUnsafeBytes { hash.update($0) }
            return hash.value
        }
        if let digest, let former, former.digest == digest { return Entry(digest: digest, header: former.header) }
        return Entry(digest: digest, header: header(of: file, at: path, context))
    }

    private static func header(of file: any ImageFile, at path: String, _ context: OpenContext) -> Header {
        guard let facts = ImageTree.facts(of: file, context) else { return Header() }
        var header = Header(hasSnapshots: facts.hasSnapshots)
        guard let backing = facts.backing else { return header }
        // What is no file is kept as it is spelled: nothing lies there.
        var (name, format) = (backing.name, backing.format)
        if case .file(let file, let stated)? = try? VireoImage.BackingName(backing.name) {
            (name, format) = (file, format ?? stated)
        }
        (header.backing, header.backingFormat) = (ImagePath.joined(name, to: path), format?.rawValue)
        return header
    }
}

/// One look at the images on disk: each file and each directory is looked at once. Blocks; used on one thread.
final class ImageReading {
    private let headers: ImageHeaders
    private let known: [String: ImageHeaders.Entry]
    private var fresh: [String: ImageHeaders.Entry] = [:]
    private let now: Int64
    /// Directories and files by their paths as spelled: without links.
    private var directories: [String: String] = [:]
    private var places: [String: String] = [:]
    private var found: [String: stat] = [:]
    private var looked: [String: ImageGraph.Layer] = [:]
    /// What `follow` has met, by paths without links.
    private(set) var layers: [String: ImageGraph.Layer] = [:]
    /// Of each directory that was listed: who stands on what, by what is stood on.
    private var neighbours: [String: [String: [String]]] = [:]

    init(_ headers: ImageHeaders) {
        (self.headers, known) = (headers, headers.known)
        now = Int64(min(max(WallClock.now, 0), 9e9) * 1e9)
    }

    /// To be called at the end: what was read is there for the next one.
    func remember() { headers.remember(fresh) }

    /// The path without links; the path itself where there is no such file.
    func place(of path: String) -> String {
        if let place = places[path] { return place }
        let place = look(for: path)
        places[path] = place
        return place
    }

    private func look(for path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return OfflineImages.resolved(path) }
        let (directory, name) = (String(path[...slash]), path[path.index(after: slash)...])
        guard !name.isEmpty, name != ".", name != ".." else { return OfflineImages.resolved(path) }
        if directories[directory] == nil {
            let real = OfflineImages.resolved(directory)
            directories[directory] = real.hasSuffix("/") ? real : real + "/"
        }
        let place = (directories[directory] ?? directory) + name
        var info = stat()
        guard lstat(place, &info) == 0 else { return path }
        guard info.st_mode & S_IFMT != S_IFLNK else { return OfflineImages.resolved(path) }
        found[place] = info
        return place
    }

    /// The image at a path without links, and all below it.
    func follow(_ place: String) {
        var next: String? = place
        while let place = next, layers[place] == nil {
            let layer = read(place)
            layers[place] = layer
            next = layer.backing
        }
    }

    private func read(_ place: String) -> ImageGraph.Layer {
        if let layer = looked[place] { return layer }
        let layer = readOnce(place)
        looked[place] = layer
        return layer
    }

    private func readOnce(_ place: String) -> ImageGraph.Layer {
        var info = stat()
        if let seen = found[place] { info = seen } else if stat(place, &info) != 0 { return .init(allocated: 0) }
        let mark = info.st_mode & S_IFMT == S_IFREG ? ImageHeaders.Mark(info) : nil
        let header: ImageHeaders.Header
        if let entry = known[place], let mark, entry.mark == mark {
            header = entry.header
        } else {
            var entry = ImageHeaders.read(place, former: known[place])
            if let mark, mark.isSettled(at: now) { entry.mark = mark }
            fresh[place] = entry
            header = entry.header
        }
        return .init(
            backing: header.backing.map(self.place), backingFormat: header.backingFormat,
            allocated: info.st_blocks > 0 ? UInt64(info.st_blocks) * 512 : 0, hasSnapshots: header.hasSnapshots)
    }

    /// The images beside the one at `place` that stand right on it, sorted.
    func neighbours(on place: String) -> [String] {
        let directory = ImageTree.directory(of: place)
        if neighbours[directory] == nil {
            var above: [String: [String]] = [:]
            for path in (try? OpenContext(policy: .person).files.list(directory)) ?? [] {
                let place = self.place(of: path)
                if let backing = read(place).backing { above[backing, default: []].append(place) }
            }
            neighbours[directory] = above
        }
        return Array(Set(neighbours[directory]?[place] ?? [])).sorted()
    }

    /// What the image at `path` stands on, as it is on disk now.
    func backing(of path: String) -> String? { read(place(of: path)).backing }
}
