// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#include "cvireoimage.h"

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

// The window that qcow2's deflate streams may use: readers set up no more (windowBits -12 in block/qcow2-threads.c of QEMU).
#define QCOW2_WINDOW_BITS 12

// Measured on the bytes of programs, in clusters of 64 KiB, beside 3, zstd's default (307 MB/s, 3.70 times smaller): 1 has 506 MB/s and
// 3.53, -1 607 MB/s and 3.18, and -1 with entropy coding of literals, which it leaves out by itself, 531 MB/s and 3.58.
#define ZSTD_LEVEL (-1)

struct vireo_packer {
    enum vireo_codec codec;
    struct isal_zstream stream;
    uint8_t *scratch; // of ISA-L
    ZSTD_CCtx *zstd;
};

struct vireo_packer *vireo_packer_new(enum vireo_codec codec) {
    struct vireo_packer *packer = calloc(1, sizeof *packer);
    if (!packer) return NULL;
    packer->codec = codec;
    if (codec == VIREO_ZSTD) {
        packer->zstd = ZSTD_createCCtx();
        if (packer->zstd) {
            (void)ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
            // Experimental as of 1.5: a library that knows it no longer compresses somewhat less.
            (void)ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
        }
    } else {
        packer->scratch = malloc(ISAL_DEF_LVL2_DEFAULT);
    }
    if (!packer->zstd && !packer->scratch) {
        free(packer);
        return NULL;
    }
    return packer;
}

void vireo_packer_free(struct vireo_packer *packer) {
    if (!packer) return;
    ZSTD_freeCCtx(packer->zstd);
    free(packer->scratch);
    free(packer);
}

size_t vireo_pack(struct vireo_packer *packer, const void *bytes, size_t count, void *out, size_t capacity) {
    if (count > UINT32_MAX || capacity > UINT32_MAX) return 0;
    if (packer->zstd) {
        size_t written = ZSTD_compress2(packer->zstd, out, capacity, bytes, count);
        return ZSTD_isError(written) ? 0 : written;
    }
    struct isal_zstream *stream = &packer->stream;
    isal_deflate_init(stream);
    stream->level = 2;
    stream->level_buf = packer->scratch;
    stream->level_buf_size = ISAL_DEF_LVL2_DEFAULT;
    stream->hist_bits = packer->codec == VIREO_DEFLATE ? QCOW2_WINDOW_BITS : 0;
    stream->gzip_flag = packer->codec == VIREO_DEFLATE ? IGZIP_DEFLATE : IGZIP_ZLIB;
    stream->end_of_stream = 1;
    stream->next_in = (uint8_t *)bytes;
    stream->avail_in = (uint32_t)count;
    stream->next_out = out;
    stream->avail_out = (uint32_t)capacity;
    if (isal_deflate(stream) != COMP_OK || stream->internal_state.state != ZSTATE_END) return 0;
    return capacity - stream->avail_out;
}

struct vireo_unpacker {
    enum vireo_codec codec;
    struct libdeflate_decompressor *deflate;
    ZSTD_DCtx *zstd;
};

struct vireo_unpacker *vireo_unpacker_new(enum vireo_codec codec) {
    struct vireo_unpacker *unpacker = calloc(1, sizeof *unpacker);
    if (!unpacker) return NULL;
    unpacker->codec = codec;
    if (codec == VIREO_ZSTD) {
        unpacker->zstd = ZSTD_createDCtx();
    } else {
        unpacker->deflate = libdeflate_alloc_decompressor();
    }
    if (!unpacker->zstd && !unpacker->deflate) {
        free(unpacker);
        return NULL;
    }
    return unpacker;
}

void vireo_unpacker_free(struct vireo_unpacker *unpacker) {
    if (!unpacker) return;
    ZSTD_freeDCtx(unpacker->zstd);
    if (unpacker->deflate) libdeflate_free_decompressor(unpacker->deflate);
    free(unpacker);
}

// A cluster may be several frames, and sectors of anything follow the last.
static int unpack_zstd(ZSTD_DCtx *context, const void *bytes, size_t count, void *out, size_t wanted) {
    // Nearly always it is one frame, which goes straight to its place; a stream would go through a buffer of its own.
    size_t frame = ZSTD_findFrameCompressedSize(bytes, count);
    if (!ZSTD_isError(frame) && ZSTD_decompressDCtx(context, out, wanted, bytes, frame) == wanted) return 0;
    ZSTD_inBuffer input = {bytes, count, 0};
    ZSTD_outBuffer output = {out, wanted, 0};
    ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
    while (output.pos < output.size) {
        size_t read = input.pos, written = output.pos;
        size_t left = ZSTD_decompressStream(context, &output, &input);
        if (ZSTD_isError(left)) return -1;
        if (input.pos == read && output.pos == written) return -1;
    }
    return 0;
}

int vireo_unpack(struct vireo_unpacker *unpacker, const void *bytes, size_t count, void *out, size_t wanted) {
    enum libdeflate_result result;
    size_t used, written = wanted;
    switch (unpacker->codec) {
    case VIREO_ZSTD: return unpack_zstd(unpacker->zstd, bytes, count, out, wanted);
    case VIREO_ZLIB: result = libdeflate_zlib_decompress_ex(unpacker->deflate, bytes, count, out, wanted, &used, &written); break;
    default: result = libdeflate_deflate_decompress_ex(unpacker->deflate, bytes, count, out, wanted, &used, NULL);
    }
    if (result != LIBDEFLATE_SUCCESS) return -1;
    memset((uint8_t *)out + written, 0, wanted - written);
    return 0;
}
