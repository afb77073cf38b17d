// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Converts what this engine does not read or write itself, by the installed qemu-img in a jail.
///
/// qemu-img sees the source's files and an empty directory, nothing else: backing files, data files and protocols that a
/// hostile header names cannot be opened. The result takes its place only when it is complete.
package struct JailedConversion: Sendable {
    /// Formats that are read by it: all as QEMU names them.
    package static let sources: Set<String> = ["qcow", "qed", "parallels", "dmg", "cloop", "bochs"]
    /// Formats that are written by it.
    package static let targets: Set<String> = ["vmdk", "vpc", "vhdx", "vdi", "qcow", "qed", "parallels"]

    /// Files of the source, the first of them the one to open.
    package var sourceFiles: [String]
    package var sourceFormat: ImageFormat
    package var target: String
    package var targetFormat: ImageFormat
    /// As qemu-img's `-o`: "subformat=streamOptimized". Checked for what could name other files.
    package var options: [String]
    package var limits = Jail.Limits()

    package init(
        sourceFiles: [String], sourceFormat: ImageFormat, target: String, targetFormat: ImageFormat, options: [String] = []
    ) {
        (self.sourceFiles, self.sourceFormat) = (sourceFiles, sourceFormat)
        (self.target, self.targetFormat, self.options) = (target, targetFormat, options)
    }

    /// Options of the formats that are written; none of them names a file.
    private static let knownOptions: Set<String> = [
        "subformat", "adapter_type", "hwversion", "compat6", "zeroed_grain", "toolsversion", "force_size", "block_size",
        "block_state_zero", "log_size", "static", "preallocation",
    ]
    /// Kinds of disks that are a descriptor and the files beside it that the descriptor names.
    private static let severalFiles: Set<String> = ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]

    /// Runs the conversion. Blocks.
    ///
    /// - Parameter progress: called with what is done, from 0 to 1, several times a second; false cancels.
    /// - Throws: `ImageError`: `cancelled`, `notFound` without qemu-img, `refused` where the source asks for other files, and
    ///   `corrupt` or `noSpace` for what qemu-img says. The target is then as it was. A disk in several files replaces none:
    ///   `exists` where there is a file of the name of one of them.
    package func run(program: String = "/usr/bin/qemu-img", progress: (Double) throws -> Bool) throws {
        try checkOptions()
        guard access(program, X_OK) == 0 else {
            throw ImageError(
                .notFound, "\(program) is not installed; it is needed for the format '\(needed)' (Debian: qemu-utils)",
                path: target)
        }
        let sources = try sourceFiles.map { try HostFiles().resolve($0) }
        guard let source = sources.first else { throw ImageError(.invalidArgument, "there is no source") }
        let work = try WorkDirectory(beside: target)
        defer { work.remove() }
        var command = [program, "convert", "-p", "-f", sourceFormat.rawValue, "-O", targetFormat.rawValue]
        if !options.isEmpty { command += ["-o", options.joined(separator: ",")] }
        // The descriptor of a disk in several files names those after itself.
        let name = isInSeveralFiles ? try nameOfDescriptor() : "image"
        command += [source, work.path + "/" + name]
        var jail = Jail(
            command: command, directory: work.path,
            paths: sources.map { ($0, Jail.Access.read) } + [(work.path, Jail.Access.work)])
        jail.limits = limits
        var line = ProgressText()
        let outcome = try jail.run { bytes in
            line.take(bytes)
            return try progress(line.fraction)
        }
        try check(outcome)
        if isInSeveralFiles { try work.releaseAll(last: name) } else { try work.release(name, to: target) }
    }

    private var isInSeveralFiles: Bool {
        options.contains { option in Self.severalFiles.contains { option == "subformat=\($0)" } }
    }

    private func nameOfDescriptor() throws -> String {
        let name = String(target.split(separator: "/", omittingEmptySubsequences: false).last ?? "")
        guard name.isPlainFileName, name.utf8.count <= 200, !name.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") })
        else {
            throw ImageError(.invalidArgument, "a descriptor cannot name files after '\(name.shortened)'", path: target)
        }
        guard access(target, F_OK) != 0 else {
            throw ImageError(.exists, "a disk in several files replaces none; remove the old one first", path: target)
        }
        return name
    }

    private var needed: ImageFormat { Self.sources.contains(sourceFormat.rawValue) ? sourceFormat : targetFormat }

    private func checkOptions() throws {
        for option in options {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, Self.knownOptions.contains(String(parts[0])), !parts[1].contains(",") else {
                throw ImageError(
                    .invalidArgument, "the option '\(option.shortened)' is not known for \(targetFormat)", path: target)
            }
        }
    }

    /// What qemu-img's end means.
    private func check(_ outcome: Jail.Outcome) throws {
        if outcome.status == 0 { return }
        let said = outcome.errors.split(separator: "\n").last.map { $0.shortened } ?? ""
        let path = sourceFiles.first
        switch outcome.signal {
        case SIGXCPU, SIGKILL:
            throw ImageError(
                .limit, "qemu-img was ended: it took more than \(limits.seconds) s of CPU time, or was killed", path: path)
        case SIGXFSZ:
            throw ImageError(.limit, "qemu-img was ended: the image would be larger than \(limits.fileSize) bytes", path: path)
        case .some(let signal):
            throw ImageError(.corrupt, "qemu-img was ended by signal \(signal); the image is damaged or hostile", path: path)
        case nil: break
        }
        let kind: ImageError.Kind =
            outcome.errors.contains("No space left")
            ? .noSpace
            : outcome.errors.contains("Permission denied")
                ? .refused
                : outcome.errors.contains("File too large") || outcome.errors.contains("Cannot allocate memory")
                    ? .limit : .corrupt
        throw ImageError(kind, "qemu-img could not convert it: \(said)", path: path)
    }
}

/// What `qemu-img -p` writes: "    (12.34/100%)" and a carriage return, again and again.
struct ProgressText: Sendable {
    private var tail: [UInt8] = []
    /// From 0 to 1.
    private(set) var fraction = 0.0

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        tail = Array((tail + bytes).suffix(64))
        let text = String(decoding: tail, as: UTF8.self)
        guard let end = text.range(of: "/100%")?.lowerBound, let start = text[..<end].lastIndex(of: "(") else { return }
        if let percent = Double(text[text.index(after: start)..<end]), (0...100).contains(percent) { fraction = percent / 100 }
    }
}

extension String {
    /// The last place of `text`.
    fileprivate func range(of text: String) -> Range<Index>? {
        var (found, start) = (Range<Index>?.none, startIndex)
        while start < endIndex {
            if self[start...].hasPrefix(text) { found = start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return found
    }
}
