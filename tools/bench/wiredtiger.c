// SPDX-License-Identifier: Apache-2.0

/*
 * The lines of `tholos bench engine` over WiredTiger: one session in one thread, Snappy, the log
 * written but not synced for each write. One process a line; it prints one JSON object.
 *
 *   wiredtiger LINE btree|lsm FOLDER KEYS OPERATIONS CACHE_MB SNAPPY_EXTENSION
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <wiredtiger.h>

enum { key_count = 16, value_count = 100, scan_count = 100, pool_count = 1 << 20 };

static uint64_t state = 1;

/* SplitMix64, as the other program has it. */
static uint64_t next_random(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t bound) { return (uint64_t)(((unsigned __int128)next_random() * bound) >> 64); }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void check(int status, const char *what) {
    if (status == 0) return;
    fprintf(stderr, "wiredtiger: %s: %s\n", what, wiredtiger_strerror(status));
    exit(1);
}

static void make_key(char *key, uint64_t number) {
    for (int i = key_count - 1; i >= 0; i--, number /= 10) key[i] = (char)('0' + number % 10);
}

static char *make_pool(void) {
    char *pool = malloc(pool_count + 2 * value_count);
    if (pool == NULL) exit(1);
    for (int at = 0; at < pool_count + value_count; at += value_count) {
        for (int i = 0; i < value_count / 2; i++)
            pool[at + i] = pool[at + value_count / 2 + i] = (char)(' ' + next_random() % 95);
    }
    return pool;
}

static void read_value(WT_CURSOR *cursor) {
    WT_ITEM item;
    check(cursor->get_value(cursor, &item), "value");
    if (item.size != value_count) {
        fprintf(stderr, "wiredtiger: a value of %zu bytes\n", item.size);
        exit(1);
    }
}

static uint64_t scan_all(WT_CURSOR *cursor) {
    uint64_t rows = 0;
    check(cursor->reset(cursor), "reset");
    while (cursor->next(cursor) == 0) {
        read_value(cursor);
        rows++;
    }
    return rows;
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: wiredtiger LINE btree|lsm FOLDER KEYS OPERATIONS CACHE_MB EXTENSION\n");
        return 2;
    }
    const char *line = argv[1], *kind = argv[2], *folder = argv[3];
    uint64_t keys = strtoull(argv[4], NULL, 10), operations = strtoull(argv[5], NULL, 10);
    int is_write = strncmp(line, "fill", 4) == 0 || strcmp(line, "overwrite") == 0;
    int is_sequential = strcmp(line, "fillseq") == 0;
    int is_seek = strcmp(line, "seekrandom") == 0, is_scan = strcmp(line, "readseq") == 0;

    char config[1024], table[64], layout[256];
    snprintf(config, sizeof config,
             "create,cache_size=%sMB,extensions=[%s],checkpoint=(log_size=256MB),"
             "log=(enabled=true,file_max=32MB,compressor=\"\"),"
             "transaction_sync=(enabled=false),statistics=(none)",
             argv[6], argv[7]);
    snprintf(table, sizeof table, "table:%s", is_sequential ? "series" : "rows");
    snprintf(layout, sizeof layout, "key_format=u,value_format=u,block_compressor=snappy%s",
             strcmp(kind, "lsm") == 0 ? ",type=lsm,lsm=(chunk_size=64MB,bloom_bit_count=10)" : "");

    WT_CONNECTION *connection;
    WT_SESSION *session;
    WT_CURSOR *cursor;
    check(wiredtiger_open(folder, NULL, config, &connection), "open");
    check(connection->open_session(connection, NULL, NULL, &session), "session");
    if (strncmp(line, "fill", 4) == 0) {
        session->drop(session, table, "force");
        check(session->create(session, table, layout), "create");
    }
    check(session->open_cursor(session, table, NULL, is_write ? "overwrite=true" : NULL, &cursor), "cursor");

    char *pool = make_pool(), key[key_count];
    uint64_t found = 0, at = 0;
    /* A scan fills the cache; the others are given the same. */
    if (!is_write && strcmp(line, "readcold") != 0) scan_all(cursor);
    state = strcmp(line, "overwrite") == 0 ? 77 : is_write ? 7 : 99;

    double start = now(), start_cpu = cpu();
    if (is_scan) {
        found = operations = scan_all(cursor);
    } else {
        for (uint64_t i = 0; i < operations; i++) {
            make_key(key, is_sequential ? i : below(keys));
            WT_ITEM item = {.data = key, .size = key_count};
            cursor->set_key(cursor, &item);
            if (is_write) {
                at = at + value_count > pool_count ? 0 : at + value_count;
                WT_ITEM value = {.data = pool + at, .size = value_count};
                cursor->set_value(cursor, &value);
                check(cursor->insert(cursor), "insert");
            } else if (is_seek) {
                int order = 0, status = cursor->search_near(cursor, &order);
                if (status == 0 && order < 0) status = cursor->next(cursor);
                for (int row = 0; row < scan_count && status == 0; row++) {
                    read_value(cursor);
                    found++;
                    status = cursor->next(cursor);
                }
            } else if (cursor->search(cursor) == 0) {
                read_value(cursor);
                found++;
            }
        }
    }
    double seconds = now() - start;
    /* What is left to do for the writes: as the others' flushes and compactions. */
    double settle = now();
    if (is_write) check(session->checkpoint(session, NULL), "checkpoint");
    settle = now() - settle;
    double used = cpu() - start_cpu;
    check(connection->close(connection, NULL), "close");
    printf("{\"line\":\"%s\",\"operations\":%llu,\"ops_per_second\":%.0f,\"cpu_us_per_op\":%.4f,"
           "\"settle_seconds\":%.2f,\"found\":%llu}\n",
           line, (unsigned long long)operations, (double)operations / seconds,
           used * 1e6 / (double)operations, settle, (unsigned long long)found);
    free(pool);
    return 0;
}
