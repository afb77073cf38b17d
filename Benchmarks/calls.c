// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0
//
// Calls a libvirt daemon as fast as libvirt's own client goes, from several connections at once.
// usage: calls URI CLIENTS SECONDS version|info|list [DOMAIN]
// Prints: calls per second, and the median, 99th percentile and longest time of one call in microseconds.

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { samples_limit = 4000000 };

struct client {
    pthread_t thread;
    virConnectPtr connection;
    virDomainPtr domain;
    float *microseconds;
    size_t count;
    int failed;
};

static const char *call;
static double seconds;
static size_t clients_count;
static pthread_barrier_t start;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int call_once(struct client *client) {
    if (!strcmp(call, "info")) {
        virDomainInfo info;
        return virDomainGetInfo(client->domain, &info);
    }
    if (!strcmp(call, "list")) {
        virDomainPtr *domains = NULL;
        int count = virConnectListAllDomains(client->connection, &domains, 0);
        for (int index = 0; index < count; index++) virDomainFree(domains[index]);
        free(domains);
        return count;
    }
    unsigned long version;
    return virConnectGetLibVersion(client->connection, &version);
}

static void *run(void *argument) {
    struct client *client = argument;
    pthread_barrier_wait(&start);
    double end = now() + seconds, before = now();
    while (before < end && client->count < samples_limit / clients_count) {
        if (call_once(client) < 0) {
            client->failed = 1;
            break;
        }
        double after = now();
        client->microseconds[client->count++] = (float)((after - before) * 1e6);
        before = after;
    }
    return NULL;
}

static int compare(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

int main(int count, char **arguments) {
    if (count < 5) {
        fprintf(stderr, "usage: %s URI CLIENTS SECONDS version|info|list [DOMAIN]\n", arguments[0]);
        return 64;
    }
    int clients = atoi(arguments[2]);
    clients_count = clients;
    seconds = atof(arguments[3]);
    call = arguments[4];
    struct client *all = calloc(clients, sizeof *all);
    pthread_barrier_init(&start, NULL, clients);
    for (int index = 0; index < clients; index++) {
        struct client *client = &all[index];
        client->microseconds = malloc(sizeof(float) * (samples_limit / clients + 1));
        client->connection = virConnectOpen(arguments[1]);
        if (!client->connection) return 1;
        if (count > 5) client->domain = virDomainLookupByName(client->connection, arguments[5]);
        if (count > 5 && !client->domain) return 1;
    }
    double began = now();
    for (int index = 0; index < clients; index++) pthread_create(&all[index].thread, NULL, run, &all[index]);
    size_t total = 0;
    int failed = 0;
    for (int index = 0; index < clients; index++) {
        pthread_join(all[index].thread, NULL);
        total += all[index].count;
        failed |= all[index].failed;
    }
    double elapsed = now() - began;
    float *merged = malloc(sizeof(float) * (total + 1));
    size_t position = 0;
    for (int index = 0; index < clients; index++) {
        memcpy(merged + position, all[index].microseconds, sizeof(float) * all[index].count);
        position += all[index].count;
    }
    if (failed || !total) return 1;
    qsort(merged, total, sizeof(float), compare);
    printf("%.0f %.1f %.1f %.1f\n", total / elapsed, merged[total / 2], merged[(size_t)(total * 0.99)], merged[total - 1]);
    return 0;
}
