// SPDX-License-Identifier: Apache-2.0

// Counts allocations by standing in for malloc and its like in the program that this is linked into.

#define _GNU_SOURCE
#include "CAllocationCount.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>

static __thread struct allocation_count counts;

struct allocation_count allocation_count(void) { return counts; }

void allocation_peak_begin(void) { counts.peak = counts.bytes; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
#endif

bool allocation_counting(void) { return COUNTS; }

#if COUNTS

// glibc's own, under the names by which it lets others stand in front of them.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

// A chunk has its size before it.
static int64_t size_of(void *memory) { return (int64_t)malloc_usable_size(memory) + 8; }

static void *taken(void *memory) {
    if (memory) {
        counts.allocations += 1;
        counts.bytes += size_of(memory);
        if (counts.bytes > counts.peak) counts.peak = counts.bytes;
    }
    return memory;
}

void *malloc(size_t size) { return taken(__libc_malloc(size)); }

void *calloc(size_t count, size_t size) { return taken(__libc_calloc(count, size)); }

void *realloc(void *memory, size_t size) {
    int64_t before = memory ? size_of(memory) : 0;
    void *moved = __libc_realloc(memory, size);
    // Without success the old memory stays, unless the new size was 0.
    if (!moved && size > 0) return moved;
    counts.bytes -= before;
    return taken(moved);
}

void *memalign(size_t alignment, size_t size) { return taken(__libc_memalign(alignment, size)); }

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **memory, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *taken = memalign(alignment, size);
    if (!taken) return ENOMEM;
    *memory = taken;
    return 0;
}

void free(void *memory) {
    if (memory) counts.bytes -= size_of(memory);
    __libc_free(memory);
}

#endif
