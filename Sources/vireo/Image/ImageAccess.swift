// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoImage

/// How far names inside images may lead: the same for every command that opens images.
struct WithinOptions: ParsableArguments {
    @Option(
        name: .customLong("within"),
        help: ArgumentHelp(
            "Names inside images may only mean files below this directory, with a stated format: for images of strangers.",
            valueName: "directory"), completion: .directory)
    var directories: [String] = []

    @Option(
        name: .customLong("data-files"),
        help: ArgumentHelp(
            "Read qcow2 images that keep their data in another file, where that lies below this directory; by default they are refused.",
            valueName: "directory"), completion: .directory)
    var dataDirectories: [String] = []

    /// For a person at a terminal: names inside images are followed, formats are recognised. With --within neither.
    var policy: ImagePolicy {
        var policy = ImagePolicy.person
        if !directories.isEmpty {
            policy = ImagePolicy(backing: .directories(directories.map(Self.resolved)), allowsPartsBeside: true)
        }
        if !dataDirectories.isEmpty { policy.dataFiles = .directories(dataDirectories.map(Self.resolved)) }
        return policy
    }

    private static func resolved(_ path: String) -> String { (try? HostFiles().resolve(path)) ?? path }
}

/// QEMU's names for how a file goes through the host's cache.
enum CacheMode: String, ExpressibleByArgument, CaseIterable {
    case bypassed = "none"
    case writeback, writethrough, directsync, unsafe

    var bypasses: Bool { self == .bypassed || self == .directsync }
    var syncs: Bool { self == .writethrough || self == .directsync }
}

/// `-T`, for commands that only read images, and for what a command reads beside what it writes.
struct SourceCacheOptions: ParsableArguments {
    @Option(
        name: .customShort("T"),
        help: ArgumentHelp("none or directsync: read past the host's cache; other modes make no difference.", valueName: "cache"))
    var mode = CacheMode.writeback
}

/// `-t`, for commands that change an image where it is. Such a change is safe on disk when the command ends, in every mode.
struct TargetCacheOptions: ParsableArguments {
    @Option(
        name: .customShort("t"),
        help: ArgumentHelp("none or directsync: write past the host's cache; other modes make no difference.", valueName: "cache")
    )
    var mode = CacheMode.writeback
}
