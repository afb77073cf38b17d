// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// What disk images need and Swift cannot say: calls on files, and the system's compression libraries behind plain functions.

#ifndef CVIREOIMAGE_H
#define CVIREOIMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: file.c. -1 and errno on failure.

// Opens a file by a path in which no part is a link, and fails with ELOOP where one is, or became one meanwhile.
int vireo_open_without_links(const char *path, int flags);
// Opens what a descriptor is open on once more, past the page cache; EINVAL where the file system has no such thing.
int vireo_open_direct(int fd, int writable);
// Gives the space of a range back; it then reads as zeros. The size stays.
int vireo_punch_hole(int fd, off_t offset, off_t length);
// Makes a range zeros and keeps its space. The size stays.
int vireo_zero_range(int fd, off_t offset, off_t length);
// Gets space for a range where there is none yet. The size stays.
int vireo_reserve(int fd, off_t offset, off_t length);
// Has the file system write this file, which is empty, in place (FS_NOCOW_FL, as btrfs has it).
int vireo_avoid_copy_on_write(int fd);
// lseek with SEEK_DATA, SEEK_HOLE.
off_t vireo_next_data(int fd, off_t offset);
off_t vireo_next_hole(int fd, off_t offset);
// Copies within the kernel, sharing blocks where the file system can; returns the bytes copied, 0 at the end of the source.
ssize_t vireo_copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t length);
// Begins to write a range of the page cache to its disk, and does not wait.
int vireo_start_writing(int fd, off_t offset, off_t length);
// Makes a range of one file share the blocks of another; EOPNOTSUPP, EXDEV or EINVAL where the file system cannot.
int vireo_clone_range(int from, off_t from_offset, int to, off_t to_offset, off_t length);
// Two files change names with each other; EINVAL where the file system cannot.
int vireo_exchange_files(const char *one, const char *other);

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
// or too short, or has more to say. With zlib's header a shorter stream is zeros from there on: the last grain of a VMDK may
// end with the disk.
int vireo_unpack(struct vireo_unpacker *unpacker, const void *bytes, size_t count, void *out, size_t wanted);

// MARK: ext.c. Functions return 0, or an error of libext2fs for vireo_ext_error. For one thread at a time.

struct vireo_ext;

// Reads exactly count bytes of the file system at an offset; 0, or anything else to give up.
typedef int (*vireo_read_at)(void *context, uint64_t offset, void *bytes, size_t count);
// A name in a directory, without a NUL at its end; anything but 0 ends the list.
typedef int (*vireo_ext_name)(void *context, const char *name, size_t length, uint32_t inode);

struct vireo_ext_facts {
    uint16_t mode; // as st_mode
    uint64_t size;
    int64_t modified; // seconds since 1970
};

// The caller has held the superblock against its limits: libext2fs allocates what the number of groups asks for.
long vireo_ext_open(vireo_read_at read, void *context, struct vireo_ext **result);
void vireo_ext_close(struct vireo_ext *ext);
// Follows links, within the file system.
long vireo_ext_find(struct vireo_ext *ext, const char *path, uint32_t *inode);
long vireo_ext_look(struct vireo_ext *ext, uint32_t inode, struct vireo_ext_facts *facts);
long vireo_ext_list(struct vireo_ext *ext, uint32_t directory, vireo_ext_name name, void *context);
// Less than count only at the end of the file.
long vireo_ext_read(struct vireo_ext *ext, uint32_t inode, uint64_t offset, void *bytes, unsigned count, unsigned *got);
const char *vireo_ext_error(long error);
// Whether it means that a path leads nowhere.
int vireo_ext_is_missing(long error);

// MARK: jail.c. -1 and errno on failure.

enum vireo_jail_access {
    VIREO_JAIL_READ, // one file
    VIREO_JAIL_READ_WRITE, // one file
    VIREO_JAIL_PROGRAMS, // a directory of programs and libraries
    VIREO_JAIL_WORK, // a directory in which files are made
    VIREO_JAIL_RUN, // one file, a program or a library
};

struct vireo_jail_path {
    const char *path;
    enum vireo_jail_access access;
};

struct vireo_jail {
    char *const *argv; // the first is the program's absolute path
    const char *directory; // where it starts
    const struct vireo_jail_path *paths; // all files that it can open
    size_t path_count;
    int input; // becomes its 0; -1 for nothing to read
    int output, errors; // become its 1 and 2
    uint64_t memory; // bytes of address space
    uint64_t seconds; // of CPU time
    uint64_t file_size; // bytes of one file that it writes
    uint64_t open_files;
};

// An argument of this program, 0 its name; NULL beyond the last.
const char *vireo_argument(int index);

// Starts a program without network, without privileges, and with the named files only. ENOSYS: the kernel has no Landlock.
// It is killed when the thread that started it ends.
int vireo_jail_start(const struct vireo_jail *jail, pid_t *pid, int *pidfd);
int vireo_jail_pipe(int fds[2]);
int vireo_jail_kill(int pidfd);
// Waits for its end and reaps it; as siginfo's si_code and si_status.
int vireo_jail_wait(int pidfd, int *code, int *status);

#endif
