// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

public import VireoCore

/// `<video>`: a graphics card.
public struct Video: DomainDevice {
    public enum Model: String, Hashable, Sendable, CaseIterable {
        case `default`, vga, cirrus, vmvga, xen, vbox, qxl, parallels, virtio, gop, none, bochs, ramfb
    }
    public enum VGAConfiguration: String, Hashable, Sendable, CaseIterable { case io, on, off }
    public enum Backend: String, Hashable, Sendable, CaseIterable { case qemu, vhostuser }

    public var info = DeviceInfo()
    public var model: Model
    public var ram: ByteCount?
    public var vram: ByteCount?
    public var vram64: ByteCount?
    public var vgaMemory: ByteCount?
    public var heads: Int?
    public var isPrimary: Bool?
    public var blob: Bool?
    public var acceleration: Acceleration?
    public var resolution: Resolution?
    public var backend: Backend?
    public var vgaConfiguration: VGAConfiguration?
    public var virtio = VirtioOptions()

    public init(_ model: Model) { self.model = model }

    /// `<acceleration>`.
    public struct Acceleration: Hashable, Sendable {
        public var accel2d: Bool?
        public var accel3d: Bool?
        public var renderNode: String?

        public init() {}
    }

    /// `<resolution>`, in pixels.
    public struct Resolution: Hashable, Sendable {
        public var x: Int
        public var y: Int

        public init(x: Int, y: Int) { (self.x, self.y) = (x, y) }
    }
}
