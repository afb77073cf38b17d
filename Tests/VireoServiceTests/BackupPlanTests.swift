// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VireoCore
import VireoStore

@testable import VireoService

@Suite("Plans of backups")
struct BackupPlanTests {
    private let domain = DomainUUID.random()

    private func disk(
        _ backup: String, of target: String = "vda", base: String? = nil, format: String = "qcow2"
    ) -> BackupEntry.Disk {
        BackupEntry.Disk(
            target: target, path: "/b/\(backup)-\(target)", format: format, size: 1 << 20, base: base, isRecorded: true,
            reason: base == nil ? "it is the first backup" : nil, fileSize: 1, digest: "x")
    }

    private func entry(_ name: String, at time: Double = 0, _ disks: [BackupEntry.Disk]? = nil) -> BackupEntry {
        BackupEntry(
            domain: domain, domainName: "web1", name: name, createdAt: time, state: .complete, isLive: true,
            checkpoint: "backup-\(name)", disks: disks ?? [disk(name)], xml: "<domain/>", owner: "client 1")
    }

    private func reason(
        _ record: BackupPlan.Record = .changes, format: String = "qcow2", size: UInt64 = 1 << 20, target: String = "vda",
        isAsked: Bool = false, last: BackupEntry?, depth: Int = 1, isLastThere: Bool = true
    ) -> String? {
        BackupPlan.reasonForAll(
            .init(target: target, format: format, size: size, record: record), isAsked: isAsked, last: last, depth: depth,
            isLastThere: isLastThere)
    }

    @Test("What changed is enough where that is known, and only there")
    func increments() {
        let last = entry("one")
        #expect(reason(last: last) == nil)
        #expect(reason(size: 2 << 20, last: last) == nil, "a disk that grew")
        #expect(reason(isAsked: true, last: last) == "it was asked for")
        #expect(reason(format: "raw", last: last)?.contains("raw") == true)
        #expect(reason(last: nil) == "it is the first backup")
        #expect(reason(target: "vdb", last: last)?.contains("no part in backup 'one'") == true)
        #expect(reason(last: last, isLastThere: false)?.contains("/b/one-vda") == true)
        #expect(reason(size: 512, last: last)?.contains("smaller") == true)
        #expect(reason(last: last, depth: BackupPlan.longestChain) != nil)
        #expect(reason(.none, last: last)?.contains("not known") == true)
        #expect(reason(.everything, last: last)?.contains("crash") == true)
        var gone = last
        gone.checkpoint = nil
        #expect(reason(last: gone)?.contains("given up") == true)
    }

    @Test(
        "Names are times in UTC, and never taken",
        arguments: [
            (0.0, "19700101-000000"), (1_769_860_800, "20260131-120000"), (951_782_399, "20000228-235959"),
            (951_782_400, "20000229-000000"), (4_107_542_399, "21000228-235959"), (4_107_542_400, "21000301-000000"),
        ])
    func names(seconds: Double, name: String) {
        #expect(BackupPlan.name(at: seconds, taken: []) == name)
        #expect(BackupPlan.name(at: seconds, taken: [name, "\(name)-2"]) == "\(name)-3")
    }

    @Test("A name is part of a file's name", arguments: ["", ".hidden", "a/b", "a b", "ü", String(repeating: "x", count: 101)])
    func badNames(name: String) {
        #expect(throws: VireoError.self) { try BackupPlan.check(name: name) }
    }

    // MARK: Retention

    @Test("Rules keep the latest, and what is young")
    func retention() {
        let entries = (0..<5).map { entry("\($0)", at: Double($0) * 86400) }
        func victims(_ count: Int?, _ days: Int?) -> [String] {
            BackupRetention(count: count, days: days).victims(of: entries, now: 5 * 86400).map(\.name)
        }
        #expect(victims(nil, nil) == [])
        #expect(victims(2, nil) == ["0", "1", "2"])
        #expect(victims(9, nil) == [])
        #expect(victims(nil, 2) == ["0", "1", "2"])
        #expect(victims(2, 4) == ["0"])
        #expect(BackupRetention(days: 1).victims(of: entries, now: 1000 * 86400).map(\.name) == ["0", "1", "2", "3"])
    }

    // MARK: Removal

    @Test("What stands on a backup that goes gets what it needs of it")
    func merge() throws {
        let all = [entry("a"), entry("b", [disk("b", base: "a")]), entry("c", [disk("c", base: "b")])]
        let first = try #require(BackupRemoval(all[0], among: all))
        #expect(first.steps == [.merge(lower: "/b/a-vda", isRaw: false, upper: "/b/b-vda")])
        #expect(first.changed.map(\.name) == ["b"])
        #expect(first.changed[0].disks[0].base == nil)
        #expect(first.changed[0].disks[0].reason?.contains("'a'") == true)
        #expect(first.changed[0].disks[0].digest == nil)
        let middle = try #require(BackupRemoval(all[1], among: all))
        #expect(middle.changed[0].disks[0].base == "a")
        #expect(middle.changed[0].disks[0].reason == nil)
        #expect(BackupRemoval(all[2], among: all)?.steps == [.remove("/b/c-vda")])
    }

    @Test("Each disk of a backup goes by itself, and two that stand on one file keep it")
    func disks() throws {
        let both = entry("a", [disk("a"), disk("a", of: "vdb", format: "raw")])
        let next = entry("b", [disk("b"), disk("b", of: "vdb", base: "a")])
        let removal = try #require(BackupRemoval(both, among: [both, next]))
        #expect(removal.steps == [.remove("/b/a-vda"), .merge(lower: "/b/a-vdb", isRaw: true, upper: "/b/b-vdb")])
        #expect(removal.removed == ["/b/a-vda", "/b/a-vdb"])
        #expect(removal.written == ["/b/b-vdb"])
        let third = entry("c", [disk("c", of: "vdb", base: "a")])
        #expect(BackupRemoval(both, among: [both, next, third]) == nil)
    }

    @Test("A backup comes with all that it stands on")
    func bases() {
        let all = [entry("a"), entry("b", [disk("b", base: "a")]), entry("c"), entry("d", [disk("d", base: "b")])]
        #expect(all[3].withBases(among: all).map(\.name) == ["a", "b", "d"])
    }

    @Test("An entry is the same when it was stored")
    func stored() {
        let entry = entry("a", at: 12.5)
        #expect(BackupEntry(entry.row) == entry)
        #expect(BackupEntry(BackupRow(domain: domain, name: "a", createdAt: 0, state: "complete", json: "{}")) == nil)
    }
}
