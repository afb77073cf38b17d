// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "cvireo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int event_socket(int protocol, unsigned group) {
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
        return -1;
    }
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1u << (group - 1)};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int vireo_uevent_socket(void) {
    return event_socket(NETLINK_KOBJECT_UEVENT, 1);
}

int vireo_nftables_socket(void) {
    return event_socket(NETLINK_NETFILTER, NFNLGRP_NFTABLES);
}

int vireo_link_set_coalescing(const char *name, unsigned int frames) {
    struct ethtool_coalesce settings = {.cmd = ETHTOOL_GCOALESCE};
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_data = (char *)&settings;
    int result = ioctl(fd, SIOCETHTOOL, &request);
    if (result == 0) {
        settings.cmd = ETHTOOL_SCOALESCE;
        settings.rx_max_coalesced_frames = frames;
        result = ioctl(fd, SIOCETHTOOL, &request);
    }
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

static int packet_socket(const char *name, const struct sock_fprog *filter) {
    struct ifreq request;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    int yes = 1;
    // What goes out is not even looked at: that would cost each packet a copy.
    int is_ready = !filter || (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof *filter) == 0 &&
                               setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes) == 0);
    if (is_ready && ioctl(fd, SIOCGIFINDEX, &request) == 0) {
        struct sockaddr_ll address = {
            .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = request.ifr_ifindex};
        if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int vireo_packet_socket(const char *name) {
    return packet_socket(name, NULL);
}

int vireo_announcement_socket(const char *name) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 13, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 5),
        // ICMPv6, types 135 and 136.
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 9),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 135, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 7, 6),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 5),
        // UDP to port 67.
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 3),
        BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
        BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 2048),
    };
    struct sock_fprog filter = {.len = sizeof code / sizeof code[0], .filter = code};
    return packet_socket(name, &filter);
}

// The value of one of the old ethtool queries; 0 where the driver does not answer.
static uint32_t ethtool_value(int fd, struct ifreq *request, uint32_t command) {
    struct ethtool_value value = {.cmd = command};
    request->ifr_data = (void *)&value;
    return ioctl(fd, SIOCETHTOOL, request) == 0 ? value.data : 0;
}

uint32_t vireo_link_features(const char *name) {
    static const uint32_t commands[] = {ETHTOOL_GRXCSUM, ETHTOOL_GTXCSUM, ETHTOOL_GSG, ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO};
    static const uint32_t flags[] = {ETH_FLAG_LRO, ETH_FLAG_RXVLAN, ETH_FLAG_TXVLAN, ETH_FLAG_NTUPLE, ETH_FLAG_RXHASH};
    // The bit of tx-udp_tnl-segmentation among the features, which libvirt looks at.
    enum { TUNNEL_BIT = 25 };
    struct ifreq request;
    uint32_t bits = 0, bit = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return 0;
    }
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++, bit++) {
        bits |= (ethtool_value(fd, &request, commands[i]) != 0) << bit;
    }
    uint32_t set = ethtool_value(fd, &request, ETHTOOL_GFLAGS);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++, bit++) {
        bits |= ((set & flags[i]) != 0) << bit;
    }
    enum { BLOCKS = 2 };
    _Alignas(struct ethtool_gfeatures) char room[sizeof(struct ethtool_gfeatures) + BLOCKS * sizeof(struct ethtool_get_features_block)];
    struct ethtool_gfeatures *features = (struct ethtool_gfeatures *)room;
    memset(room, 0, sizeof room);
    features->cmd = ETHTOOL_GFEATURES;
    features->size = BLOCKS;
    request.ifr_data = room;
    if (ioctl(fd, SIOCETHTOOL, &request) == 0) {
        bits |= (uint32_t)((features->features[0].active >> TUNNEL_BIT) & 1) << bit;
    }
    close(fd);
    return bits;
}
