/*
 * The notifications that Cloudflare says it sent, and which of them never arrived here. Matching is
 * one to one and depends on what the notices and deliveries are, not on their order.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "row.h"

#define APART_MAX apr_time_from_sec(300)
#define APART_ANY APR_INT64_MAX
#define PER_PAGE 100 /* a body of some 1.5 KB each: far below the answer's limit */

const char *cfmt_history_path(const char *account, apr_time_t since, int page, apr_pool_t *p)
{
    const char *text = cfmt_time_format(p, apr_time_from_sec(apr_time_sec(since)));

    return apr_psprintf(p, "/accounts/%s/alerting/v3/history?since=%s&page=%d&per_page=%d",
                        account, text, page, PER_PAGE);
}

/* The body is compared with whole bodies and stored as one: it is not cut as other text is. */
apr_status_t cfmt_notice_read(cfmt_notice_t *n, const char **pwhy, const cfmt_json_t *row,
                              apr_pool_t *p)
{
    memset(n, 0, sizeof(*n));
    n->alert_type = cfmt_row_text(row, "alert_type", p);
    n->policy_id = cfmt_row_text(row, "policy_id", p);
    /* `mechanism` is the address that it went to. */
    n->mechanism = cfmt_row_text(row, "mechanism_type", p);
    n->body = apr_pstrdup(p, cfmt_json_text(row, "alert_body"));
    n->sent = cfmt_row_time(row, "sent");
    return cfmt_row_id(&n->id, pwhy, row, "id", p);
}

/* ---- what is matched ------------------------------------------------------------------------- */

typedef struct item_t {
    int notice;            /* index into notices; -1 = a delivery */
    const char *body;      /* NULL = not said, as the next three */
    apr_size_t len;
    const char *policy, *type, *id;
    apr_time_t at;         /* 0 = not said */
    int taken;
    int before, after;     /* neighbours in the run being matched, -1 = none */
} item_t;

static int compare_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_number(apr_int64_t a, apr_int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_body(const item_t *a, const item_t *b)
{
    int diff = compare_number((apr_int64_t)a->len, (apr_int64_t)b->len);

    return diff || !a->len ? diff : memcmp(a->body, b->body, a->len);
}

static int compare_kind(const item_t *a, const item_t *b)
{
    int diff = compare_text(a->policy, b->policy);

    return diff ? diff : compare_text(a->type, b->type);
}

/* By time, and then by everything else: what is left equal may take each other's place. */
static int compare_rest(const item_t *a, const item_t *b)
{
    int diff = compare_number(a->at, b->at);

    diff = diff ? diff : compare_kind(a, b);
    diff = diff ? diff : compare_body(a, b);
    return diff ? diff : compare_text(a->id, b->id);
}

static int by_body(const void *a, const void *b)
{
    int diff = compare_body(*(item_t *const *)a, *(item_t *const *)b);

    return diff ? diff : compare_rest(*(item_t *const *)a, *(item_t *const *)b);
}

static int by_kind(const void *a, const void *b)
{
    int diff = compare_kind(*(item_t *const *)a, *(item_t *const *)b);

    return diff ? diff : compare_rest(*(item_t *const *)a, *(item_t *const *)b);
}

static int by_id(const void *a, const void *b)
{
    int diff = compare_text((*(item_t *const *)a)->id, (*(item_t *const *)b)->id);

    return diff ? diff : compare_rest(*(item_t *const *)a, *(item_t *const *)b);
}

/* ---- one run: nearest first ------------------------------------------------------------------ */

typedef struct pair_t {
    apr_interval_time_t apart;
    int left, right; /* positions in the run */
} pair_t;

/* A heap of pairs, the nearest on top; of equally near ones the earlier. */
typedef struct heap_t {
    pair_t *pairs;
    int n;
} heap_t;

static int nearer(const pair_t *a, const pair_t *b)
{
    return a->apart != b->apart ? a->apart < b->apart : a->left < b->left;
}

static void heap_push(heap_t *h, pair_t pair)
{
    int at = h->n++, up;

    for (; at > 0 && nearer(&pair, &h->pairs[up = (at - 1) / 2]); at = up) {
        h->pairs[at] = h->pairs[up];
    }
    h->pairs[at] = pair;
}

static pair_t heap_pop(heap_t *h)
{
    pair_t top = h->pairs[0], last = h->pairs[--h->n];
    int at = 0, down;

    while ((down = 2 * at + 1) < h->n) {
        down += down + 1 < h->n && nearer(&h->pairs[down + 1], &h->pairs[down]);
        if (!nearer(&h->pairs[down], &last)) {
            break;
        }
        h->pairs[at] = h->pairs[down];
        at = down;
    }
    h->pairs[at] = last;
    return top;
}

/* Neighbours of different sides that are near enough become a candidate. */
static void propose(heap_t *h, item_t **run, int left, int right, apr_interval_time_t most)
{
    pair_t pair = {.left = left, .right = right};

    if (left < 0 || right < 0 || (run[left]->notice < 0) == (run[right]->notice < 0)) {
        return;
    }
    pair.apart = run[right]->at - run[left]->at;
    if (pair.apart <= most) {
        heap_push(h, pair);
    }
}

/* Takes both out of the chain; their neighbours meet. */
static void take(heap_t *h, item_t **run, const pair_t *pair, apr_interval_time_t most)
{
    int before = run[pair->left]->before, after = run[pair->right]->after;

    run[pair->left]->taken = run[pair->right]->taken = 1;
    if (before >= 0) {
        run[before]->after = after;
    }
    if (after >= 0) {
        run[after]->before = before;
    }
    propose(h, run, before, after, most);
}

/*
 * run is sorted by time, so the nearest two of different sides are always neighbours. No pair is
 * proposed twice: at most n - 1 at first and one for each two that are taken.
 */
static void match_run(item_t **run, int n, apr_interval_time_t most, apr_pool_t *ptemp)
{
    heap_t h = {.pairs = apr_palloc(ptemp, sizeof(pair_t) * (apr_size_t)n * 2)};
    pair_t pair;
    int i;

    for (i = 0; i < n; i++) {
        run[i]->before = i - 1;
        run[i]->after = i + 1 < n ? i + 1 : -1;
    }
    for (i = 1; i < n; i++) {
        propose(&h, run, i - 1, i, most);
    }
    while (h.n) {
        pair = heap_pop(&h);
        if (!run[pair.left]->taken && !run[pair.right]->taken) {
            take(&h, run, &pair, most);
        }
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

typedef struct rule_t {
    int (*usable)(const item_t *item);
    int (*sort)(const void *a, const void *b); /* groups together, by time within */
    int (*group)(const item_t *a, const item_t *b);
    apr_interval_time_t most;
} rule_t;

static int has_body(const item_t *item)
{
    return item->len > 0;
}

/* Two that do not say whose they are need not be of the same policy. */
static int has_kind(const item_t *item)
{
    return item->policy && item->type && item->at;
}

static const rule_t rules[] = {
    {.usable = has_body, .sort = by_body, .group = compare_body, .most = APART_ANY},
    {.usable = has_kind, .sort = by_kind, .group = compare_kind, .most = APART_MAX},
};

static void apply_rule(const rule_t *rule, apr_array_header_t *items, apr_pool_t *ptemp)
{
    item_t **found = apr_palloc(ptemp, sizeof(item_t *) * (apr_size_t)(items->nelts + 1));
    item_t *item;
    int i, n = 0, end;

    for (i = 0; i < items->nelts; i++) {
        item = &APR_ARRAY_IDX(items, i, item_t);
        if (!item->taken && rule->usable(item)) {
            found[n++] = item;
        }
    }
    qsort(found, (size_t)n, sizeof(item_t *), rule->sort);
    for (i = 0; i < n; i = end) {
        for (end = i + 1; end < n && rule->group(found[i], found[end]) == 0; end++) {
        }
        match_run(found + i, end - i, rule->most, ptemp);
    }
}

/*
 * A list that grows while its pages are read has the last one of a page again on the next: that is
 * one notice, not two.
 */
static void drop_repeats(apr_array_header_t *items, apr_pool_t *ptemp)
{
    item_t **found = apr_palloc(ptemp, sizeof(item_t *) * (apr_size_t)(items->nelts + 1));
    int i;

    for (i = 0; i < items->nelts; i++) {
        found[i] = &APR_ARRAY_IDX(items, i, item_t);
    }
    qsort(found, (size_t)items->nelts, sizeof(item_t *), by_id);
    for (i = 1; i < items->nelts; i++) {
        found[i]->taken = found[i]->id && !compare_text(found[i - 1]->id, found[i]->id);
    }
}

static void add_notices(apr_array_header_t *items, const apr_array_header_t *notices)
{
    const cfmt_notice_t *n;
    item_t *item;
    int i;

    for (i = 0; i < notices->nelts; i++) {
        n = &APR_ARRAY_IDX(notices, i, cfmt_notice_t);
        if (!n->mechanism || strcmp(n->mechanism, "webhook") != 0) {
            continue;
        }
        item = apr_array_push(items);
        *item = (item_t){.notice = i, .body = n->body, .len = n->body ? strlen(n->body) : 0,
                         .policy = n->policy_id, .type = n->alert_type, .id = n->id,
                         .at = n->sent};
    }
}

static void add_stored(apr_array_header_t *items, const apr_array_header_t *stored)
{
    const cfmt_delivered_t *d;
    item_t *item;
    int i;

    for (i = 0; i < stored->nelts; i++) {
        d = &APR_ARRAY_IDX(stored, i, cfmt_delivered_t);
        item = apr_array_push(items);
        *item = (item_t){.notice = -1, .body = d->body, .len = d->body ? d->len : 0,
                         .policy = d->policy_id, .type = d->alert_type, .at = d->ts};
    }
}

apr_array_header_t *cfmt_history_missed(const apr_array_header_t *notices,
                                        const apr_array_header_t *stored, apr_pool_t *p)
{
    apr_array_header_t *missed = apr_array_make(p, 4, sizeof(int)), *items;
    apr_pool_t *ptemp;
    const item_t *item;
    apr_size_t r;
    int i;

    apr_pool_create(&ptemp, p);
    items = apr_array_make(ptemp, notices->nelts + stored->nelts, sizeof(item_t));
    add_notices(items, notices);
    drop_repeats(items, ptemp);
    add_stored(items, stored);
    for (r = 0; r < sizeof(rules) / sizeof(rules[0]); r++) {
        apply_rule(&rules[r], items, ptemp);
    }
    for (i = 0; i < items->nelts; i++) {
        item = &APR_ARRAY_IDX(items, i, item_t);
        if (item->notice >= 0 && !item->taken) {
            APR_ARRAY_PUSH(missed, int) = item->notice;
        }
    }
    apr_pool_destroy(ptemp);
    return missed;
}
