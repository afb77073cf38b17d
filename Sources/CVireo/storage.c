// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

int vireo_clone_file(int from, int to) { return ioctl(to, FICLONE, from); }

int vireo_discard_device(int fd, uint64_t offset, uint64_t length) {
    uint64_t range[2] = {offset, length};
    return ioctl(fd, BLKDISCARD, range);
}

int vireo_file_system_type(const char *path, uint64_t *type) {
    struct statfs facts;
    if (statfs(path, &facts) != 0) {
        return -1;
    }
    *type = (uint64_t)(uint32_t)facts.f_type;
    return 0;
}
