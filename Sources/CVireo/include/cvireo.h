// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// The few system calls that Swift cannot make: spawning with passed descriptors, pidfds, SCM_RIGHTS, taps, and the
// ioctls of KVM. Functions that return int give -1 and errno on failure unless said otherwise. Every descriptor made
// here is close-on-exec and belongs to the caller.

#ifndef CVIREO_H
#define CVIREO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h> // not in Swift's Glibc
#include <sys/eventfd.h>
#include <sys/types.h>

// MARK: spawn.c

// Descriptors in one spawn, or in one message: SCM_MAX_FD of Linux.
#define VIREO_MAX_FDS 253

struct vireo_fd_pair {
    int source; // in the caller
    int target; // in the child
};

struct vireo_rlimit {
    int resource; // RLIMIT_*
    uint64_t value; // soft and hard
};

struct vireo_spawn_request {
    const char *path; // absolute; no search in PATH
    char *const *argv;
    char *const *envp;
    const char *cwd; // NULL: the caller's
    const struct vireo_fd_pair *fds; // all that the child has open; everything else is closed
    size_t fd_count;
    const int *cgroup_fds; // open for writing: cgroup.procs files (v2), or tasks or cgroup.procs (v1)
    size_t cgroup_count;
    const struct vireo_rlimit *rlimits;
    size_t rlimit_count;
    int umask; // -1: the caller's
    int ends_with_caller; // killed when the thread that starts it ends, and so with the daemon
    int set_ids; // drop to uid, gid and exactly these groups
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
};

// What the child was doing when it failed.
enum vireo_spawn_stage {
    VIREO_SPAWN_DONE = 0,
    VIREO_SPAWN_CLONE,
    VIREO_SPAWN_SESSION,
    VIREO_SPAWN_CGROUP,
    VIREO_SPAWN_RLIMIT,
    VIREO_SPAWN_DESCRIPTORS,
    VIREO_SPAWN_IDS,
    VIREO_SPAWN_DIRECTORY,
    VIREO_SPAWN_EXEC,
};

struct vireo_spawn_result {
    pid_t pid;
    int pidfd;
    enum vireo_spawn_stage stage; // where it failed
    int error; // errno of that stage
};

// Starts a program in a session of its own, with default signal handling and nothing inherited but what the request
// names. Returns when the program was executed (0), or -1 with stage and error; then no child is left.
int vireo_spawn(const struct vireo_spawn_request *request, struct vireo_spawn_result *result);

// MARK: process.c

int vireo_pidfd_open(pid_t pid);
int vireo_pidfd_signal(int pidfd, int signal);
// Gives up every lock of an open file (F_OFD_SETLK) that a process has under a number, however many descriptors it has of it.
// errno: EPERM without the right to trace the process, EBADF for no such number.
int vireo_unlock_open_file(pid_t pid, int number);
// Reaps a child that ended; never blocks. code is CLD_EXITED, CLD_KILLED or CLD_DUMPED, status the exit code or signal.
// errno: EAGAIN while it runs, ECHILD if it is not our child (any more).
int vireo_pidfd_reap(int pidfd, int *code, int *status);
// The clock ticks per second of /proc/PID/stat.
long vireo_clock_ticks(void);
// The CPUs that a thread may run on: bit n of byte n / 8 stands for CPU n.
int vireo_get_affinity(pid_t thread, uint8_t *bits, size_t length);
int vireo_set_affinity(pid_t thread, const uint8_t *bits, size_t length);

// A file without a name, in memory.
int vireo_memory_file(const char *name);
// A file without a name in a directory, for reading and writing, with mode 0600.
int vireo_unnamed_file(const char *directory);
int vireo_blocking_pipe(int fds[2]);
// Begins to write what the kernel keeps of a file, and lets go of what is written already. A hint: failures do not matter.
void vireo_drop_cache(int fd);

// Has what is done with an open file go past the kernel's cache (O_DIRECT), or not.
int vireo_set_direct(int fd, int direct);

// Names the calling thread, for top and debuggers; up to 15 bytes.
void vireo_name_thread(const char *name);

// Gives back what only start-up needed: free heap, and pages of the program that are in the file anyway and come back
// when they are touched.
void vireo_trim_memory(void);

// MARK: socket.c

// A listening stream socket at path, which must not exist; mode is set before anybody can connect.
int vireo_unix_listen(const char *path, mode_t mode, int backlog);
// A non-blocking socket of who waits at a listener; errno EAGAIN when nobody does.
int vireo_accept(int listener);
// A non-blocking connected stream socket. errno: EAGAIN when the listener's backlog is full.
int vireo_unix_connect(const char *path);
int vireo_socket_pair(int fds[2]);
// A pipe of which neither end blocks.
int vireo_pipe(int fds[2]);
// SO_PEERCRED of a connected unix socket.
int vireo_peer_credentials(int socket, pid_t *pid, uid_t *uid, gid_t *gid);
// Sends bytes, the descriptors with the first of them; as send(2) with MSG_NOSIGNAL.
ssize_t vireo_send_fds(int socket, const void *bytes, size_t length, const int *fds, size_t fd_count);
// Receives bytes and descriptors; *fd_count is room on entry, received on return. What has no room is closed.
ssize_t vireo_recv_fds(int socket, void *bytes, size_t length, int *fds, size_t *fd_count);
int vireo_set_nonblocking(int fd);

// MARK: device.c

// Opens a terminal without making it ours, non-blocking, in raw mode.
int vireo_tty_open_raw(const char *path);
// A new tap; name is a template as "vnet%d" or a full name on entry, the real name on return.
int vireo_tap_open(char name[16], int vnet_header, int multi_queue);
// Gives the guest that will have this /dev/vhost-vsock its context id; EADDRINUSE when another guest has it.
int vireo_vsock_set_cid(int fd, uint64_t cid);
// The character device of a macvtap (its path, or its numbers where no udev made it), set up as a tap. directory is where a
// node may be made for a moment.
int vireo_macvtap_open(const char *name, int index, const char *directory, int multi_queue);
int vireo_link_set_up(const char *name, int up);
int vireo_link_set_mac(const char *name, const uint8_t mac[6]);
int vireo_link_set_mtu(const char *name, int mtu);
int vireo_link_mtu(const char *name);
int vireo_bridge_attach(const char *bridge, const char *name);
int vireo_bridge_detach(const char *bridge, const char *name);

// MARK: netlink.c

// A non-blocking socket that hears the kernel tell of devices that come, go and change.
int vireo_uevent_socket(void);
// A non-blocking socket that hears the kernel tell of changes of nftables.
int vireo_nftables_socket(void);
// Sets how many frames a link collects before it hands them on, as `ethtool -C NAME rx-frames N`. 0, or -1 with errno.
int vireo_link_set_coalescing(const char *name, unsigned int frames);
// A non-blocking socket that sees all frames of an interface, both ways.
int vireo_packet_socket(const char *name);
// A non-blocking socket that sees what comes in by an interface and tells an address: ARP, neighbour discovery, requests to
// DHCP servers. The kernel picks them out, and hands on no other frame.
int vireo_announcement_socket(const char *name);
// What an interface does itself: bit 0 rx, 1 tx, 2 sg, 3 tso, 4 gso, 5 gro, 6 lro, 7 rxvlan, 8 txvlan, 9 ntuple, 10 rxhash,
// 11 txudptnl.
uint32_t vireo_link_features(const char *name);

// MARK: rtnetlink.c

// A socket for questions to rtnetlink(7); an answer is waited for up to five seconds (EAGAIN then).
int vireo_netlink_open(void);
ssize_t vireo_netlink_send(int fd, const void *message, size_t length);
// The next datagram of the kernel's; EMSGSIZE when it is longer than length.
ssize_t vireo_netlink_receive(int fd, void *buffer, size_t length);

// MARK: kvm.c

// What the KVM probe was doing.
enum vireo_kvm_stage {
    VIREO_KVM_WORKS = 0,
    VIREO_KVM_OPEN,
    VIREO_KVM_API_VERSION,
    VIREO_KVM_CREATE_VM,
    VIREO_KVM_MEMORY,
    VIREO_KVM_CREATE_VCPU,
    VIREO_KVM_REGISTERS,
    VIREO_KVM_RUN,
};

struct vireo_kvm_report {
    int32_t stage; // where it failed, or VIREO_KVM_WORKS
    int32_t error; // errno, 0 if the answer was wrong rather than an error
    int32_t detail; // the API version, or the exit reason of KVM_RUN
};

// Starts a child that makes a virtual machine with one CPU and lets it go into long mode and count for a while. The child
// writes one struct vireo_kvm_report into a pipe, whose reading end is *report_fd, and ends. SIGPROF kills it if the guest is
// far too slow. It may hang in the kernel: the caller waits with a deadline.
int vireo_kvm_probe(pid_t *pid, int *pidfd, int *report_fd);

// MARK: storage.c

// Makes a file share all blocks of another one (FICLONE).
int vireo_clone_file(int from, int to);
// Tells a block device that a range is not needed (BLKDISCARD).
int vireo_discard_device(int fd, uint64_t offset, uint64_t length);
// The magic number of the file system that path is on (statfs). May hang where the file system does.
int vireo_file_system_type(const char *path, uint64_t *type);

#endif
