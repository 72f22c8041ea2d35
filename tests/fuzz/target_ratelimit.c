/*
 * The headers that tell what is left of Cloudflare's limit: whatever they say, a budget stays one,
 * and what is to be waited for ends. First line Ratelimit, second Ratelimit-Policy.
 */
#include "cfmt_cloudflare.h"
#include "fuzz.h"

#define NOW apr_time_from_sec(1700000000)
#define DAY apr_time_from_sec(86400)

static void check_budget(cfmt_budget_t *b, int action)
{
    apr_time_t when = cfmt_budget_take(b, action, NOW);

    FUZZ_CHECK(b->quota >= 1 && b->window_s > 0);
    FUZZ_CHECK(cfmt_budget_left(b, NOW) >= 0 && cfmt_budget_left(b, NOW) <= b->quota);
    FUZZ_CHECK(when == 0 || (when > NOW && when <= NOW + DAY + 2));
    FUZZ_CHECK(!when || cfmt_budget_take(b, action, NOW + 2 * DAY) == 0);
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    const char *remaining = fuzz_line(&data, &len, p), *policy = fuzz_line(&data, &len, p);
    cfmt_budget_t b, again;
    int action;

    for (action = 0; action < 2; action++) {
        cfmt_budget_init(&b, 1200, apr_time_from_sec(300), 60, NOW);
        cfmt_budget_heed(&b, remaining, policy, -1, 0, NOW);
        again = b;
        cfmt_budget_heed(&again, remaining, policy, -1, 0, NOW);
        FUZZ_CHECK(again.quota == b.quota && again.said == b.said && again.reset_at == b.reset_at);
        check_budget(&b, action);
    }
}
