// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing
import VireoImage

@testable import vireo

@Suite("Options of vireo image")
struct ImageOptionTests {
    @Test(
        "Sizes are bytes, or have qemu-img's letters",
        arguments: [
            ("512", 512), ("1k", 1024), ("1.5K", 1536), ("2M", 2 << 20), ("64G", 64 << 30), ("1t", 1 << 40), ("3P", 3 << 50),
            ("0", 0),
            ("7b", 7),
        ] as [(String, UInt64)])
    func sizes(text: String, bytes: UInt64) { #expect(ImageSize(argument: text)?.bytes == bytes) }

    @Test("What is no size is refused", arguments: ["", "k", "-1", "1X", "99999999999999999999", "16E", "nan", "inf", "1e400"])
    func badSizes(text: String) { #expect(ImageSize(argument: text) == nil) }

    @Test("A new size may be more or less than the present one, and fills a sector")
    func resize() throws {
        #expect(try ImageResizeCommand.target("1M", now: 5) == 1 << 20)
        #expect(try ImageResizeCommand.target("+1", now: 1 << 20) == (1 << 20) + 512)
        #expect(try ImageResizeCommand.target("-1M", now: 3 << 20) == 2 << 20)
        for text in ["-2M", "+9223372036854775807", "x", "+", ""] {
            #expect(throws: (any Error).self, "\(text)") { try ImageResizeCommand.target(text, now: 1 << 20) }
        }
    }

    @Test(
        "A negative size goes behind --, and --json is --output=json",
        arguments: [
            (["image", "resize", "a", "-1G"], ["image", "resize", "a", "--", "-1G"]),
            (
                ["--root", "r", "image", "resize", "--shrink", "a", "-512"],
                ["--root", "r", "image", "resize", "--shrink", "a", "--", "-512"]
            ),
            (["--json", "image", "info", "a"], ["image", "info", "--output=json", "a"]),
            (["image", "check", "a", "--json"], ["image", "check", "--output=json", "a"]),
            (["image", "info", "--", "--json"], ["image", "info", "--", "--json"]), (["--json", "ls"], ["--json", "ls"]),
            (["image", "resize", "a", "--", "-1G"], ["image", "resize", "a", "--", "-1G"]),
            (["image", "resize", "a", "-q"], ["image", "resize", "a", "-q"]),
            (["image", "info", "-1"], ["image", "info", "-1"]),
            (["volume", "resize", "-1"], ["volume", "resize", "-1"]), ([], []),
        ] as [([String], [String])])
    func prepared(words: [String], parsed: [String]) { #expect(ImageWords.prepared(words) == parsed) }

    @Test("A command on an image is parsed by itself, except where there is help to be given or something is wrong")
    func alone() {
        #expect(ImageWords.command(["image", "info", "--output=json", "-U", "a"]) is ImageInfoCommand)
        #expect(ImageWords.command(["image", "convert", "-O", "qcow2", "a", "b"]) is ImageConvertCommand)
        for words in [
            ["image", "info"], ["image", "info", "--help"], ["image", "info", "-h"], ["image", "what", "a"], ["image"],
            ["ls", "a", "b"],
            ["image", "info", "--version"], ["image", "info", "--nonsense", "a"], ["image", "compare", "a", "b", "c"],
            ["image", "info", "--generate-completion-script", "bash"],
        ] {
            #expect(ImageWords.command(words) == nil, "\(words)")
        }
    }

    @Test(
        "An image may be named as QEMU names files",
        arguments: [
            ("a.qcow2", false, "a.qcow2", nil), ("./file:a", false, "./file:a", nil), ("file:a", false, "a", nil),
            (#"json:{"driver":"qcow2","file":{"driver":"file","filename":"a,b"}}"#, false, "a,b", .qcow2),
            (#"json:{"driver":"raw","file.filename":"/x"}"#, false, "/x", .raw),
            ("driver=qcow2,file.filename=a,,b", true, "a,b", .qcow2), ("file.driver=file,file.filename=a", true, "a", nil),
            ("driver=file,filename=a,read-only=on", true, "a", .raw),
        ] as [(String, Bool, String, DiskFormat?)])
    func addresses(text: String, isOptions: Bool, path: String, format: DiskFormat?) throws {
        let address = try isOptions ? ImageAddress(options: text) : ImageAddress(text)
        #expect(address.path == path && address.format == format)
    }

    @Test(
        "What is no file, or says more than is understood, is refused",
        arguments: [
            "driver=nbd,host=x", "driver=qcow2", "driver=qcow2,file.driver=https,file.filename=x",
            "driver=qcow2,file.filename=a,backing.file.filename=/etc/shadow", "a.qcow2", "", "driver=qcow2,file=node0",
        ])
    func badOptions(text: String) { #expect(throws: (any Error).self) { try ImageAddress(options: text) } }

    @Test(
        "A json: name of something that is no file is refused",
        arguments: [#"json:{"driver":"nbd","host":"x"}"#, "json:", "json:{}", "file:"])
    func badNames(text: String) { #expect(throws: (any Error).self) { try ImageAddress(text) } }

    @Test("Copies of several images, and what is for one only")
    func copies() throws {
        _ = try Vireo.parseAsRoot(["image", "convert", "-O", "qcow2", "a", "b", "c"])
        for bad in [
            ["a"], ["-B", "x", "a", "b", "c"], ["-l", "s", "a", "b", "c"], ["-m", "0", "a", "b"], ["-m", "17", "a", "b"],
            ["-S", "1000", "a", "b"], ["--skip-broken-bitmaps", "a", "b"], ["--target-image-opts", "a", "b"],
        ] {
            #expect(throws: (any Error).self, "\(bad)") { try Vireo.parseAsRoot(["image", "convert"] + bad) }
        }
    }

    @Test("Options of a format are taken as by qemu-img, and the others are named")
    func formatOptions() throws {
        var values = try FormatOptions(["cluster_size=4k,compat=v2", "lazy_refcounts=off"])
        var options = QCOW2Options()
        try values.apply(to: &options, format: .qcow2)
        #expect(options.clusterSize == 4096 && options.version == 2 && !options.lazyRefcounts)
        for bad in ["cluster_size=x", "compat=1.2", "refcount_bits=many", "compression_type=lzma", "extended_l2=2", "what=1"] {
            var values = try FormatOptions([bad])
            #expect(throws: (any Error).self, "\(bad)") { try values.apply(to: &options, format: .qcow2) }
        }
        var raw = try FormatOptions(["cluster_size=4k"])
        #expect(throws: (any Error).self) { try raw.apply(to: &options, format: .raw) }
    }

    @Test("Two commas are one of the value's own")
    func commas() throws {
        var values = try FormatOptions(["backing_file=a,,b,backing_fmt=raw", "size=1M,", ",compat=v3"])
        #expect(values.take("backing_file") == "a,b" && values.take("backing_fmt") == "raw")
        #expect(values.take("size") == "1M" && values.take("compat") == "v3")
        try values.refuseRest("nothing")
    }

    @Test(
        "-o help needs no file, and is asked for by the word alone",
        arguments: [
            ["create", "-f", "qcow2", "-o", "help"], ["convert", "-O", "qcow2", "-o", "help"], ["amend", "-o", "help"],
            ["measure", "-O", "qcow2", "-o", "compat=v3,help"], ["create", "-o", "?", "file"],
        ])
    func help(words: [String]) throws { _ = try Vireo.parseAsRoot(["image"] + words) }

    @Test("Every option that is listed is taken")
    func listed() throws {
        for format in [DiskFormat.raw, .qcow2] {
            for (name, _) in try #require(FormatOptions.options(of: format)) {
                let word = try #require(name.split(separator: "=").first.map(String.init))
                if ["size", "backing_file", "backing_fmt"].contains(word) { continue }
                let value = [
                    "cluster_size": "64k", "compat": "v3", "compression_type": "zlib", "preallocation": "off",
                    "refcount_bits": "16",
                ]
                var values = try FormatOptions(["\(word)=\(value[word] ?? "on")"])
                var options = QCOW2Options()
                try values.apply(to: &options, format: format)
            }
        }
        #expect(FormatOptions.options(of: .vmdk) == nil)
        #expect(FormatOptions.list([("a=<b>", "c")]) == "  a=<b>                  - c\n")
    }

    @Test("Cache modes are QEMU's, wherever qemu-img has them, and others are refused")
    func cacheModes() throws {
        let rebase = try #require(
            try Vireo.parseAsRoot(["image", "rebase", "-t", "none", "-T", "directsync", "-b", "", "x"]) as? ImageRebaseCommand)
        #expect(rebase.cache.mode.bypasses && rebase.sourceCache.mode.bypasses)
        for words in [
            ["amend", "-t"], ["commit", "-t"], ["check", "-T"], ["compare", "-T"], ["convert", "-t"], ["convert", "-T"],
        ] {
            let rest = words[0] == "compare" || words[0] == "convert" ? ["x", "y"] : ["x"]
            for mode in CacheMode.allCases {
                _ = try Vireo.parseAsRoot(["image"] + words + [mode.rawValue] + rest)
            }
            #expect(throws: (any Error).self, "\(words)") { try Vireo.parseAsRoot(["image"] + words + ["fast"] + rest) }
        }
    }

    @Test("--within is taken by every command that opens images")
    func within() throws {
        for words in [
            ["compare", "x", "y"], ["create", "x", "1M"], ["tree"], ["info", "x"], ["convert", "x", "y"],
            ["bitmap", "--add", "x", "b"],
            ["ls", "x"], ["dd", "if=x"], ["measure", "x"], ["serve", "-k", "s", "x"], ["resize", "x", "1M"],
        ] {
            _ = try Vireo.parseAsRoot(["image", words[0], "--within", "/images"] + words.dropFirst())
        }
    }

    @Test("qemu-img's spellings of convert are understood")
    func convert() throws {
        let words = [
            "image", "convert", "-p", "-c", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", "-S", "64k", "-m", "8",
            "-W",
        ]
        let command = try #require(
            try Vireo.parseAsRoot(words + ["-B", "base", "-F", "qcow2", "--bitmaps", "a", "b"]) as? ImageConvertCommand)
        #expect(command.compressed && command.bitmaps && !command.skipBrokenBitmaps && command.progress.percent)
        #expect(command.options.format == .raw && command.target == .qcow2 && command.backing == "base")
        #expect(command.sparse?.bytes == 65536 && command.threads == 8 && command.names.first == "a" && command.names.last == "b")
    }

    @Test(
        "What makes no sense is refused before any file is opened",
        arguments: [
            ["image", "snapshot", "-c", "a", "-d", "b", "x"], ["image", "bitmap", "x", "b"], ["image", "measure", "-O", "qcow2"],
            ["image", "measure", "--size", "1G", "x"], ["image", "info", "--image-opts", "-f", "raw", "file.filename=a"],
            ["image", "convert", "a"],
            ["image", "rebase", "x"], ["image", "nothing"],
        ])
    func refused(arguments: [String]) { #expect(throws: (any Error).self) { try Vireo.parseAsRoot(arguments) } }

    @Test("Commit, pull and rebase say with --force that others may be damaged")
    func force() throws {
        let commit = try #require(
            try Vireo.parseAsRoot(["image", "commit", "-d", "-b", "base", "--force", "x"]) as? ImageCommitCommand)
        #expect(commit.keep && commit.force && commit.base == "base")
        let pull = try #require(try Vireo.parseAsRoot(["image", "pull", "--force", "x"]) as? ImagePullCommand)
        #expect(pull.force && pull.base == nil)
        let rebase = try #require(try Vireo.parseAsRoot(["image", "rebase", "-u", "-b", "", "x"]) as? ImageRebaseCommand)
        #expect(rebase.unsafe && !rebase.force && rebase.backing.isEmpty)
    }
}
