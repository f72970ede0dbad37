// SPDX-License-Identifier: Apache-2.0

#ifndef TESTS_ALLOCATION_COUNT_H
#define TESTS_ALLOCATION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

// What a thread has taken of the heap since it began, and what of that is still there: with what the
// allocator keeps beside. Memory that one thread takes and another gives back counts against the other.
struct allocation_count {
    int64_t allocations;
    int64_t bytes;
    // The most bytes since `allocation_peak_begin`.
    int64_t peak;
};

// The counts of the calling thread.
struct allocation_count allocation_count(void);

// Forgets the peak.
void allocation_peak_begin(void);

// Whether allocations are counted: not under a sanitizer, which has an allocator of its own.
bool allocation_counting(void);

#endif
