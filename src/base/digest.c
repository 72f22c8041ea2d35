/*
 * SHA-256 over APR's own implementation: no libcrypto in the core.
 */
#include <stdlib.h>

#include <apr_random.h>

#include "cfmt.h"

static int out_of_memory(int rv)
{
    (void)rv;
    abort();
}

/*
 * APR allocates its context from a pool. A pool of its own for each digest costs a hundredth of the
 * 4 us that 1.5 KB take (its node comes from, and goes back to, the global allocator's free list),
 * is thread-safe and leaves nothing behind in the caller's pool.
 */
void cfmt_sha256_vec(unsigned char out[CFMT_SHA256_SIZE], const struct iovec *parts, int n)
{
    apr_pool_t *pool;
    apr_crypto_hash_t *hash;
    int i;

    if (apr_pool_create_ex(&pool, NULL, out_of_memory, NULL) != APR_SUCCESS) {
        abort();
    }
    hash = apr_crypto_sha256_new(pool);
    hash->init(hash);
    for (i = 0; i < n; i++) {
        hash->add(hash, parts[i].iov_base, parts[i].iov_len);
    }
    hash->finish(hash, out);
    hash->init(hash); /* a part may be a secret: leave no trace in recycled memory */
    apr_pool_destroy(pool);
}

void cfmt_sha256(unsigned char out[CFMT_SHA256_SIZE], const void *data, apr_size_t len)
{
    struct iovec part = {.iov_base = (void *)(apr_uintptr_t)data, .iov_len = len};

    cfmt_sha256_vec(out, &part, 1);
}

apr_int64_t cfmt_digest64(const void *data, apr_size_t len)
{
    unsigned char sha[CFMT_SHA256_SIZE];
    apr_uint64_t n = 0;
    int i;

    cfmt_sha256(sha, data, len);
    for (i = 0; i < 8; i++) {
        n = n << 8 | sha[i];
    }
    return (apr_int64_t)n;
}
