// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

import CVireoImage

/// How a cluster is compressed.
package enum Codec: Hashable, Sendable {
    /// A deflate stream without header (RFC 1951): qcow2's `zlib`. Written with the window of 4 KiB that qcow2 asks for.
    case deflate
    /// A deflate stream with zlib's header (RFC 1950): VMDK.
    case zlib
    /// Zstandard frames (RFC 8878).
    case zstd

    fileprivate var number: vireo_codec {
        switch self {
        case .deflate: VIREO_DEFLATE
        case .zlib: VIREO_ZLIB
        case .zstd: VIREO_ZSTD
        }
    }
}

/// Takes clusters apart: libdeflate for deflate, libzstd for zstd. For one thread at a time.
package final class Unpacker {
    private let unpacker: OpaquePointer

    package init(_ codec: Codec) throws(ImageError) {
        guard let unpacker = vireo_unpacker_new(codec.number) else { throw ImageError(.limit, "no memory for decompressing") }
        self.unpacker = unpacker
    }

    deinit { vireo_unpacker_free(unpacker) }

    /// Fills `output` from the stream at the start of `input`; what follows the stream is ignored. False where the stream is
    /// bad, or does not give exactly that many bytes.
    package func unpack(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool {
        vireo_unpack(unpacker, input.baseAddress, input.count, output.baseAddress, output.count) == 0
    }
}

/// Compresses clusters: ISA-L's igzip for deflate, libzstd for zstd. For one thread at a time.
package final class Packer {
    private let packer: OpaquePointer

    package init(_ codec: Codec) throws(ImageError) {
        guard let packer = vireo_packer_new(codec.number) else { throw ImageError(.limit, "no memory for compressing") }
        self.packer = packer
    }

    deinit { vireo_packer_free(packer) }

    /// Compresses `input` into the start of `output`. Returns the bytes written, or nil where they do not fit.
    package func pack(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int? {
        let count = vireo_pack(packer, input.baseAddress, input.count, output.baseAddress, output.count)
        return count > 0 ? count : nil
    }
}
