// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireo
import Glibc
import Logging
import SystemPackage
import VireoCore
import VireoHost
package import VireoModel

/// The host's devices as they were last looked at, and word of those that come and go.
///
/// The kernel is listened to from the first client on that wants to be told; until then each question looks anew, at most
/// once a second.
package actor NodeDeviceCatalog {
    private let scan: NodeDeviceScan
    private let events: EventBus
    private let logger: Logger
    private var known: [String: NodeDevice] = [:]
    private var scannedAt: ContinuousClock.Instant?
    /// The scan that is under way, for all who ask meanwhile.
    private var scanning: Task<[String: NodeDevice], any Error>?
    /// Open as long as the daemon lives, once somebody listens.
    private var socket: CInt?
    private var isRescanDue = false

    init(scan: NodeDeviceScan, events: EventBus, logger: Logger) {
        (self.scan, self.events, self.logger) = (scan, events, logger)
    }

    /// How old an answer may be.
    private static let freshness = Duration.seconds(1)
    /// The kernel tells of a device in many messages: they are waited for.
    private static let quietTime = Duration.milliseconds(100)

    /// Every device, by name.
    ///
    /// - Throws: `operationTimeout` when `/sys` does not answer.
    package func devices() async throws -> [NodeDevice] {
        if let scannedAt, ContinuousClock.now - scannedAt < Self.freshness { return sorted }
        try await rescan()
        return sorted
    }

    private var sorted: [NodeDevice] { known.values.sorted { $0.name < $1.name } }

    /// - Throws: `noNodeDevice`, in libvirt's words.
    package func device(_ name: String) async throws -> NodeDevice {
        if let device = try await devices().first(where: { $0.name == name }) { return device }
        // It may have come within the last second.
        scannedAt = nil
        guard let device = try await devices().first(where: { $0.name == name }) else {
            throw VireoError(.noNodeDevice, "no node device with matching name '\(name)'", origin: .nodedev)
        }
        return device
    }

    func rescan() async throws {
        let task =
            scanning
            ?? Task { [scan] in
                try await BlockingWork.run(awaiting: "the devices of the host") {
                    Dictionary(scan.devices().map { ($0.name, $0) }) { first, _ in first }
                }
            }
        scanning = task
        let result = await task.result
        guard scanning == task else { return }
        scanning = nil
        take(try result.get())
    }

    private func take(_ found: [String: NodeDevice]) {
        let former = known
        (known, scannedAt) = (found, .now)
        // What there was before anybody listened is no news.
        guard socket != nil, !former.isEmpty else { return }
        for name in former.keys.sorted() where found[name] == nil { publish(name, .lifecycle(type: 1)) }
        for (name, device) in found.sorted(by: { $0.key < $1.key }) {
            switch former[name] {
            case nil: publish(name, .lifecycle(type: 0))
            case device?: break
            default: publish(name, .updated)
            }
        }
    }

    private func publish(_ name: String, _ payload: ObjectEvent.Payload) {
        events.publish(ObjectEvent(.nodeDevice(name: name), payload, time: WallClock.now))
    }

    // MARK: Listening

    /// Publishes events from here on. A host that does not let the daemon listen has none, and that is logged once.
    package func watch() async {
        guard socket == nil else {
            // Somebody else has just begun to listen.
            if known.isEmpty { _ = try? await rescan() }
            return
        }
        let descriptor = vireo_uevent_socket()
        guard descriptor >= 0 else {
            let error = Errno(rawValue: errno)
            logger.warning("the kernel does not tell of devices that come and go", metadata: [LogKey.error: "\(error)"])
            return
        }
        do {
            _ = try DescriptorLoop.shared.watch(descriptor, for: .readable) { [weak self] _ in
                Self.drain(descriptor)
                guard let self else { return }
                // Short: it notes that there is something to look at.
                Task { await self.devicesChanged() }
            }
        } catch {
            close(descriptor)
            logger.warning("the kernel does not tell of devices that come and go", metadata: [LogKey.error: "\(error)"])
            return
        }
        (socket, scannedAt, known) = (descriptor, nil, [:])
        _ = try? await rescan()
    }

    /// What the messages say does not matter: the devices are looked at anyway, which also serves where some were lost.
    private static func drain(_ descriptor: CInt) {
        var buffer = [UInt8](repeating: 0, count: 8192)
        // More than fit into the socket at once; what is left brings the next turn.
        for _ in 0..<4096 where recv(descriptor, &buffer, buffer.count, 0) < 0 && errno != ENOBUFS { return }
    }

    private func devicesChanged() async {
        guard !isRescanDue else { return }
        isRescanDue = true
        try? await Task.sleep(for: Self.quietTime)
        isRescanDue = false
        do { try await rescan() } catch {
            logger.warning("the devices of the host could not be looked at", metadata: [LogKey.error: "\(error)"])
        }
    }
}
