// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// Runs a program that reads hostile files: namespaces of its own for users and network, no privileges, the files that were
// named and no others (Landlock), bounded memory, time and file size.

#define _GNU_SOURCE
#include "cvireoimage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#define ACCESS_TRUNCATE (1ULL << 14) // LANDLOCK_ACCESS_FS_TRUNCATE, since Linux 6.2

enum { STACK_SIZE = 128 * 1024 };

// All rights on files that a version of Landlock knows: 13 in the first, renaming in the second, truncating in the third.
static uint64_t known_rights(int version) {
    uint64_t rights = (1ULL << 13) - 1;
    if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) rights |= ACCESS_TRUNCATE;
    return rights;
}

static uint64_t rights_of(enum vireo_jail_access access) {
    uint64_t file = LANDLOCK_ACCESS_FS_READ_FILE;
    switch (access) {
    case VIREO_JAIL_READ: return file;
    case VIREO_JAIL_RUN: return file | LANDLOCK_ACCESS_FS_EXECUTE;
    case VIREO_JAIL_READ_WRITE: return file | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
    case VIREO_JAIL_PROGRAMS: return file | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE;
    case VIREO_JAIL_WORK:
        return file | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG
            | LANDLOCK_ACCESS_FS_REMOVE_FILE | ACCESS_TRUNCATE;
    }
    return 0;
}

// A ruleset that allows what the request names; paths that are not there are left out.
static int make_ruleset(const struct vireo_jail *jail) {
    int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        errno = ENOSYS;
        return -1;
    }
    struct landlock_ruleset_attr attributes = {.handled_access_fs = known_rights(version)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0) return -1;
    for (size_t i = 0; i < jail->path_count; i++) {
        int fd = open(jail->paths[i].path, O_PATH | O_CLOEXEC);
        if (fd < 0) continue;
        struct landlock_path_beneath_attr rule = {
            .allowed_access = rights_of(jail->paths[i].access) & attributes.handled_access_fs, .parent_fd = fd};
        int failed = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
        int error = errno;
        close(fd);
        if (failed) {
            close(ruleset);
            errno = error;
            return -1;
        }
    }
    return ruleset;
}

static int argument_count;
static char **arguments;

// glibc hands them to constructors; /proc, where others look for them, cannot be read in a jail.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
    argument_count = count;
    arguments = values;
}

const char *vireo_argument(int index) { return index >= 0 && index < argument_count ? arguments[index] : NULL; }

struct start {
    const struct vireo_jail *jail;
    int ruleset;
    int drop_capabilities;
    volatile int error;
};

static int limit(int resource, uint64_t value) {
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    return setrlimit((__rlimit_resource_t)resource, &limit);
}

// Runs between clone and exec, in our memory: only async-signal-safe calls.
static int enter(void *argument) {
    struct start *start = argument;
    const struct vireo_jail *jail = start->jail;
    struct sigaction action;
    sigset_t none;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; signal++) (void)sigaction(signal, &action, NULL);
    // Lifted first: a source may be 0, 1 or 2.
    int input = jail->input < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : fcntl(jail->input, F_DUPFD_CLOEXEC, 3);
    int output = fcntl(jail->output, F_DUPFD_CLOEXEC, 3), errors = fcntl(jail->errors, F_DUPFD_CLOEXEC, 3);
    if (input < 0 || output < 0 || errors < 0) goto failed;
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0) goto failed;
    if (setsid() < 0 || chdir(jail->directory) != 0) goto failed;
    (void)umask(077);
    // It ends with us: nothing is left that nobody waits for.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) goto failed;
    if (start->drop_capabilities) {
        for (int capability = 0; capability < 64; capability++) {
            if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) goto failed;
        }
    }
    if (syscall(SYS_landlock_restrict_self, start->ruleset, 0) != 0) goto failed;
    if (syscall(SYS_close_range, 3u, ~0u, 1u << 2) != 0) goto failed; // CLOSE_RANGE_CLOEXEC
    if (limit(RLIMIT_CORE, 0) || limit(RLIMIT_AS, jail->memory) || limit(RLIMIT_CPU, jail->seconds) || limit(RLIMIT_FSIZE, jail->file_size)
        || limit(RLIMIT_NOFILE, jail->open_files)) {
        goto failed;
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    static char *environment[] = {"LC_ALL=C", "PATH=/usr/bin", NULL};
    execve(jail->argv[0], jail->argv, environment);

failed:
    start->error = errno;
    _exit(127);
}

int vireo_jail_start(const struct vireo_jail *jail, pid_t *pid, int *pidfd) {
    struct start start = {.jail = jail};
    sigset_t all, before;
    start.ruleset = make_ruleset(jail);
    if (start.ruleset < 0) return -1;
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        close(start.ruleset);
        return -1;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_NEWNET | CLONE_NEWIPC | SIGCHLD;
    // In a user namespace without a mapping it has no privileges, whoever we are. Where those are forbidden, root does without,
    // and takes the privileges away itself.
    *pid = clone(enter, stack + STACK_SIZE, flags | CLONE_NEWUSER, &start, pidfd);
    if (*pid < 0 && geteuid() == 0) {
        start.drop_capabilities = 1;
        *pid = clone(enter, stack + STACK_SIZE, flags, &start, pidfd);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
    close(start.ruleset);
    if (*pid < 0) {
        errno = error;
        return -1;
    }
    if (start.error != 0) {
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)*pidfd, &info, WEXITED) != 0 && errno == EINTR) {
        }
        close(*pidfd);
        errno = start.error;
        return -1;
    }
    return 0;
}

int vireo_jail_pipe(int fds[2]) { return pipe2(fds, O_CLOEXEC); }

int vireo_jail_kill(int pidfd) { return (int)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); }

int vireo_jail_wait(int pidfd, int *code, int *status) {
    siginfo_t info;
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0) {
        if (errno != EINTR) return -1;
    }
    *code = info.si_code;
    *status = info.si_status;
    return 0;
}
