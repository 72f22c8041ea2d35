/*
 * Numbers that look random and are the same everywhere (splitmix64).
 */
#include "model.h"

apr_uint64_t rnd_next(rnd_t *r)
{
    apr_uint64_t z = (r->state += 0x9E3779B97F4A7C15ull);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

apr_uint64_t rnd_mix(apr_uint64_t a, apr_uint64_t b)
{
    rnd_t r = { a };

    r.state = rnd_next(&r) ^ b;
    return rnd_next(&r);
}

apr_int64_t rnd_below(rnd_t *r, apr_int64_t n)
{
    return n > 0 ? (apr_int64_t)(rnd_next(r) % (apr_uint64_t)n) : 0;
}

apr_int64_t rnd_span(rnd_t *r, apr_int64_t least, apr_int64_t most)
{
    return least + rnd_below(r, most - least + 1);
}

int rnd_chance(rnd_t *r, int percent)
{
    return rnd_below(r, 100) < percent;
}
