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
#include <sys/time.h>
#include <unistd.h>

enum { API_VERSION = 12 };

#if defined(__x86_64__)
// Guest physical addresses of the probe; all of it fits in MEMORY_SIZE.
enum { PML4 = 0x1000, PDPT = 0x2000, PAGE_DIRECTORY = 0x3000, CODE = 0x4000, GDT = 0x5000, RESULT = 0x6000, MEMORY_SIZE = 0x8000 };

static const uint64_t PROOF = 0x76697265702E6B76;

// What every kernel does first: from protected mode into long mode, where it counts down and writes to memory. The loop
// takes about a millisecond; hosts that emulate each instruction, on which no kernel gets through its boot, take seconds.
static const uint8_t code[] = {
    0x0F, 0x20, 0xE0, // mov eax, cr4
    0x83, 0xC8, 0x20, // or eax, PAE
    0x0F, 0x22, 0xE0, // mov cr4, eax
    0xB8, 0x00, 0x10, 0x00, 0x00, // mov eax, PML4
    0x0F, 0x22, 0xD8, // mov cr3, eax
    0xB9, 0x80, 0x00, 0x00, 0xC0, // mov ecx, EFER
    0x0F, 0x32, // rdmsr
    0x0D, 0x00, 0x01, 0x00, 0x00, // or eax, LME
    0x0F, 0x30, // wrmsr
    0x0F, 0x20, 0xC0, // mov eax, cr0
    0x0D, 0x00, 0x00, 0x00, 0x80, // or eax, PG
    0x0F, 0x22, 0xC0, // mov cr0, eax
    0x0F, 0x01, 0x15, 0x18, 0x50, 0x00, 0x00, // lgdt [GDT + 0x18]
    0xEA, 0x38, 0x40, 0x00, 0x00, 0x08, 0x00, // jmp 0x08:CODE + 0x38, the next instruction
    0xB9, 0x80, 0x84, 0x1E, 0x00, // mov ecx, 2000000
    0xFF, 0xC9, // dec ecx
    0x75, 0xFC, // jnz back to dec
    0x48, 0xB8, 0x76, 0x6B, 0x2E, 0x70, 0x65, 0x72, 0x69, 0x76, // mov rax, PROOF
    0x48, 0xA3, 0x00, 0x60, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // mov [RESULT], rax
    0xF4, // hlt
};

static void fill_memory(uint8_t *memory) {
    const uint64_t tables[] = {PDPT | 3, PAGE_DIRECTORY | 3, 0x83}; // present, writable; the last one a page of 2 MiB
    const uint64_t descriptors[] = {0, 0x00AF9A000000FFFF, 0x00CF92000000FFFF}; // none, 64-bit code, data
    const uint16_t gdt_limit = sizeof descriptors - 1;
    const uint32_t gdt_base = GDT;
    memcpy(memory + PML4, &tables[0], sizeof tables[0]);
    memcpy(memory + PDPT, &tables[1], sizeof tables[1]);
    memcpy(memory + PAGE_DIRECTORY, &tables[2], sizeof tables[2]);
    memcpy(memory + CODE, code, sizeof code);
    memcpy(memory + GDT, descriptors, sizeof descriptors);
    memcpy(memory + GDT + 0x18, &gdt_limit, sizeof gdt_limit);
    memcpy(memory + GDT + 0x1A, &gdt_base, sizeof gdt_base);
}

// Flat 32-bit protected mode without paging.
static int set_registers(int vcpu) {
    struct kvm_sregs system;
    struct kvm_regs registers = {.rip = CODE, .rflags = 2};
    if (ioctl(vcpu, KVM_GET_SREGS, &system) != 0) {
        return -1;
    }
    struct kvm_segment segment = {.limit = UINT32_MAX, .selector = 0x08, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1};
    system.cs = segment;
    segment.selector = 0x10;
    segment.type = 3;
    system.ds = system.es = system.fs = system.gs = system.ss = segment;
    system.cr0 |= 1;
    return ioctl(vcpu, KVM_SET_SREGS, &system) != 0 || ioctl(vcpu, KVM_SET_REGS, &registers) != 0 ? -1 : 0;
}

// Gives the virtual CPU the host's features, as wrmsr of EFER needs to know of long mode.
static int set_features(int kvm, int vcpu) {
    enum { ENTRIES = 256 };
    static uint64_t space[(sizeof(struct kvm_cpuid2) + ENTRIES * sizeof(struct kvm_cpuid_entry2)) / sizeof(uint64_t)];
    struct kvm_cpuid2 *features = (struct kvm_cpuid2 *)space;
    features->nent = ENTRIES;
    return ioctl(kvm, KVM_GET_SUPPORTED_CPUID, features) != 0 || ioctl(vcpu, KVM_SET_CPUID2, features) != 0 ? -1 : 0;
}

// Fills the report's stage as it goes on; returns 0 when the guest did what it should.
static int run_guest(struct vireo_kvm_report *report) {
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
    uint8_t *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    fill_memory(memory);
    struct kvm_userspace_memory_region region = {
        .memory_size = MEMORY_SIZE, .userspace_addr = (uint64_t)(uintptr_t)memory};
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
    if (set_features(kvm, vcpu) != 0 || set_registers(vcpu) != 0) {
        return -1;
    }
    report->stage = VIREO_KVM_RUN;
    if (ioctl(vcpu, KVM_RUN, 0) != 0) {
        return -1;
    }
    report->detail = (int32_t)run->exit_reason;
    uint64_t result;
    memcpy(&result, memory + RESULT, sizeof result);
    return run->exit_reason == KVM_EXIT_HLT && result == PROOF ? 0 : -1;
}
#else
// Elsewhere a vCPU that can be made is taken as proof.
static int run_guest(struct vireo_kvm_report *report) {
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

// Has SIGPROF end the process after a hundred times the processor time that the guest should need.
static void limit_cpu_time(void) {
    const struct itimerval limit = {.it_value = {.tv_usec = 100000}};
    struct sigaction action;
    sigset_t signals;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    (void)sigaction(SIGPROF, &action, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGPROF);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
    (void)setitimer(ITIMER_PROF, &limit, NULL);
}

// Runs in a copy of the daemon that has this one thread: only async-signal-safe calls.
static void child_main(int report_fd) {
    struct vireo_kvm_report report = {0};
    // Should the child hang in the kernel, it must not hold sockets and files of the daemon.
    if (report_fd > 0) {
        (void)syscall(SYS_close_range, 0U, (unsigned)report_fd - 1, 0U);
    }
    (void)syscall(SYS_close_range, (unsigned)report_fd + 1, ~0U, 0U);
    limit_cpu_time();
    errno = 0;
    if (run_guest(&report) == 0) {
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
