// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

// ext2, ext3 and ext4 by libext2fs, read only. All its reads pass through the caller's function; it opens no file.

#include "cvireoimage.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>

struct vireo_ext {
    ext2_filsys fs;
};

struct source {
    vireo_read_at read;
    void *context;
};

// What an opening channel reads from: libext2fs passes a name only.
static _Thread_local struct source opening;

static errcode_t source_open(const char *name, int flags, io_channel *channel);

static errcode_t source_close(io_channel channel) {
    if (--channel->refcount > 0) return 0;
    free(channel->private_data);
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t source_set_block_size(io_channel channel, int size) {
    if (size <= 0) return EINVAL;
    channel->block_size = size;
    return 0;
}

// A negative count is in bytes.
static errcode_t source_read64(io_channel channel, unsigned long long block, int count, void *data) {
    struct source *source = channel->private_data;
    unsigned long long offset;
    size_t length = count < 0 ? (size_t) - (long)count : (size_t)count * (size_t)channel->block_size;
    if (__builtin_mul_overflow(block, (unsigned long long)channel->block_size, &offset)) return EXT2_ET_SHORT_READ;
    return source->read(source->context, offset, data, length) == 0 ? 0 : EXT2_ET_SHORT_READ;
}

static errcode_t source_read(io_channel channel, unsigned long block, int count, void *data) {
    return source_read64(channel, block, count, data);
}

static errcode_t source_write64(io_channel channel, unsigned long long block, int count, const void *data) {
    (void)channel, (void)block, (void)count, (void)data;
    return EXT2_ET_RO_FILSYS;
}

static errcode_t source_write(io_channel channel, unsigned long block, int count, const void *data) {
    return source_write64(channel, block, count, data);
}

static errcode_t source_flush(io_channel channel) {
    (void)channel;
    return 0;
}

static struct struct_io_manager source_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "vireo",
    .open = source_open,
    .close = source_close,
    .set_blksize = source_set_block_size,
    .read_blk = source_read,
    .write_blk = source_write,
    .flush = source_flush,
    .read_blk64 = source_read64,
    .write_blk64 = source_write64,
};

static errcode_t source_open(const char *name, int flags, io_channel *channel) {
    io_channel made = calloc(1, sizeof *made);
    struct source *source = calloc(1, sizeof *source);
    char *copy = strdup(name);
    (void)flags;
    if (!made || !source || !copy) {
        free(made);
        free(source);
        free(copy);
        return EXT2_ET_NO_MEMORY;
    }
    *source = opening;
    made->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    made->manager = &source_manager;
    made->name = copy;
    made->block_size = 1024;
    made->refcount = 1;
    made->private_data = source;
    *channel = made;
    return 0;
}

long vireo_ext_open(vireo_read_at read, void *context, struct vireo_ext **result) {
    struct vireo_ext *made = calloc(1, sizeof *made);
    if (!made) return ENOMEM;
    opening = (struct source){read, context};
    errcode_t error = ext2fs_open2("image", NULL, EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP, 0, 0, &source_manager, &made->fs);
    if (error) {
        free(made);
        return error;
    }
    *result = made;
    return 0;
}

void vireo_ext_close(struct vireo_ext *ext) {
    if (!ext) return;
    ext2fs_free(ext->fs);
    free(ext);
}

long vireo_ext_find(struct vireo_ext *ext, const char *path, uint32_t *inode) {
    return ext2fs_namei_follow(ext->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, inode);
}

long vireo_ext_look(struct vireo_ext *ext, uint32_t number, struct vireo_ext_facts *facts) {
    struct ext2_inode_large inode;
    errcode_t error = ext2fs_read_inode_full(ext->fs, number, (struct ext2_inode *)&inode, sizeof inode);
    if (error) return error;
    facts->mode = inode.i_mode;
    facts->size = EXT2_I_SIZE((struct ext2_inode *)&inode);
    facts->modified = (int32_t)inode.i_mtime;
    return 0;
}

struct listing {
    vireo_ext_name name;
    void *context;
};

static int list_entry(ext2_ino_t dir, int entry, struct ext2_dir_entry *dirent, int offset, int blocksize, char *buf, void *private) {
    struct listing *listing = private;
    (void)dir, (void)entry, (void)offset, (void)blocksize, (void)buf;
    return listing->name(listing->context, dirent->name, (size_t)ext2fs_dirent_name_len(dirent), dirent->inode) == 0
        ? 0
        : DIRENT_ABORT;
}

long vireo_ext_list(struct vireo_ext *ext, uint32_t directory, vireo_ext_name name, void *context) {
    struct listing listing = {name, context};
    return ext2fs_dir_iterate2(ext->fs, directory, 0, NULL, list_entry, &listing);
}

long vireo_ext_read(struct vireo_ext *ext, uint32_t number, uint64_t offset, void *bytes, unsigned count, unsigned *got) {
    ext2_file_t file;
    errcode_t error = ext2fs_file_open(ext->fs, number, 0, &file);
    if (error) return error;
    error = ext2fs_file_llseek(file, offset, EXT2_SEEK_SET, NULL);
    if (!error) error = ext2fs_file_read(file, bytes, count, got);
    ext2fs_file_close(file);
    return error;
}

const char *vireo_ext_error(long error) {
    initialize_ext2_error_table();
    return error_message(error);
}

int vireo_ext_is_missing(long error) { return error == EXT2_ET_FILE_NOT_FOUND || error == EXT2_ET_NO_DIRECTORY; }
