// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

static int close_keeping_errno(int fd) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int vireo_tty_open_raw(const char *path) {
    struct termios settings;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (tcgetattr(fd, &settings) != 0) {
        return close_keeping_errno(fd);
    }
    cfmakeraw(&settings);
    if (tcsetattr(fd, TCSANOW, &settings) != 0) {
        return close_keeping_errno(fd);
    }
    return fd;
}

static int set_name(char field[IFNAMSIZ], const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length >= IFNAMSIZ) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(field, name, length + 1);
    return 0;
}

int vireo_tap_open(char name[16], int vnet_header, int multi_queue) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (strnlen(name, IFNAMSIZ) == IFNAMSIZ) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(request.ifr_name, name, IFNAMSIZ);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (vnet_header) {
        request.ifr_flags |= IFF_VNET_HDR;
    }
    if (multi_queue) {
        request.ifr_flags |= IFF_MULTI_QUEUE;
    }
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (ioctl(fd, TUNSETIFF, &request) != 0) {
        return close_keeping_errno(fd);
    }
    memcpy(name, request.ifr_name, IFNAMSIZ);
    return fd;
}

int vireo_macvtap_open(const char *name, int index, const char *directory, int multi_queue) {
    char path[256], numbers[32];
    struct ifreq request;
    if (strlen(name) >= IFNAMSIZ || strlen(directory) > 160) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(path, sizeof path, "/sys/class/net/%s/macvtap/tap%d/dev", name, index);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t count = read(fd, numbers, sizeof numbers - 1);
    close(fd);
    unsigned major_number, minor_number;
    numbers[count < 0 ? 0 : count] = 0;
    if (sscanf(numbers, "%u:%u", &major_number, &minor_number) != 2) {
        errno = ENODEV;
        return -1;
    }
    // A node of our own: udev may be late, or not there at all.
    snprintf(path, sizeof path, "%s/tap%d.node", directory, index);
    unlink(path);
    if (mknod(path, S_IFCHR | 0600, makedev(major_number, minor_number)) != 0) {
        return -1;
    }
    fd = open(path, O_RDWR | O_CLOEXEC);
    int error = errno;
    unlink(path);
    if (fd < 0) {
        errno = error;
        return -1;
    }
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, strlen(name));
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0);
    if (ioctl(fd, TUNSETIFF, &request) != 0) {
        return close_keeping_errno(fd);
    }
    return fd;
}

int vireo_vsock_set_cid(int fd, uint64_t cid) {
    // VHOST_VSOCK_SET_GUEST_CID of linux/vhost.h
    return ioctl(fd, _IOW(0xAF, 0x60, uint64_t), &cid) < 0 ? -1 : 0;
}

// Runs one request of netdevice(7) on the link `name`.
static int link_request(const char *name, unsigned long number, struct ifreq *request) {
    if (set_name(request->ifr_name, name) != 0) {
        return -1;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int result = ioctl(fd, number, request);
    int error = errno;
    close(fd);
    errno = error;
    return result < 0 ? -1 : 0;
}

int vireo_link_set_up(const char *name, int up) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (link_request(name, SIOCGIFFLAGS, &request) != 0) {
        return -1;
    }
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    return link_request(name, SIOCSIFFLAGS, &request);
}

int vireo_link_set_mac(const char *name, const uint8_t mac[6]) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, mac, 6);
    return link_request(name, SIOCSIFHWADDR, &request);
}

int vireo_link_set_mtu(const char *name, int mtu) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    request.ifr_mtu = mtu;
    return link_request(name, SIOCSIFMTU, &request);
}

int vireo_link_mtu(const char *name) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    return link_request(name, SIOCGIFMTU, &request) != 0 ? -1 : request.ifr_mtu;
}

int vireo_bridge_detach(const char *bridge, const char *name) {
    struct ifreq link, request;
    memset(&link, 0, sizeof link);
    memset(&request, 0, sizeof request);
    if (link_request(name, SIOCGIFINDEX, &link) != 0) {
        return -1;
    }
    request.ifr_ifindex = link.ifr_ifindex;
    return link_request(bridge, SIOCBRDELIF, &request);
}

int vireo_bridge_attach(const char *bridge, const char *name) {
    struct ifreq link, request;
    memset(&link, 0, sizeof link);
    memset(&request, 0, sizeof request);
    if (link_request(name, SIOCGIFINDEX, &link) != 0) {
        return -1;
    }
    request.ifr_ifindex = link.ifr_ifindex;
    return link_request(bridge, SIOCBRADDIF, &request);
}
