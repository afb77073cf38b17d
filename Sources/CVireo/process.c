// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int vireo_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int vireo_unlock_open_file(pid_t pid, int number) {
    int pidfd = vireo_pidfd_open(pid);
    if (pidfd < 0) {
        return -1;
    }
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    int error = errno;
    close(pidfd);
    if (fd < 0) {
        errno = error;
        return -1;
    }
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    int result = fcntl(fd, F_OFD_SETLK, &all);
    error = errno;
    close(fd);
    errno = error;
    return result;
}

int vireo_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int vireo_pidfd_reap(int pidfd, int *code, int *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) != 0) {
        return -1;
    }
    if (info.si_pid == 0) {
        errno = EAGAIN;
        return -1;
    }
    *code = info.si_code;
    *status = info.si_status;
    return 0;
}

long vireo_clock_ticks(void) {
    return sysconf(_SC_CLK_TCK);
}

int vireo_get_affinity(pid_t thread, uint8_t *bits, size_t length) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(thread, sizeof set, &set) != 0) {
        return -1;
    }
    memset(bits, 0, length);
    for (size_t cpu = 0; cpu < length * 8 && cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            bits[cpu / 8] |= (uint8_t)(1u << (cpu % 8));
        }
    }
    return 0;
}

int vireo_set_affinity(pid_t thread, const uint8_t *bits, size_t length) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t cpu = 0; cpu < length * 8 && cpu < CPU_SETSIZE; cpu++) {
        if (bits[cpu / 8] >> (cpu % 8) & 1) {
            CPU_SET(cpu, &set);
        }
    }
    return sched_setaffinity(thread, sizeof set, &set);
}

int vireo_memory_file(const char *name) {
    return memfd_create(name, MFD_CLOEXEC);
}

int vireo_unnamed_file(const char *directory) {
    return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int vireo_blocking_pipe(int fds[2]) {
    return pipe2(fds, O_CLOEXEC);
}

void vireo_drop_cache(int fd) {
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int vireo_set_direct(int fd, int direct) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -1;
    }
    return fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0 ? -1 : 0;
}

void vireo_name_thread(const char *name) {
    (void)pthread_setname_np(pthread_self(), name);
}

// The linker's marks for the begin of the program and the end of its code. Nothing between them is written to: what
// relocations change lies behind.
extern const char __executable_start[];
extern const char etext[];

void vireo_trim_memory(void) {
    (void)malloc_trim(0);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)__executable_start + page - 1) & ~(page - 1);
    uintptr_t end = (uintptr_t)etext & ~(page - 1);
    if (begin < end) {
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
}
