// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import Logging
import VireoCore
import VireoModel
import VireoStorage
import VireoXML

extension StoragePoolActor {
    /// How often a pool's free space is looked at: a fast disk fills the 5 % that are left in longer than this.
    private static let spaceInterval = Duration.seconds(5)

    /// Follows how much is left in a pool of files, until it stops.
    func followSpace() {
        guard current.kind.hasFiles else { return }
        let turn = spaceTurn + 1
        spaceTurn = turn
        forecast = SpaceForecast()
        hypervisor.background.run { [weak self] in
            while await self?.lookAtSpace(turn) == true {
                guard (try? await Task.sleep(for: Self.spaceInterval, tolerance: .seconds(1))) != nil else { return }
            }
        }
    }

    /// Looks once; false when the pool was stopped, or started anew.
    private func lookAtSpace(_ turn: Int) async -> Bool {
        guard current.isActive, !isRemoved, spaceTurn == turn else { return false }
        // One that does not answer is asked by whoever waits for its answer.
        guard worker.answers else { return true }
        let (backend, pool) = (backend, current.definition)
        guard let sizes = try? await worker.run(within: Self.patience, "reading its size", { try backend.sizes(of: pool) }),
            current.isActive, spaceTurn == turn
        else { return true }
        if sizes != current.contents.sizes { current.contents.sizes = sizes }
        let now = ContinuousClock.now - Self.clockStart
        let changed = forecast.add(
            available: sizes.available.bytes, of: sizes.capacity.bytes, at: now / .seconds(1))
        let outlook = StoragePoolView.Outlook(level: forecast.level, secondsLeft: forecast.secondsLeft)
        if outlook != current.outlook { current.outlook = outlook }
        if let level = changed { tell(level, sizes.available) }
        return true
    }

    private static let clockStart = ContinuousClock.now

    private func tell(_ level: SpaceForecast.Level, _ available: ByteCount) {
        let seconds = forecast.secondsLeft
        let facts: Logger.Metadata = [
            LogKey.pool: "\(name)", LogKey.available: "\(available)",
            LogKey.secondsLeft: "\(seconds.map { "\(Int(min($0, 1e9)))" } ?? "-")",
        ]
        switch level {
        case .fine: logger.info("a storage pool has space again", metadata: facts)
        case .low: logger.warning("a storage pool will soon be full", metadata: facts)
        case .critical: logger.error("a storage pool is about to be full", metadata: facts)
        }
        hypervisor.events.publish(
            ObjectEvent(
                .storagePool(name: name, uuid: uuid), .space(level, available: available, secondsLeft: seconds),
                time: hypervisor.now))
    }
}

extension LogKey {
    fileprivate static var available: String { "available" }
    fileprivate static var secondsLeft: String { "seconds-left" }
}
