// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// What disk images need and Swift cannot say: calls on files, and the system's compression libraries behind plain functions.

#ifndef CVIREOIMAGE_H
#define CVIREOIMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: file.c. -1 and errno on failure.

// Gives the space of a range back; it then reads as zeros. The size stays.
int vireo_punch_hole(int fd, off_t offset, off_t length);
// Makes a range zeros and keeps its space. The size stays.
int vireo_zero_range(int fd, off_t offset, off_t length);
// lseek with SEEK_DATA, SEEK_HOLE.
off_t vireo_next_data(int fd, off_t offset);
off_t vireo_next_hole(int fd, off_t offset);
// Copies within the kernel, sharing blocks where the file system can; returns the bytes copied, 0 at the end of the source.
ssize_t vireo_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t length);
// Begins to write a range of the page cache to its disk, and does not wait.
int vireo_start_writing(int fd, off_t offset, off_t length);

// MARK: codecs.c. A codec serves one thread at a time.

enum vireo_codec {
    VIREO_DEFLATE = 0, // RFC 1951, written with a window of 4 KiB as qcow2 asks for
    VIREO_ZLIB = 1, // RFC 1950
    VIREO_ZSTD = 2, // RFC 8878
};

struct vireo_packer;
struct vireo_unpacker;

// NULL without memory.
struct vireo_packer *vireo_packer_new(enum vireo_codec codec);
void vireo_packer_free(struct vireo_packer *packer);
// Compresses; returns the bytes written, 0 if they do not fit into capacity.
size_t vireo_pack(struct vireo_packer *packer, const void *bytes, size_t count, void *out, size_t capacity);

struct vireo_unpacker *vireo_unpacker_new(enum vireo_codec codec);
void vireo_unpacker_free(struct vireo_unpacker *unpacker);
// Decompresses until exactly wanted bytes are there; bytes behind the stream are ignored. 0, or -1 if the stream is bad,
// or too short, or has more to say.
int vireo_unpack(struct vireo_unpacker *unpacker, const void *bytes, size_t count, void *out, size_t wanted);

#endif
