/*
 * What goes out next through one channel: what waits is put in order, and what would be read by
 * nobody one by one becomes one message. Pure.
 */
#include <stdlib.h>

#include <apr_hash.h>

#include "cfmt_notify.h"

/* Limits of Telegram, a little below what it says: its clock is not ours. */
#define GAP apr_time_from_msec(1050)
#define GROUP_SPAN apr_time_from_sec(61)
#define GROUP_MANY 20

typedef struct look_t {
    const cfmt_waiting_t *rows; /* by id: in the order in which things happened */
    int n;
    apr_time_t now;
    apr_pool_t *p;
} look_t;

static int is_due(const look_t *l, const cfmt_waiting_t *w)
{
    return w->next_at <= l->now;
}

/* Older than it is worth while to be told of it alone. */
static int is_stale(const look_t *l, const cfmt_waiting_t *w)
{
    return l->now - w->at > cfmt_news_fresh(w->kind);
}

static int same_attack(const cfmt_waiting_t *a, const cfmt_waiting_t *b)
{
    return a->attack && b->attack && cfmt_text_same(a->attack, b->attack);
}

/* ---- which one ------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const cfmt_waiting_t *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* Of those that are due the most urgent, then the oldest; NULL = none is. */
static const cfmt_waiting_t *most_urgent(const look_t *l)
{
    const cfmt_waiting_t *best = NULL;
    int i;

    for (i = 0; i < l->n; i++) {
        if (is_due(l, &l->rows[i]) && (!best || l->rows[i].priority < best->priority)) {
            best = &l->rows[i];
        }
    }
    return best;
}

/* What happened to its attack first goes out first, whatever its urgency. */
static const cfmt_waiting_t *oldest_of(const look_t *l, const cfmt_waiting_t *head)
{
    const cfmt_waiting_t *w = l->rows;

    while (w < head && !same_attack(w, head)) {
        w++;
    }
    return w;
}

static void none_yet(cfmt_plan_t *plan, const look_t *l)
{
    int i;

    for (i = 0; i < l->n; i++) {
        if (!plan->at || l->rows[i].next_at < plan->at) {
            plan->at = l->rows[i].next_at;
        }
    }
}

/* ---- several in one -------------------------------------------------------------------------- */

/* The head carries them; the others follow in their order. */
static void set(cfmt_plan_t *plan, cfmt_plan_e what, const cfmt_waiting_t *head,
                const apr_array_header_t *others)
{
    int i;

    APR_ARRAY_PUSH(plan->ids, apr_int64_t) = head->id;
    for (i = 0; i < others->nelts; i++) {
        const cfmt_waiting_t *w = APR_ARRAY_IDX(others, i, const cfmt_waiting_t *);

        if (w != head) {
            APR_ARRAY_PUSH(plan->ids, apr_int64_t) = w->id;
        }
    }
    plan->what = plan->ids->nelts > 1 ? what : CFMT_PLAN_ONE;
}

static apr_array_header_t *list(const look_t *l)
{
    return apr_array_make(l->p, 16, sizeof(const cfmt_waiting_t *));
}

/*
 * All of a kind that are due, but for those before which something else of their attack waits: it
 * would come behind them.
 */
static apr_array_header_t *similar(const look_t *l, cfmt_news_e kind)
{
    apr_hash_t *others = apr_hash_make(l->p);
    apr_array_header_t *found = list(l);
    int i;

    for (i = 0; i < l->n; i++) {
        const cfmt_waiting_t *w = &l->rows[i];

        if (w->kind != kind || !is_due(l, w)) {
            if (w->attack) {
                apr_hash_set(others, w->attack, APR_HASH_KEY_STRING, w);
            }
        }
        else if (!w->attack || !apr_hash_get(others, w->attack, APR_HASH_KEY_STRING)) {
            APR_ARRAY_PUSH(found, const cfmt_waiting_t *) = w;
        }
    }
    return found;
}

/* The newest of its attack that is due: the digest ends there. */
static const cfmt_waiting_t *newest_of(const look_t *l, const cfmt_waiting_t *head)
{
    const cfmt_waiting_t *w = l->rows + l->n - 1;

    while (w > head && !(same_attack(w, head) && is_due(l, w))) {
        w--;
    }
    return w;
}

/* All of an attack up to its newest that is due, those that would wait longer, too. */
static apr_array_header_t *story(const look_t *l, const cfmt_waiting_t *head)
{
    const cfmt_waiting_t *w, *end = newest_of(l, head);
    apr_array_header_t *found = list(l);

    for (w = l->rows; w <= end; w++) {
        if (same_attack(w, head)) {
            APR_ARRAY_PUSH(found, const cfmt_waiting_t *) = w;
        }
    }
    return found;
}

/* What belongs to no attack and is of one kind and stale. */
static apr_array_header_t *stale_ones(const look_t *l, const cfmt_waiting_t *head)
{
    apr_array_header_t *found = list(l);
    int i;

    for (i = 0; i < l->n; i++) {
        const cfmt_waiting_t *w = &l->rows[i];

        if (!w->attack && w->kind == head->kind && is_due(l, w) && is_stale(l, w)) {
            APR_ARRAY_PUSH(found, const cfmt_waiting_t *) = w;
        }
    }
    return found;
}

/* It waited too long, or so did, or will, something before it. */
static int needs_digest(const look_t *l, const cfmt_waiting_t *head)
{
    const cfmt_waiting_t *w;

    for (w = l->rows; w < head; w++) {
        if (same_attack(w, head) && (is_stale(l, w) || !is_due(l, w))) {
            return 1;
        }
    }
    return is_stale(l, head);
}

void cfmt_plan_next(cfmt_plan_t *plan, const apr_array_header_t *rows, apr_time_t now,
                    apr_pool_t *p)
{
    apr_array_header_t *sorted = apr_array_copy(p, rows), *found;
    look_t l = { .rows = (cfmt_waiting_t *)sorted->elts, .n = sorted->nelts, .now = now, .p = p };
    const cfmt_waiting_t *head;

    plan->what = CFMT_PLAN_NOTHING;
    plan->ids = apr_array_make(p, 1, sizeof(apr_int64_t));
    plan->at = 0;
    if (l.n) {
        qsort(sorted->elts, (size_t)l.n, sizeof(cfmt_waiting_t), by_id);
    }
    head = most_urgent(&l);
    if (!head) {
        none_yet(plan, &l);
        return;
    }
    found = similar(&l, oldest_of(&l, head)->kind);
    if (found->nelts >= CFMT_FOLD_MANY) {
        set(plan, CFMT_PLAN_FOLD, APR_ARRAY_IDX(found, 0, const cfmt_waiting_t *), found);
    }
    else if (needs_digest(&l, head)) {
        set(plan, CFMT_PLAN_DIGEST, head, head->attack ? story(&l, head) : stale_ones(&l, head));
    }
    else {
        set(plan, CFMT_PLAN_ONE, oldest_of(&l, head), list(&l));
    }
}

/* ---- pace ------------------------------------------------------------------------------------ */

apr_time_t cfmt_pace_next(const cfmt_pace_t *pace, int group, apr_time_t now)
{
    apr_time_t at = pace->n ? pace->sent[(pace->n - 1) % GROUP_MANY] + GAP : 0;
    apr_time_t first = pace->n >= GROUP_MANY ? pace->sent[pace->n % GROUP_MANY] + GROUP_SPAN : 0;

    at = group && first > at ? first : at;
    return at > now ? at : 0;
}

void cfmt_pace_note(cfmt_pace_t *pace, apr_time_t now)
{
    pace->sent[pace->n % GROUP_MANY] = now;
    pace->n = pace->n + 1 < 2 * GROUP_MANY ? pace->n + 1 : GROUP_MANY;
}
