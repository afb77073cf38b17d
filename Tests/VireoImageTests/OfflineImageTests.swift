// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import VireoCore
import VireoImage

/// What a daemon calls: whole operations, from tasks that may not block.
@Suite("Whole operations on images")
struct OfflineImageTests {
    private func chain(_ scratch: Scratch, _ count: Int) throws -> [OfflineImage] {
        let policy = ImagePolicy(backing: .directories([scratch.path]))
        var images = [OfflineImage(scratch.file("l0"), format: .qcow2, policy: policy)]
        _ = try NewImage(format: .qcow2, size: 4 << 20).create(at: images[0].path, images[0].context(.write))
        for number in 0..<count {
            if number > 0 {
                _ = try images[number - 1].createOverlay(at: scratch.file("l\(number)"), naming: "l\(number - 1)")
                images.append(OfflineImage(scratch.file("l\(number)"), format: .qcow2, policy: policy))
            }
            let open = try images[number].open(.write)
            let top = try #require(open.top as? QCOW2Image)
            try [UInt8](repeating: UInt8(number + 1), count: 100_000).withUnsafeBytes {
                try top.write($0, at: UInt64(number * 150_000), below: open.below())
            }
            try top.close()
        }
        return images
    }

    @Test("Who looks at headers only is told all of them, and can read and change nothing")
    func headersOnly() throws {
        let scratch = try Scratch()
        let image = try chain(scratch, 2)[1]
        var context = image.context(.write)
        context.readsHeadersOnly = true
        do {
            let opened = try ImageChain.open(image.path, format: .qcow2, context)
            let top = try #require(opened.top as? QCOW2Image)
            #expect(opened.layers.count == 2 && opened.virtualSize == 4 << 20)
            #expect(throws: ImageError.self) { try opened.bytes(at: 0, count: 512) }
            #expect(throws: ImageError.self) { try top.check() }
            #expect(throws: ImageError.self) { try top.createSnapshot("one") }
            #expect(throws: ImageError.self) { try [1].withUnsafeBytes { try top.write($0, at: 0, below: opened.below()) } }
        }
        #expect(try image.info().map(\.virtualSize) == [4 << 20, 4 << 20])
        #expect(try image.check().corruptions == 0)
    }

    @Test("A chain is made, told, committed, pulled, rebased, grown and copied")
    func all() async throws {
        let scratch = try Scratch()
        let images = try chain(scratch, 4)
        let model = try images[3].open().bytes(at: 0, count: 4 << 20)
        let info = try await ImageThread.run { _ in try images[3].info() }
        #expect(info.map(\.path) == (0..<4).reversed().map { scratch.file("l\($0)") })
        #expect(info[0].backing == BackingReference(name: "l2", format: .qcow2))

        let progress = ImageProgress()
        try await ImageThread.run(progress) { try images[3].commit(progress: $0) }
        #expect(progress.bytes == (4 << 20, 4 << 20))
        #expect(try images[3].open().bytes(at: 0, count: 4 << 20) == model)
        #expect(try images[2].open().bytes(at: 0, count: 4 << 20) == model)
        // A layer that is not the top takes what it needs from below.
        try await ImageThread.run { try images[2].pull(onto: scratch.file("l0"), naming: "l0", progress: $0) }
        #expect(try images[2].info().map(\.backing?.name) == ["l0", nil])
        #expect(try images[3].open().bytes(at: 0, count: 4 << 20) == model)
        try await ImageThread.run { try images[2].rebase(onto: BackingReference(name: "l1", format: .qcow2), progress: $0) }
        #expect(try images[3].open().bytes(at: 0, count: 4 << 20) == model)
        #expect(throws: ImageError.self) { try images[2].rebase(onto: nil, proof: .comparing) }
        try images[2].commit(into: "l0", despiteDependents: true)
        #expect(try images[0].open().bytes(at: 0, count: 4 << 20) == model)

        #expect(try images[3].resize(to: (8 << 20) - 100) == 8 << 20)
        #expect { try images[3].resize(to: 200_000) } throws: { ($0 as? ImageError)?.kind == .refused }
        #expect(try images[3].resize(to: 1 << 20) == 1 << 20)
        try await ImageThread.run {
            try images[3].convert(to: scratch.file("copy"), ConvertOptions(format: .qcow2), progress: $0)
        }
        let copy = OfflineImage(scratch.file("copy"), format: .qcow2, policy: .standalone)
        #expect(try copy.open().bytes(at: 0, count: 1 << 20) == Array(model.prefix(1 << 20)))
        #expect(try copy.check().corruptions == 0)
    }

    @Test("Work on images takes no thread of the shared pool, and ends with the task that asked for it")
    func threads() async throws {
        let count = 64
        await withTaskGroup(of: Bool.self) { group in
            let started = Counter()
            for _ in 0..<count {
                group.addTask {
                    do {
                        try await ImageThread.run { progress in
                            started.add()
                            // Ends only when it is cancelled.
                            while true {
                                try progress.check()
                                usleep(1000)
                            }
                        }
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
            }
            // If they blocked the pool, this loop would never see all of them.
            while started.value < count { await Task.yield() }
            group.cancelAll()
            for await ended in group { #expect(ended) }
        }
    }

    @Test("Who cancels the progress, and not the task, gets the engine's error")
    func cancelledByOthers() async throws {
        let progress = ImageProgress()
        progress.cancel()
        do {
            try await ImageThread.run(progress) { try $0.check() }
            Issue.record("it went on")
        } catch {
            #expect((error as? ImageError)?.kind == .cancelled)
            #expect((error as? ImageError).map { VireoError($0).code } == .operationAborted)
        }
    }

    @Test("Errors reach clients with libvirt's codes and the path")
    func errors() throws {
        let scratch = try Scratch()
        do {
            _ = try OfflineImage(scratch.file("none"), format: .qcow2, policy: .standalone).info()
        } catch let error as ImageError {
            let told = VireoError(error)
            #expect(told.code == .systemError && told.message.contains(scratch.file("none")))
        }
        #expect(VireoError(ImageError(.locked, "x")).code == .resourceBusy)
        #expect(VireoError(ImageError(.refused, "x")).code == .operationFailed)
    }
}

/// Counts across threads.
private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .relaxed) }
    func add() { count.add(1, ordering: .relaxed) }
}
