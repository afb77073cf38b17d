// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int vireo_netlink_open(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) {
        return -1;
    }
    struct sockaddr_nl address;
    memset(&address, 0, sizeof address);
    address.nl_family = AF_NETLINK;
    // The kernel answers at once; the limit is for a kernel that does not.
    struct timeval limit = {.tv_sec = 5, .tv_usec = 0};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

ssize_t vireo_netlink_send(int fd, const void *message, size_t length) {
    struct sockaddr_nl kernel;
    memset(&kernel, 0, sizeof kernel);
    kernel.nl_family = AF_NETLINK;
    return sendto(fd, message, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
}

ssize_t vireo_netlink_receive(int fd, void *buffer, size_t length) {
    struct sockaddr_nl sender;
    socklen_t size = sizeof sender;
    for (;;) {
        ssize_t count = recvfrom(fd, buffer, length, MSG_TRUNC, (struct sockaddr *)&sender, &size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        // Only the kernel is believed.
        if (count >= 0 && sender.nl_pid != 0) {
            continue;
        }
        if (count > 0 && (size_t)count > length) {
            errno = EMSGSIZE;
            return -1;
        }
        return count;
    }
}
