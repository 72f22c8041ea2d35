/*
 * ack, outbox retry, outbox drop, notify test: commands about what people are told. The leader
 * carries them out; whoever tests wants to see what the channel says.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_store_outbox.h"

#define STEP apr_time_from_msec(50)
#define TEST_WAIT apr_time_from_sec(60) /* in real time */

/* ---- ack, retry, drop ------------------------------------------------------------------------ */

int ctl_ack(ctl_t *ctl)
{
    ctl_order_t order = { .about = "all messages" };
    apr_int64_t id = 0;
    ctl_world_t w;
    int code = ctl->operand_count ? ctl_pick_id(ctl, ctl->operands[0], "a message", &id)
                                  : CTL_DONE;

    if (code != CTL_DONE || (code = ctl_world_open_as(&w, ctl, CFMT_STORE_WRITE)) != CTL_DONE) {
        return code;
    }
    if (id) {
        order.about = apr_psprintf(w.p, "message %" APR_INT64_T_FMT, id);
    }
    order.body = ctl_order_body_id(ctl, "ack", apr_psprintf(w.p, "%" APR_INT64_T_FMT, id));
    return ctl_orders_run(ctl, w.store, &order, 1, NULL);
}

static int order_messages(ctl_t *ctl, const char *command)
{
    int i, n = ctl->operand_count, code = CTL_DONE;
    ctl_order_t *orders = apr_pcalloc(ctl->pool, sizeof(*orders) * (apr_size_t)n);
    apr_int64_t id;
    ctl_world_t w;

    for (i = 0; i < n && code == CTL_DONE; i++) {
        code = ctl_pick_id(ctl, ctl->operands[i], "a message", &id);
        if (code == CTL_DONE) {
            const char *text = apr_psprintf(ctl->pool, "%" APR_INT64_T_FMT, id);

            orders[i].about = apr_pstrcat(ctl->pool, "message ", text, NULL);
            orders[i].body = ctl_order_body_id(ctl, command, text);
        }
    }
    code = code == CTL_DONE ? ctl_world_open_as(&w, ctl, CFMT_STORE_WRITE) : code;
    return code == CTL_DONE ? ctl_orders_run(ctl, w.store, orders, n, NULL) : code;
}

int ctl_outbox_retry(ctl_t *ctl)
{
    return order_messages(ctl, "outbox.retry");
}

int ctl_outbox_drop(ctl_t *ctl)
{
    return order_messages(ctl, "outbox.drop");
}

/* ---- notify test ----------------------------------------------------------------------------- */

typedef struct trial_t {
    apr_int64_t id, latency_ms; /* latency 0 = not sent */
    const char *channel, *state, *answer;
    int code, ended;
} trial_t;

#define TRIAL(member, kind_) COLUMN(trial_t, member, #member, kind_, 0)
static const ctl_column_t trial_columns[] = {
    TRIAL(channel, COL_TEXT), TRIAL(id, COL_INT), TRIAL(state, COL_TEXT),
    TRIAL(latency_ms, COL_REF), TRIAL(answer, COL_TEXT), { .name = NULL }
};
static const ctl_list_t trial_list = { "results", trial_columns, sizeof(trial_t) };

/* What it waits for; *pfailed: another message before it, or itself, did not get through. */
static const char *why_waiting(const ctl_world_t *w, const cfmt_outbox_row_t *r, int *pfailed)
{
    cfmt_channel_row_t ch;
    apr_status_t rv = cfmt_channel_load(w->store, &ch, r->channel, w->p);

    /* The command had its channel tried at once: it fails only since then. */
    *pfailed = r->answer
               || (rv == APR_SUCCESS && ch.state != CFMT_CHANNEL_OK
                   && ch.next_at > ctl_now(w->ctl));
    return r->answer ? r->answer
           : *pfailed ? apr_psprintf(w->p, "channel %s: %s", cfmt_channel_state_name(ch.state),
                                     ch.error ? ch.error : "no reason given")
                      : "others go first";
}

static int latency_ms(const ctl_t *ctl, const cfmt_outbox_row_t *r)
{
    apr_interval_time_t d = cfmt_clock_real(ctl->demo.speed ? &ctl->demo.clock : NULL,
                                            r->sent_at - r->made_at);

    return d < 1000 ? 1 : (int)(d / 1000);
}

static trial_t view(const ctl_world_t *w, const cfmt_outbox_row_t *r)
{
    trial_t t = { .id = r->id, .channel = r->channel, .state = cfmt_outbox_name(r->state),
                  .answer = r->answer, .ended = r->state > CFMT_OUTBOX_SENDING };
    int failed = 0;

    if (r->state == CFMT_OUTBOX_QUEUED) {
        t.answer = why_waiting(w, r, &failed);
        t.ended = failed;
    }
    t.latency_ms = r->state == CFMT_OUTBOX_SENT ? latency_ms(w->ctl, r) : 0;
    t.code = r->state == CFMT_OUTBOX_SENT ? CTL_DONE
             : !t.ended || r->state == CFMT_OUTBOX_MAYBE ? CTL_UNKNOWN : CTL_FAILED;
    return t;
}

/* The rows that the command made: they are among the newest. */
static apr_status_t load_trials(const ctl_world_t *w, apr_int64_t command,
                                apr_array_header_t **ptrials)
{
    const char *dedupe = apr_psprintf(w->p, CFMT_TEST_DEDUPE "%" APR_INT64_T_FMT, command);
    apr_array_header_t *rows;
    apr_status_t rv = cfmt_outbox_list(w->store, NULL, 0, CFMT_QUERY_PAGE, &rows, w->p);
    int i;

    *ptrials = apr_array_make(w->p, 8, sizeof(trial_t));
    for (i = rv == APR_SUCCESS ? rows->nelts : 0; i-- > 0;) {
        const cfmt_outbox_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_outbox_row_t);

        if (cfmt_text_same(r->news.dedupe, dedupe)) {
            APR_ARRAY_PUSH(*ptrials, trial_t) = view(w, r);
        }
    }
    return rv;
}

static int all_over(const apr_array_header_t *trials)
{
    int i, n = 0;

    for (i = 0; i < trials->nelts; i++) {
        n += APR_ARRAY_IDX(trials, i, trial_t).ended;
    }
    return n == trials->nelts;
}

static apr_status_t wait_trials(ctl_world_t *w, apr_int64_t command, apr_array_header_t **ptrials)
{
    apr_time_t limit = cfmt_monotonic() + TEST_WAIT;
    apr_pool_t *own = w->p;
    apr_status_t rv;

    apr_pool_create(&w->p, own);
    while ((rv = load_trials(w, command, ptrials)) == APR_SUCCESS && !all_over(*ptrials)
           && cfmt_monotonic() < limit && ctl_out_ok()) {
        apr_sleep(STEP);
        apr_pool_clear(w->p);
    }
    return rv;
}

static void print_trials(const ctl_t *ctl, const apr_array_header_t *trials, int code)
{
    int i;

    if (ctl->json) {
        ctl_list_print(&trial_list, trials, apr_psprintf(ctl->pool, "\"code\":%d", code), ctl,
                       ctl->pool);
        return;
    }
    for (i = 0; i < trials->nelts; i++) {
        const trial_t *t = &APR_ARRAY_IDX(trials, i, trial_t);
        const char *answer = ctl_text(ctl->pool, t->answer);

        if (t->code == CTL_DONE) {
            printf("%s: sent in %" APR_INT64_T_FMT " ms: %s\n", t->channel, t->latency_ms, answer);
        }
        else {
            fflush(stdout);
            ctl_complain(CFMT_ID(1088), "%s: %s: %s; see 'cfmtctl outbox show %" APR_INT64_T_FMT
                                        "'", t->channel,
                         t->code == CTL_UNKNOWN ? t->state : "not sent", answer, t->id);
        }
    }
}

static int sum_up(const apr_array_header_t *trials)
{
    int i, worst = CTL_DONE, failed = 0;

    for (i = 0; i < trials->nelts; i++) {
        int code = APR_ARRAY_IDX(trials, i, trial_t).code;

        failed += code != CTL_DONE;
        worst = code > worst ? code : worst;
    }
    return failed && failed < trials->nelts ? CTL_PART : worst;
}

static int run_test(ctl_world_t *w)
{
    ctl_t *ctl = w->ctl;
    ctl_order_t order = { .about = "channel" };
    apr_array_header_t *trials;
    apr_status_t rv;
    int code;

    order.body = ctl_order_body_id(
        ctl, "notify.test", ctl_json_string(w->p, ctl->operand_count ? ctl->operands[0] : NULL));
    code = ctl_order_ask(ctl, w->store, &order);
    if (code != CTL_DONE) {
        return code;
    }
    rv = wait_trials(w, order.row, &trials);
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    code = sum_up(trials);
    print_trials(ctl, trials, code);
    return code;
}

/* Who leads has the secrets of the channels: nothing goes out from here. */
int ctl_notify_test(ctl_t *ctl)
{
    ctl_world_t w;
    int code = ctl_world_open_as(&w, ctl, CFMT_STORE_WRITE);

    if (code != CTL_DONE) {
        return code;
    }
    if (!ctl_is_led(ctl, w.store)) {
        ctl_complain(CFMT_ID(1089), "nobody leads, so nothing can be sent: start httpd; 'cfmtctl db"
                                    " check' tells more");
        return CTL_UNAVAILABLE;
    }
    return run_test(&w);
}
