// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

enum { CHILD_STACK_SIZE = 128 * 1024 };

// Shared with the child, which runs in our memory until it executes (CLONE_VM | CLONE_VFORK).
struct child_context {
    const struct vireo_spawn_request *request;
    volatile enum vireo_spawn_stage stage;
    volatile int error;
};

static void reset_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; signal++) {
        (void)sigaction(signal, &action, NULL); // refused for SIGKILL, SIGSTOP and glibc's own two
    }
}

static int join_cgroups(const struct vireo_spawn_request *request) {
    for (size_t i = 0; i < request->cgroup_count; i++) {
        if (write(request->cgroup_fds[i], "0", 1) != 1) {
            return -1;
        }
    }
    return 0;
}

static int set_rlimits(const struct vireo_spawn_request *request) {
    for (size_t i = 0; i < request->rlimit_count; i++) {
        struct rlimit limit = {.rlim_cur = request->rlimits[i].value, .rlim_max = request->rlimits[i].value};
        if (setrlimit((__rlimit_resource_t)request->rlimits[i].resource, &limit) != 0) {
            return -1;
        }
    }
    return 0;
}

// The smallest target that is at least `from`, or INT_MAX.
static int next_target(const struct vireo_spawn_request *request, int from) {
    int next = INT_MAX;
    for (size_t i = 0; i < request->fd_count; i++) {
        int target = request->fds[i].target;
        if (target >= from && target < next) {
            next = target;
        }
    }
    return next;
}

static int close_others_on_exec(const struct vireo_spawn_request *request) {
    int from = 0;
    for (;;) {
        int target = next_target(request, from);
        unsigned last = target == INT_MAX ? UINT_MAX : (unsigned)target - 1;
        if (target == INT_MAX || target > from) {
            if (syscall(SYS_close_range, (unsigned)from, last, CLOSE_RANGE_CLOEXEC) != 0) {
                return -1;
            }
        }
        if (target == INT_MAX) {
            return 0;
        }
        from = target + 1;
    }
}

// Two passes, as a source may be the target of another pair: lift all sources above all targets, then place them.
static int place_descriptors(const struct vireo_spawn_request *request) {
    int lifted[VIREO_MAX_FDS];
    int highest = 2;
    if (request->fd_count > VIREO_MAX_FDS) {
        errno = E2BIG;
        return -1;
    }
    for (size_t i = 0; i < request->fd_count; i++) {
        if (request->fds[i].target > highest) {
            highest = request->fds[i].target;
        }
    }
    for (size_t i = 0; i < request->fd_count; i++) {
        lifted[i] = fcntl(request->fds[i].source, F_DUPFD_CLOEXEC, highest + 1);
        if (lifted[i] < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < request->fd_count; i++) {
        if (dup2(lifted[i], request->fds[i].target) < 0) { // clears close-on-exec
            return -1;
        }
    }
    return close_others_on_exec(request);
}

// By system calls: glibc's wrappers would change all threads of the daemon.
static int drop_ids(const struct vireo_spawn_request *request) {
    if (!request->set_ids) {
        return 0;
    }
    if (syscall(SYS_setgroups, request->group_count, request->groups) != 0
        || syscall(SYS_setresgid, request->gid, request->gid, request->gid) != 0
        || syscall(SYS_setresuid, request->uid, request->uid, request->uid) != 0) {
        return -1;
    }
    return 0;
}

// Runs between clone and exec: only async-signal-safe calls.
static int child_main(void *argument) {
    struct child_context *context = argument;
    const struct vireo_spawn_request *request = context->request;
    sigset_t none;

    reset_signals();
    context->stage = VIREO_SPAWN_SESSION;
    if (setsid() < 0) {
        goto failed;
    }
    if (request->ends_with_caller && prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        goto failed;
    }
    context->stage = VIREO_SPAWN_CGROUP;
    if (join_cgroups(request) != 0) {
        goto failed;
    }
    if (request->umask >= 0) {
        (void)umask((mode_t)request->umask);
    }
    context->stage = VIREO_SPAWN_DESCRIPTORS;
    if (place_descriptors(request) != 0) {
        goto failed;
    }
    // After the descriptors: a limit below the number that the daemon has open would refuse to place them.
    context->stage = VIREO_SPAWN_RLIMIT;
    if (set_rlimits(request) != 0) {
        goto failed;
    }
    context->stage = VIREO_SPAWN_IDS;
    if (drop_ids(request) != 0) {
        goto failed;
    }
    context->stage = VIREO_SPAWN_DIRECTORY;
    if (request->cwd != NULL && chdir(request->cwd) != 0) {
        goto failed;
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    context->stage = VIREO_SPAWN_DONE;
    execve(request->path, request->argv, request->envp);
    context->stage = VIREO_SPAWN_EXEC;

failed:
    context->error = errno;
    _exit(127);
}

int vireo_spawn(const struct vireo_spawn_request *request, struct vireo_spawn_result *result) {
    struct child_context context = {.request = request, .stage = VIREO_SPAWN_DONE};
    sigset_t all, before;
    int pidfd = -1;
    *result = (struct vireo_spawn_result){.pid = -1, .pidfd = -1, .stage = VIREO_SPAWN_CLONE};

    char *stack = mmap(NULL, CHILD_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        result->error = errno;
        return -1;
    }
    // No handler of the daemon may run in the child while it shares our memory.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(child_main, stack + CHILD_STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &context, &pidfd);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, CHILD_STACK_SIZE);

    if (pid < 0) {
        result->error = error;
        errno = error;
        return -1;
    }
    if (context.stage != VIREO_SPAWN_DONE) {
        siginfo_t info;
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR) {
        }
        close(pidfd);
        result->stage = context.stage;
        result->error = context.error;
        errno = context.error;
        return -1;
    }
    *result = (struct vireo_spawn_result){.pid = pid, .pidfd = pidfd, .stage = VIREO_SPAWN_DONE};
    return 0;
}
