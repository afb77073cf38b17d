// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireoimage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// For kernels before 5.6, and sandboxes that do not know openat2: the name that the kernel has for what was opened tells.
static int open_and_compare(const char *path, int flags) {
    int fd = open(path, flags | O_NOFOLLOW);
    if (fd < 0) return -1;
    char link[64], name[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length > 0 && (size_t)length == strlen(path) && memcmp(name, path, length) == 0) return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

int vireo_open_without_links(const char *path, int flags) {
    struct open_how how = {.flags = flags, .resolve = RESOLVE_NO_SYMLINKS};
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
    return open_and_compare(path, flags);
}

int vireo_punch_hole(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int vireo_zero_range(int fd, off_t offset, off_t length) {
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
}

int vireo_open_direct(int fd, int writable) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, (writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
}

int vireo_reserve(int fd, off_t offset, off_t length) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length); }

int vireo_avoid_copy_on_write(int fd) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return -1;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

off_t vireo_next_data(int fd, off_t offset) { return lseek(fd, offset, SEEK_DATA); }

off_t vireo_next_hole(int fd, off_t offset) { return lseek(fd, offset, SEEK_HOLE); }

ssize_t vireo_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t length) {
    return copy_file_range(from, &from_offset, to, &to_offset, length, 0);
}

int vireo_start_writing(int fd, off_t offset, off_t length) {
    return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

int vireo_clone_range(int from, off_t from_offset, int to, off_t to_offset, off_t length) {
    struct file_clone_range range = {
        .src_fd = from, .src_offset = (uint64_t)from_offset, .src_length = (uint64_t)length, .dest_offset = (uint64_t)to_offset};
    return ioctl(to, FICLONERANGE, &range);
}

int vireo_exchange_files(const char *one, const char *other) {
    return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}
