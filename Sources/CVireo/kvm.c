// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { API_VERSION = 12, PAGE_SIZE = 4096, CODE_ADDRESS = 0x1000 };

// Fills the report's stage as it goes on; returns 0 when the guest stopped at its hlt.
#if defined(__x86_64__)
static int run_one_instruction(struct vireo_kvm_report *report) {
    static const uint8_t code[] = {0xF4}; // hlt

    report->stage = VIREO_KVM_OPEN;
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return -1;
    }
    report->stage = VIREO_KVM_API_VERSION;
    report->detail = ioctl(kvm, KVM_GET_API_VERSION, 0);
    if (report->detail != API_VERSION) {
        return -1;
    }
    report->stage = VIREO_KVM_CREATE_VM;
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        return -1;
    }
    report->stage = VIREO_KVM_MEMORY;
    uint8_t *memory = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    memcpy(memory, code, sizeof code);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = CODE_ADDRESS, .memory_size = PAGE_SIZE, .userspace_addr = (uint64_t)(uintptr_t)memory};
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) != 0) {
        return -1;
    }
    report->stage = VIREO_KVM_CREATE_VCPU;
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (vcpu < 0 || run_size < (int)sizeof(struct kvm_run)) {
        return -1;
    }
    struct kvm_run *run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (run == MAP_FAILED) {
        return -1;
    }
    report->stage = VIREO_KVM_REGISTERS;
    struct kvm_sregs segments;
    struct kvm_regs registers = {.rip = CODE_ADDRESS, .rflags = 2};
    if (ioctl(vcpu, KVM_GET_SREGS, &segments) != 0) {
        return -1;
    }
    segments.cs.base = 0;
    segments.cs.selector = 0;
    if (ioctl(vcpu, KVM_SET_SREGS, &segments) != 0 || ioctl(vcpu, KVM_SET_REGS, &registers) != 0) {
        return -1;
    }
    report->stage = VIREO_KVM_RUN;
    if (ioctl(vcpu, KVM_RUN, 0) != 0) {
        return -1;
    }
    report->detail = (int32_t)run->exit_reason;
    return run->exit_reason == KVM_EXIT_HLT ? 0 : -1;
}
#else
// Elsewhere a vCPU that can be made is taken as proof.
static int run_one_instruction(struct vireo_kvm_report *report) {
    report->stage = VIREO_KVM_OPEN;
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) {
        return -1;
    }
    report->stage = VIREO_KVM_API_VERSION;
    report->detail = ioctl(kvm, KVM_GET_API_VERSION, 0);
    if (report->detail != API_VERSION) {
        return -1;
    }
    report->stage = VIREO_KVM_CREATE_VM;
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    if (vm < 0) {
        return -1;
    }
    report->stage = VIREO_KVM_CREATE_VCPU;
    return ioctl(vm, KVM_CREATE_VCPU, 0) < 0 ? -1 : 0;
}
#endif

// Runs in a copy of the daemon that has this one thread: only async-signal-safe calls.
static void child_main(int report_fd) {
    struct vireo_kvm_report report = {0};
    // Should the child hang in the kernel, it must not hold sockets and files of the daemon.
    if (report_fd > 0) {
        (void)syscall(SYS_close_range, 0U, (unsigned)report_fd - 1, 0U);
    }
    (void)syscall(SYS_close_range, (unsigned)report_fd + 1, ~0U, 0U);
    errno = 0;
    if (run_one_instruction(&report) == 0) {
        report.stage = VIREO_KVM_WORKS;
    } else {
        report.error = errno;
    }
    (void)!write(report_fd, &report, sizeof report);
    _exit(0);
}

int vireo_kvm_probe(pid_t *pid, int *pidfd, int *report_fd) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -1;
    }
    *pidfd = -1;
    struct clone_args arguments = {.flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};
    // No handler of the daemon may run in the child, which never takes the mask back.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        child_main(fds[1]);
    }
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fds[1]);
    if (child < 0) {
        close(fds[0]);
        errno = error;
        return -1;
    }
    *pid = (pid_t)child;
    *report_fd = fds[0];
    return 0;
}
