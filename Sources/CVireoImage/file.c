// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireoimage.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

int vireo_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int vireo_zero_range(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
}

off_t vireo_next_data(int fd, off_t offset) { return lseek(fd, offset, SEEK_DATA); }

off_t vireo_next_hole(int fd, off_t offset) { return lseek(fd, offset, SEEK_HOLE); }

ssize_t vireo_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t length) {
    return copy_file_range(from, &from_offset, to, &to_offset, length, 0);
}

int vireo_start_writing(int fd, off_t offset, off_t length) {
    return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
