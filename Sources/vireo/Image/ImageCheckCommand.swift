// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import VireoCore
import VireoImage

struct ImageCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Hold an image's tables against each other.",
        discussion: """
            Exit status: 0 in order, 1 could not be checked, 2 damaged, 3 only leaks space, 63 a format without checks. With -q, nothing is \
            said of an image that is in order. An appliance (OVA, OVF) is held against the checksums of its manifest.
            """)

    @OptionGroup var options: ImageOptions

    @Option(name: .customShort("r"), help: ArgumentHelp("Repair: leaks, or all.", valueName: "what"))
    var repair: String?

    @OptionGroup var progress: ProgressOptions

    @OptionGroup var sourceCache: SourceCacheOptions

    @Argument(help: "The image.", completion: .file())
    var path: String

    func run() throws {
        if try checkedAsAppliance() { return }
        let report = try reportingImageErrors {
            let past = sourceCache.mode.bypasses
            let files = HostFiles(readsPastCache: past, writesPastCache: past)
            let chain = try options.open(path, repair == nil ? .read : .write, files: files, layers: 1)
            guard let image = chain.top as? QCOW2Image else {
                Terminal.standardError.write("vireo: This image format does not support checks\n")
                throw ExitCode(63)
            }
            guard let repair = repair.flatMap(QCOW2Image.Repair.init(rawValue:)) else {
                return try ProgressLine.show(progress.style) { try image.check(progress: $0) }
            }
            let found = try ProgressLine.show(progress.style) { try image.repair(repair, progress: $0) }
            let left = try image.check()
            if !options.wantsJSON { Terminal.standardOutput.write(Self.repaired(found, left)) }
            return left
        }
        if options.wantsJSON {
            report.json(path: try options.address(path).path).print()
        } else {
            for line in report.findings { Terminal.standardOutput.write(line + "\n") }
            if !progress.quiet || !report.findings.isEmpty { Terminal.standardOutput.write(Self.text(report)) }
        }
        if report.corruptions > 0 { throw ExitCode(2) }
        if report.leaks > 0 { throw ExitCode(3) }
    }

    func validate() throws {
        if let repair, QCOW2Image.Repair(rawValue: repair) == nil { throw ValidationError("-r takes leaks or all") }
    }

    /// Whether the image is an appliance with a manifest, which its files agree with.
    private func checkedAsAppliance() throws -> Bool {
        do {
            let address = try options.address(path)
            guard let appliance = try Appliance.open(address.path, format: address.format, options.context()) else {
                return false
            }
            let count = try ProgressLine.show(progress.style) { try appliance.verify(options.context(), progress: $0) }
            guard let count else { return false }
            if !progress.quiet { Terminal.standardOutput.write("\(count) files are what the manifest says.\n") }
            return true
        } catch let error as ImageError {
            Terminal.standardError.write("error: \(error)\n")
            throw ExitCode(error.kind == .corrupt ? 2 : 1)
        }
    }

    /// What a repair put right.
    private static func repaired(_ found: QCOW2CheckReport, _ left: QCOW2CheckReport) -> String {
        let (leaks, corruptions) = (found.leaks - left.leaks, found.corruptions - left.corruptions)
        if leaks <= 0, corruptions <= 0 { return "" }
        return "The following inconsistencies were found and repaired:\n\n    \(max(0, leaks)) leaked clusters\n"
            + "    \(max(0, corruptions)) corruptions\n\nDouble checking the fixed image now...\n"
    }

    /// The words of qemu-img, which scripts look for.
    static func text(_ report: QCOW2CheckReport) -> String {
        var text = ""
        if report.corruptions == 0, report.leaks == 0 { text += "No errors were found on the image.\n" }
        if report.corruptions > 0 {
            text += "\n\(report.corruptions) errors were found on the image.\n"
            text += "Data may be corrupted, or further writes to the image may corrupt it.\n"
        }
        if report.leaks > 0 {
            text += "\n\(report.leaks) leaked clusters were found on the image.\n"
            text += "This means waste of disk space, but no harm to data.\n"
        }
        if report.totalClusters > 0, report.allocatedClusters > 0 {
            let (used, all) = (report.allocatedClusters, report.totalClusters)
            text += "\(used)/\(all) = " + ImageText.formatted("%0.2f", Double(used) * 100 / Double(all)) + "% allocated, "
            text += ImageText.formatted("%0.2f", Double(report.fragmentedClusters) * 100 / Double(used)) + "% fragmented, "
            text +=
                ImageText.formatted("%0.2f", Double(report.compressedClusters) * 100 / Double(used)) + "% compressed clusters\n"
        }
        return text + "Image end offset: \(report.imageEndOffset)\n"
    }
}
