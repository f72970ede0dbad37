// SPDX-License-Identifier: Apache-2.0
// A read that answers only from the page cache.
#include <linux/fs.h>
#include <sys/types.h>
#include <sys/uio.h>

// Which <sys/uio.h> declares with _GNU_SOURCE alone.
extern ssize_t preadv2(int, const struct iovec *, int, off_t, int);

static inline ssize_t tholos_pread_cached(int file, void *bytes, size_t count, off_t offset) {
    struct iovec vector = {bytes, count};
    return preadv2(file, &vector, 1, offset, RWF_NOWAIT);
}
