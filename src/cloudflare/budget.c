/*
 * How many calls may be made: a token bucket that obeys what the answers say.
 *
 * A bucket of size B that fills with rate r lets B + r * W calls pass in a window W: one of the
 * whole quota that fills within the window would let twice the quota pass. So half of the quota is
 * the bucket, the other half what flows in, and no window holds more than the quota.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cloudflare/api_private.h"

#define COUNT_MAX 1000000000
#define NOBODY_SAID (-1.0)

static double bucket(const cfmt_budget_t *b)
{
    return b->quota / 2 > 1 ? b->quota / 2 : 1;
}

/* Calls a second. A quota of one is one call a window: there is no half of it. */
static double rate(const cfmt_budget_t *b)
{
    double flow = b->quota - bucket(b);

    return (flow > 0 ? flow : b->quota) / b->window_s;
}

/* A small quota would leave nothing but reserve. */
static double reserve(const cfmt_budget_t *b)
{
    double most = floor(bucket(b) / 2);

    return b->reserve < most ? b->reserve : most;
}

void cfmt_budget_init(cfmt_budget_t *b, double quota, apr_interval_time_t window, double spare,
                      apr_time_t now)
{
    memset(b, 0, sizeof(*b));
    b->quota = quota;
    b->window_s = (double)window / APR_USEC_PER_SEC;
    b->reserve = spare;
    b->left = bucket(b);
    b->said = NOBODY_SAID;
    b->at = now;
}

/*
 * Up to now. When the clock was set back every time moves with it: what was to be waited for stays
 * to be waited for, and no more.
 */
static void advance(cfmt_budget_t *b, apr_time_t now)
{
    apr_time_t back = b->at - now;

    if (back > 0) {
        b->blocked_until -= b->blocked_until ? back : 0;
        b->reset_at -= b->reset_at ? back : 0;
    }
    else {
        b->left += (double)-back / APR_USEC_PER_SEC * rate(b);
        b->left = b->left < bucket(b) ? b->left : bucket(b);
    }
    b->at = now;
    if (b->blocked_until <= now) {
        b->blocked_until = 0;
    }
    if (b->reset_at <= now) {
        b->reset_at = 0;
        b->said = NOBODY_SAID;
    }
}

/* When the bucket holds need again. */
static apr_time_t filled_at(const cfmt_budget_t *b, double need)
{
    double seconds = need > b->left ? (need - b->left) / rate(b) : 0;

    return b->at + (apr_time_t)ceil(seconds * APR_USEC_PER_SEC) + 1;
}

apr_time_t cfmt_budget_take(cfmt_budget_t *b, int action, apr_time_t now)
{
    double need = 1 + (action ? 0 : reserve(b));
    apr_time_t when = 0;

    advance(b, now);
    if (b->left < need) {
        when = filled_at(b, need);
    }
    if (b->reset_at && b->said < need && b->reset_at > when) {
        when = b->reset_at;
    }
    if (b->blocked_until > when) {
        when = b->blocked_until;
    }
    if (when) {
        return when;
    }
    b->left -= 1;
    b->said -= b->reset_at ? 1 : 0;
    return 0;
}

double cfmt_budget_left(const cfmt_budget_t *b, apr_time_t now)
{
    cfmt_budget_t then = *b;
    double left;

    advance(&then, now);
    left = then.reset_at && then.said < then.left ? then.said : then.left;
    return then.blocked_until || left < 0 ? 0 : left;
}

/* ---- headers --------------------------------------------------------------------------------- */

/* An item of "name";a=1;b=2, ...: values of two parameters, -1 where absent or no number. */
typedef struct item_t {
    double first, second;
} item_t;

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t");
}

/* Behind a name, quoted or not; it may hold any character. NULL: a quote without an end. */
static const char *skip_name(const char *at)
{
    if (*at != '"') {
        return at + strcspn(at, ";,");
    }
    for (at++; *at && *at != '"'; at++) {
        at += *at == '\\' && at[1];
    }
    return *at ? at + 1 : NULL;
}

/* ";r=50": into item where its letter is one of both. Moves *pat behind it; 0 = malformed. */
static int read_parameter(item_t *item, const char **pat, const char *letters)
{
    const char *at = skip_blanks(*pat + 1);
    char text[16];
    apr_size_t len;
    apr_int64_t n;

    if (!*at || at[1] != '=') { /* one of another name: not ours to judge */
        *pat = at + strcspn(at, ";,");
        return 1;
    }
    len = strcspn(at + 2, "; \t,");
    *pat = skip_blanks(at + 2 + len);
    if (*at != letters[0] && *at != letters[1]) {
        return 1;
    }
    if (len >= sizeof(text)) {
        return 0;
    }
    memcpy(text, at + 2, len);
    text[len] = '\0';
    if (cfmt_int_parse(&n, text, 0, COUNT_MAX) != APR_SUCCESS) {
        return 0;
    }
    *(*at == letters[0] ? &item->first : &item->second) = (double)n;
    return 1;
}

/* The next whole item of a list; 0 at its end. Malformed ones are passed over. */
static int next_item(item_t *item, const char **pat, const char *letters)
{
    const char *at = *pat;
    int fine;

    while (at && *(at = skip_blanks(at))) {
        item->first = item->second = -1;
        at = skip_name(at);
        fine = at != NULL;
        while (at && *(at = skip_blanks(at)) == ';') {
            fine = read_parameter(item, &at, letters) && fine;
        }
        fine = fine && at && (*at == ',' || !*at);
        if (at) {
            at += strcspn(at, ",");
            at += *at == ',';
        }
        if (fine && item->first >= 0 && item->second >= 0) {
            *pat = at;
            return 1;
        }
    }
    return 0;
}

/* r calls remain for t seconds. Of several the one with the fewest counts, then the longest. */
static void heed_remaining(cfmt_budget_t *b, const char *list)
{
    item_t item, tightest = {.first = -1};

    while (next_item(&item, &list, "rt")) {
        if (item.second * APR_USEC_PER_SEC <= CFMT_WAIT_MAX
            && (tightest.first < 0 || item.first < tightest.first
                || (item.first == tightest.first && item.second > tightest.second))) {
            tightest = item;
        }
    }
    if (tightest.first >= 0 && tightest.second > 0) {
        b->said = tightest.first;
        b->reset_at = b->at + apr_time_from_sec((apr_time_t)tightest.second);
    }
}

/*
 * q calls in w seconds. Of several the smallest quota and the slowest rate count, whichever policy
 * they are of: that obeys all.
 */
static void heed_policy(cfmt_budget_t *b, const char *list)
{
    double quota = 0, slowest = 0;
    item_t item;

    while (next_item(&item, &list, "qw")) {
        if (item.first < 1 || item.second < 1 || item.second * APR_USEC_PER_SEC > CFMT_WAIT_MAX) {
            continue;
        }
        quota = quota == 0 || item.first < quota ? item.first : quota;
        if (slowest == 0 || item.first / item.second < slowest) {
            slowest = item.first / item.second;
        }
    }
    if (quota > 0) {
        b->quota = quota;
        b->window_s = quota / slowest;
        b->left = b->left < bucket(b) ? b->left : bucket(b);
    }
}

void cfmt_budget_heed(cfmt_budget_t *b, const char *ratelimit, const char *policy,
                      apr_interval_time_t retry_after, int refused, apr_time_t now)
{
    advance(b, now);
    if (policy) {
        heed_policy(b, policy);
    }
    if (ratelimit) {
        heed_remaining(b, ratelimit);
    }
    if (refused) {
        retry_after = retry_after < 0 ? CFMT_REFUSED_FOR : retry_after;
        b->blocked_until = now + (retry_after < CFMT_WAIT_MAX ? retry_after : CFMT_WAIT_MAX);
    }
}
