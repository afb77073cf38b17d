// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// `<sound>`: a sound card.
public struct Sound: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable { case sb16, es1370, pcspk, ac97, ich6, ich7, ich9, usb }
    public enum Codec: String, Hashable, Sendable, CaseIterable { case duplex, micro, output }

    public var info = DeviceInfo()
    public var model: Model
    /// Of ICH6 and ICH9.
    public var codecs: [Codec] = []
    public var multichannel: Bool?
    /// The id of an `<audio>` device; nil until the defaults are filled in.
    public var audioID: Int?

    public init(_ model: Model) { self.model = model }
}

/// `<audio>`: where sound goes on the host.
public struct Audio: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case none, alsa, coreaudio, dbus, jack, oss, pulseaudio, sdl, spice, file
    }

    /// From 1.
    public var id: Int
    public var kind: Kind
    public var timerPeriodMicroseconds: Int?
    /// The attributes of the kind: `driver`, `serverName`, `path`, `tryMMap`, `exclusive`, `dspPolicy`.
    public var options: [String: String] = [:]
    public var input: Stream?
    public var output: Stream?

    public init(id: Int, kind: Kind) { (self.id, self.kind) = (id, kind) }

    /// `<input>` or `<output>`.
    public struct Stream: Hashable, Sendable {
        public var mixingEngine: Bool?
        public var fixedSettings: Bool?
        public var voices: Int?
        public var bufferLengthMicroseconds: Int?
        public var frequencyHertz: Int?
        public var channels: Int?
        public var format: String?
        /// The attributes of the kind: `dev`, `name`, `streamName`, `latency`, `bufferCount`, …
        public var options: [String: String] = [:]

        public init() {}
    }
}
