/*
 * The round's part of telling: each channel sends one message at a time, the others do not wait for
 * it. Leased and committed, sent, settled: whoever dies in between leaves a row that says so.
 */
#include <string.h>

#include <apr_strings.h>

#include "tell.h"

#define STEP_WAIT apr_time_from_msec(250)
#define ROWS 500                          /* of a channel that one look takes in */
#define LOOK_EVERY apr_time_from_sec(10)
#define TEST_STALE apr_time_from_sec(600)
#define AHEAD apr_time_from_sec(2 * 3600) /* no channel waits longer: the clock was set back */
#define SKIP_EVERY 5 /* tries of a failing channel: the last of so many is with another message */
#define HELD_LIMIT apr_time_from_msec(1100)
#define END_LIMIT apr_time_from_msec(700)

cfmt_teller_t *cfmt_teller_create(cfmt_engine_t *e, apr_pool_t *p)
{
    const apr_array_header_t *channels = e->conf.channels;
    cfmt_teller_t *t;
    int i;

    if (!channels || !e->http) {
        return NULL;
    }
    t = apr_pcalloc(p, sizeof(*t));
    t->out = cfmt_out_create(e->http, e->conf.clock, e->conf.telegram_url, p);
    t->templates = e->conf.templates ? e->conf.templates : cfmt_templates_create(p);
    t->couriers = apr_array_make(p, channels->nelts, sizeof(cfmt_courier_t));
    for (i = 0; i < channels->nelts; i++) {
        cfmt_courier_t *c = apr_array_push(t->couriers);

        memset(c, 0, sizeof(*c));
        c->teller = t;
        c->conf = &APR_ARRAY_IDX(channels, i, cfmt_channel_conf_t);
        apr_pool_create(&c->pool, p);
        apr_pool_tag(c->pool, "cfmt_courier");
    }
    return t;
}

static void wait_for(cfmt_telling_t *t, apr_time_t at)
{
    if (at && (!t->due || at < t->due)) {
        t->due = at;
    }
}

/* ---- what came back -------------------------------------------------------------------------- */

/* Called from a poll: only noted, the round that follows writes it. */
static void on_done(void *baton, const cfmt_sent_t *sent)
{
    cfmt_courier_t *c = baton;

    c->sent = *sent;
    c->sent.ref = apr_pstrdup(c->pool, sent->ref);
    c->sent.chat = apr_pstrdup(c->pool, sent->chat);
    c->sent.detail = apr_pstrdup(c->pool, sent->detail);
    c->answered = 1;
}

static void forget(cfmt_courier_t *c)
{
    c->busy = c->answered = 0;
    memset(&c->row, 0, sizeof(c->row));
    apr_pool_clear(c->pool);
}

static apr_status_t write_end(const cfmt_telling_t *t, const cfmt_courier_t *c,
                              const cfmt_channel_row_t *before, const cfmt_channel_row_t *ch)
{
    cfmt_store_t *s = t->e->store;
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_outbox_settle(s, &c->row, t->e->owner, t->now);
    rv = rv == APR_SUCCESS ? cfmt_channel_save(s, ch) : rv;
    rv = rv == APR_SUCCESS ? cfmt_tell_trouble(t, before, ch) : rv;
    return cfmt_store_end(s, rv);
}

/* CFMT_EMOVED: it took so long that somebody else said what became of it. */
static apr_status_t settle(cfmt_telling_t *t, cfmt_courier_t *c)
{
    cfmt_channel_row_t before, ch;
    int attempts = c->row.attempts;
    apr_status_t rv = cfmt_tell_channel(&ch, t, c->conf->name);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    before = ch;
    cfmt_tell_judge(&c->row, &ch, c->conf, &c->sent, t->e->conf.clock, t->now);
    rv = write_end(t, c, &before, &ch);
    if (rv == APR_SUCCESS) {
        cfmt_tell_log(t, c, &before, &ch);
    }
    if (rv == APR_SUCCESS || rv == CFMT_EMOVED) {
        forget(c);
        return APR_SUCCESS;
    }
    c->row.attempts = attempts; /* judged anew in the next round */
    return rv;
}

/* ---- what is next ---------------------------------------------------------------------------- */

/* Group chats of Telegram have negative ids. */
static apr_time_t pace_next(const cfmt_courier_t *c, apr_time_t mono)
{
    int group = c->conf->kind == CFMT_CHANNEL_TELEGRAM && c->conf->chat && *c->conf->chat == '-';

    return c->conf->kind == CFMT_CHANNEL_SYSLOG ? 0 : cfmt_pace_next(&c->pace, group, mono);
}

/*
 * Nobody wants it any more: a trial that was not at once, small news of the day before; unless
 * somebody has asked for it since.
 */
static int is_void(const cfmt_outbox_row_t *row, apr_time_t now)
{
    apr_interval_time_t age = now - (row->next_at > row->made_at ? row->next_at : row->made_at);

    return cfmt_news_is_trial(row->news.kind) ? age > TEST_STALE
           : row->priority == CFMT_URGENCY_LOW && !row->news.attack
                 && age > apr_time_from_sec(86400);
}

static apr_status_t expire(const cfmt_telling_t *t, const cfmt_outbox_row_t *row)
{
    apr_status_t rv = cfmt_store_begin(t->e->store, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_outbox_expire(t->e->store, row->id, "too old to be of use", t->now);
    return cfmt_store_end(t->e->store, rv == CFMT_EMOVED ? APR_SUCCESS : rv);
}

/*
 * A message that its channel cannot take must not stand in the way of all others, nor may another
 * of its attack go before it.
 */
static int is_skipped(const cfmt_outbox_row_t *row, const cfmt_outbox_row_t *stuck)
{
    return stuck && (row->id == stuck->id
                     || (row->news.attack && cfmt_text_same(row->news.attack, stuck->news.attack)));
}

static const cfmt_outbox_row_t *find_stuck(const apr_array_header_t *rows,
                                           const cfmt_channel_row_t *ch)
{
    int i;

    for (i = 0; ch->fails % SKIP_EVERY == SKIP_EVERY - 1 && i < rows->nelts; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (row->attempts >= SKIP_EVERY - 1) {
            return row;
        }
    }
    return NULL;
}

static void plan(cfmt_plan_t *plan, const cfmt_telling_t *t, const cfmt_courier_t *c,
                 const apr_array_header_t *rows, const cfmt_outbox_row_t *stuck)
{
    apr_array_header_t *waiting = apr_array_make(t->p, rows->nelts, sizeof(cfmt_waiting_t));
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);
        apr_time_t quiet = cfmt_news_is_trial(row->news.kind)
                               ? 0 : cfmt_tell_quiet(c->conf, row->priority, t->now);
        const cfmt_waiting_t w = { .id = row->id, .kind = row->news.kind, .at = row->news.at,
                                   .priority = row->priority, .attack = row->news.attack,
                                   .next_at = quiet > row->next_at ? quiet : row->next_at };

        if (row->state == CFMT_OUTBOX_QUEUED && !is_skipped(row, stuck)) {
            APR_ARRAY_PUSH(waiting, cfmt_waiting_t) = w;
        }
    }
    cfmt_plan_next(plan, waiting, t->now, t->p);
}

/* ---- sending --------------------------------------------------------------------------------- */

static const cfmt_outbox_row_t *row_of(const apr_array_header_t *rows, apr_int64_t id)
{
    const cfmt_outbox_row_t *row = (const cfmt_outbox_row_t *)rows->elts;

    while (row->id != id) {
        row++;
    }
    return row;
}

/* The row that carries the others is ours from here on: nobody else sends it, or tells it anew. */
static apr_status_t lease(const cfmt_telling_t *t, const cfmt_plan_t *plan, const char *text)
{
    cfmt_store_t *s = t->e->store;
    apr_int64_t id = APR_ARRAY_IDX(plan->ids, 0, apr_int64_t);
    apr_status_t rv = cfmt_store_begin(s, STEP_WAIT);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cfmt_outbox_lease(s, id, t->e->owner,
                           t->now + cfmt_clock_span(t->e->conf.clock, CFMT_TELL_LEASE), text);
    rv = rv == APR_SUCCESS ? cfmt_outbox_fold(s, plan->ids, id, t->now) : rv;
    return cfmt_store_end(s, rv);
}

static void keep(cfmt_courier_t *c, const cfmt_outbox_row_t *row)
{
    c->row.id = row->id;
    c->row.channel = c->conf->name;
    c->row.news.kind = row->news.kind;
    c->row.attempts = row->attempts;
    c->row.made_at = row->made_at;
    c->busy = 1;
}

static apr_uint64_t digest_of(const apr_array_header_t *ids)
{
    apr_uint64_t sum = 0;
    int i;

    for (i = 0; i < ids->nelts; i++) {
        apr_int64_t id = APR_ARRAY_IDX(ids, i, apr_int64_t);

        sum += (apr_uint64_t)cfmt_digest64(&id, sizeof(id));
    }
    return sum;
}

static apr_status_t send_plan(cfmt_telling_t *t, cfmt_courier_t *c, const cfmt_channel_row_t *ch,
                              const cfmt_plan_t *plan, const apr_array_header_t *all)
{
    apr_array_header_t *rows = apr_array_make(t->p, plan->ids->nelts,
                                              sizeof(const cfmt_outbox_row_t *));
    cfmt_outbox_row_t row;
    cfmt_message_t m;
    apr_status_t rv;
    int i, many = plan->what == CFMT_PLAN_FOLD;

    for (i = 0; i < plan->ids->nelts; i++) {
        APR_ARRAY_PUSH(rows, const cfmt_outbox_row_t *) =
            row_of(all, APR_ARRAY_IDX(plan->ids, i, apr_int64_t));
    }
    row = *APR_ARRAY_IDX(rows, 0, const cfmt_outbox_row_t *);
    if (t->t->ending && row.news.kind != CFMT_NEWS_STOP) {
        return APR_SUCCESS;
    }
    rv = cfmt_tell_text(&row.text, t, c, plan->what, rows);
    rv = rv == APR_SUCCESS ? cfmt_tell_message(&m, t, c, ch, &row, many) : rv;
    m.count = rows->nelts;
    m.told = digest_of(plan->ids);
    rv = rv == APR_SUCCESS ? lease(t, plan, row.text) : rv;
    if (rv != APR_SUCCESS) {
        return rv == CFMT_EMOVED ? APR_SUCCESS : rv;
    }
    keep(c, &row);
    cfmt_pace_note(&c->pace, cfmt_monotonic());
    cfmt_out_send(t->t->out, c->conf, &m, on_done, c);
    return APR_SUCCESS;
}

/* Void ones go first; then what the plan says of the rest. */
static apr_status_t choose(cfmt_telling_t *t, cfmt_courier_t *c, const cfmt_channel_row_t *ch,
                           const apr_array_header_t *rows)
{
    cfmt_plan_t next;
    apr_status_t rv;
    int i;

    for (i = 0; i < rows->nelts; i++) {
        cfmt_outbox_row_t *row = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (row->state == CFMT_OUTBOX_QUEUED && is_void(row, t->now)) {
            rv = expire(t, row);
            if (rv != APR_SUCCESS) {
                return rv;
            }
            row->state = CFMT_OUTBOX_EXPIRED;
        }
    }
    plan(&next, t, c, rows, find_stuck(rows, ch));
    if (next.what == CFMT_PLAN_NOTHING) {
        plan(&next, t, c, rows, NULL);
    }
    wait_for(t, next.at);
    return next.what == CFMT_PLAN_NOTHING ? APR_SUCCESS : send_plan(t, c, ch, &next, rows);
}

/* It may send now: what waits, if anything does. */
static apr_status_t look(cfmt_telling_t *t, cfmt_courier_t *c)
{
    apr_time_t mono = cfmt_monotonic(), at = pace_next(c, mono);
    apr_array_header_t *rows;
    cfmt_channel_row_t ch;
    apr_status_t rv;

    if (at && !t->t->ending) { /* reading a long queue is not free */
        wait_for(t, t->now + cfmt_clock_span(t->e->conf.clock, at - mono));
        return APR_SUCCESS;
    }
    rv = cfmt_tell_channel(&ch, t, c->conf->name);
    if (rv == APR_SUCCESS && ch.next_at > t->now
        && ch.next_at - t->now < cfmt_clock_span(t->e->conf.clock, AHEAD)) {
        wait_for(t, ch.next_at);
        return APR_SUCCESS;
    }
    rv = rv == APR_SUCCESS ? cfmt_outbox_waiting(t->e->store, c->conf->name, ROWS, &rows, t->p)
                           : rv;
    return rv == APR_SUCCESS && rows->nelts ? choose(t, c, &ch, rows) : rv;
}

/* ---- the round ------------------------------------------------------------------------------- */

static apr_status_t each(cfmt_telling_t *t, int (*is_up)(const cfmt_courier_t *c),
                         apr_status_t (*step)(cfmt_telling_t *t, cfmt_courier_t *c))
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < t->t->couriers->nelts; i++) {
        cfmt_courier_t *c = &APR_ARRAY_IDX(t->t->couriers, i, cfmt_courier_t);

        rv = is_up(c) ? step(t, c) : APR_SUCCESS;
    }
    return rv;
}

static int is_answered(const cfmt_courier_t *c)
{
    return c->answered;
}

static int is_free(const cfmt_courier_t *c)
{
    return !c->busy;
}

static apr_status_t look_around(cfmt_telling_t *t)
{
    apr_time_t mono = cfmt_monotonic();
    apr_status_t rv = cfmt_tell_inherit(t);

    if (rv == APR_SUCCESS && mono >= t->t->look_at) {
        rv = cfmt_tell_look(t);
        t->t->look_at = rv == APR_SUCCESS ? mono + LOOK_EVERY : t->t->look_at;
    }
    wait_for(t, t->now + cfmt_clock_span(t->e->conf.clock, LOOK_EVERY));
    return rv;
}

/* Trouble with one channel's rows is the store's, so it ends the round for all. */
apr_status_t cfmt_tell_run(cfmt_engine_t *e, apr_time_t *pdue, apr_pool_t *ptick)
{
    cfmt_telling_t t = { .e = e, .t = e->teller, .p = ptick,
                         .now = cfmt_clock_now(e->conf.clock), .due = *pdue };
    apr_status_t rv;

    if (!e->teller) {
        return APR_SUCCESS;
    }
    cfmt_out_step(t.t->out, &t.due);
    rv = each(&t, is_answered, settle);
    rv = rv == APR_SUCCESS ? look_around(&t) : rv;
    rv = rv == APR_SUCCESS ? each(&t, is_free, look) : rv;
    cfmt_out_step(t.t->out, &t.due);
    *pdue = t.due;
    return rv;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int under_way(const cfmt_teller_t *t)
{
    int i, n = 0;

    for (i = 0; i < t->couriers->nelts; i++) {
        const cfmt_courier_t *c = &APR_ARRAY_IDX(t->couriers, i, cfmt_courier_t);

        n += c->busy && !c->answered;
    }
    return n;
}

/* Who wants last words and would refuse them now: told something within this second. */
static int held(const cfmt_teller_t *t)
{
    apr_time_t mono = cfmt_monotonic();
    int i, n = 0;

    for (i = 0; i < t->couriers->nelts; i++) {
        const cfmt_courier_t *c = &APR_ARRAY_IDX(t->couriers, i, cfmt_courier_t);

        n += c->conf->lifecycle && ((c->busy && !c->answered) || pace_next(c, mono));
    }
    return n;
}

static void await(cfmt_engine_t *e, int (*holds)(const cfmt_teller_t *t), apr_interval_time_t limit)
{
    apr_time_t end = cfmt_monotonic() + limit, due = 0;
    int ended;

    while (holds(e->teller) && cfmt_monotonic() < end
           && cfmt_http_poll(e->http, NULL, 0, apr_time_from_msec(20), &ended) == APR_SUCCESS) {
        cfmt_out_step(e->teller->out, &due);
    }
}

/* Its channel is not to blame. */
static void give_up(const cfmt_telling_t *t, cfmt_courier_t *c)
{
    cfmt_channel_row_t ch;

    c->row.state = CFMT_OUTBOX_MAYBE;
    c->row.attempts++;
    c->row.sent_at = t->now;
    c->row.answer = "httpd stopped before the answer came";
    if (cfmt_tell_channel(&ch, t, c->conf->name) == APR_SUCCESS
        && write_end(t, c, &ch, &ch) == APR_SUCCESS) {
        cfmt_tell_log(t, c, &ch, &ch);
    }
}

static void settle_all(cfmt_telling_t *t)
{
    int i;

    for (i = 0; i < t->t->couriers->nelts; i++) {
        cfmt_courier_t *c = &APR_ARRAY_IDX(t->t->couriers, i, cfmt_courier_t);

        if (c->answered) {
            (void)settle(t, c);
        }
        else if (c->busy) {
            give_up(t, c);
        }
    }
}

void cfmt_tell_end(cfmt_engine_t *e)
{
    cfmt_telling_t t = { .e = e, .t = e->teller, .now = cfmt_clock_now(e->conf.clock) };
    apr_time_t due = 0;

    if (!e->teller || !e->store) {
        return;
    }
    apr_pool_create(&t.p, e->pool);
    t.t->ending = 1;
    await(e, held, HELD_LIMIT);
    (void)cfmt_tell_run(e, &due, t.p);
    await(e, under_way, END_LIMIT);
    settle_all(&t);
    apr_pool_destroy(t.p);
}
