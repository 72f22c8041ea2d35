/*
 * outbox list, outbox show: who was told what and how that went, what waits, how the channels are.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_notify.h"
#include "cfmt_store_outbox.h"

#define NOTIFY "Notify "

/* ---- messages -------------------------------------------------------------------------------- */

typedef struct message_t {
    apr_int64_t id, attempts, folded_into, fallback_of, fallback;
    apr_time_t made, at, next, sent, acked;
    const char *channel, *kind, *priority, *about, *attack, *prefix, *state, *note;
    const char *ref, *dedupe, *answer, *text, *fields, *acked_by;
} message_t;

#define MESSAGE(member, label, kind_, table) COLUMN(message_t, member, label, kind_, table)
static const ctl_column_t message_columns[] = {
    MESSAGE(id, "id", COL_INT, 1), MESSAGE(made, "made_at", COL_TIME, 0),
    MESSAGE(made, "made", COL_TIME, TABLE_ONLY), MESSAGE(channel, "channel", COL_TEXT, 1),
    MESSAGE(kind, "kind", COL_TEXT, 1), MESSAGE(about, "about", COL_TEXT, TABLE_ONLY),
    MESSAGE(state, "state", COL_TEXT, 1), MESSAGE(attempts, "attempts", COL_INT, WIDE),
    MESSAGE(priority, "priority", COL_TEXT, WIDE), MESSAGE(attack, "attack", COL_TEXT, 0),
    MESSAGE(prefix, "prefix", COL_TEXT, 0), MESSAGE(at, "at", COL_TIME, 0),
    MESSAGE(next, "next_at", COL_TIME, WIDE), MESSAGE(sent, "sent_at", COL_TIME, WIDE),
    MESSAGE(acked, "acked_at", COL_TIME, 0), MESSAGE(acked_by, "acked_by", COL_TEXT, 0),
    MESSAGE(folded_into, "folded_into", COL_REF, 0),
    MESSAGE(fallback_of, "fallback_of", COL_REF, 0), MESSAGE(fallback, "fallback", COL_REF, 0),
    MESSAGE(ref, "ref", COL_TEXT, 0), MESSAGE(dedupe, "dedupe", COL_TEXT, 0),
    MESSAGE(answer, "answer", COL_TEXT, WIDE), MESSAGE(text, "text", COL_TEXT, 0),
    MESSAGE(fields, "fields", COL_RAW, 0), MESSAGE(note, "note", COL_TEXT, TABLE_ONLY),
    { .name = NULL }
};
static const ctl_list_t message_list = { "messages", message_columns, sizeof(message_t) };

static const char *first_line(const char *text, apr_pool_t *p)
{
    return text ? apr_pstrmemdup(p, text, strcspn(text, "\n")) : NULL;
}

/* The half line that is of most use: what was said, or why it was not. */
static const char *note(const message_t *m, cfmt_outbox_e state, apr_time_t now, apr_pool_t *p)
{
    switch (state) {
    case CFMT_OUTBOX_SENT:
    case CFMT_OUTBOX_SENDING:
        return first_line(m->text, p);
    case CFMT_OUTBOX_FOLDED:
        return apr_psprintf(p, "within message %" APR_INT64_T_FMT, m->folded_into);
    case CFMT_OUTBOX_QUEUED:
        return m->answer || m->next <= now
                   ? m->answer : apr_psprintf(p, "not before %s", ctl_time(p, m->next));
    default:
        return m->answer;
    }
}

static message_t view(const cfmt_outbox_row_t *r, apr_time_t now, apr_pool_t *p)
{
    message_t m = { .id = r->id, .attempts = r->attempts, .folded_into = r->folded_into,
                    .fallback_of = r->fallback_of, .fallback = r->fallback, .made = r->made_at,
                    .at = r->news.at, .sent = r->sent_at, .acked = r->acked_at,
                    .channel = r->channel, .kind = cfmt_news_name(r->news.kind),
                    .priority = cfmt_urgency_name(r->priority), .attack = r->news.attack,
                    .prefix = r->news.prefix, .state = cfmt_outbox_name(r->state), .ref = r->ref,
                    .dedupe = r->news.dedupe, .answer = r->answer, .text = r->text,
                    .fields = r->news.fields, .acked_by = r->acked_by };

    m.next = r->state == CFMT_OUTBOX_QUEUED ? r->next_at : 0;
    m.about = m.prefix ? m.prefix : m.attack;
    m.note = note(&m, r->state, now, p);
    return m;
}

/* The newest ones, then the oldest of them first. */
static apr_status_t load_messages(const ctl_world_t *w, const char *channel,
                                  apr_array_header_t **pviews)
{
    apr_array_header_t *page, *found = apr_array_make(w->p, 16, sizeof(cfmt_outbox_row_t));
    apr_status_t rv = APR_SUCCESS;
    apr_int64_t before = 0;
    int i, more = 1;

    while (more && found->nelts < w->ctl->limit) {
        int left = w->ctl->limit - found->nelts;

        rv = cfmt_outbox_list(w->store, channel, before,
                              left < CFMT_QUERY_PAGE ? left : CFMT_QUERY_PAGE, &page, w->p);
        more = rv == APR_SUCCESS && page->nelts;
        if (more) {
            before = APR_ARRAY_IDX(page, page->nelts - 1, cfmt_outbox_row_t).id;
            apr_array_cat(found, page);
        }
    }
    *pviews = apr_array_make(w->p, found->nelts + 1, sizeof(message_t));
    for (i = found->nelts; i-- > 0;) {
        APR_ARRAY_PUSH(*pviews, message_t) =
            view(&APR_ARRAY_IDX(found, i, cfmt_outbox_row_t), w->now, w->p);
    }
    return rv;
}

/* ---- channels -------------------------------------------------------------------------------- */

typedef struct channel_t {
    const char *name, *kind, *state, *error;
    apr_time_t since, next;
    ctl_aged_t ok, oldest;
    apr_int64_t waiting;
    int configured;
} channel_t;

#define CHANNEL(member, label, kind_, table) COLUMN(channel_t, member, label, kind_, table)
static const ctl_column_t channel_columns[] = {
    CHANNEL(name, "channel", COL_TEXT, TABLE_ONLY), CHANNEL(name, "name", COL_TEXT, 0),
    CHANNEL(kind, "kind", COL_TEXT, 1), CHANNEL(configured, "configured", COL_FLAG, 0),
    CHANNEL(state, "state", COL_TEXT, 1), CHANNEL(since, "since", COL_TIME, 0),
    CHANNEL(waiting, "waiting", COL_INT, 1), AGED(channel_t, oldest, "oldest", "oldest"),
    AGED(channel_t, ok, "sent", "sent"), CHANNEL(next, "next_at", COL_TIME, 0),
    CHANNEL(next, "again", COL_TIME, TABLE_ONLY), CHANNEL(error, "error", COL_TEXT, 1),
    { .name = NULL }
};
static const ctl_list_t channel_list = { "channels", channel_columns, sizeof(channel_t) };

static channel_t *channel_of(apr_array_header_t *channels, const char *name)
{
    channel_t *c;
    int i;

    for (i = 0; i < channels->nelts; i++) {
        c = &APR_ARRAY_IDX(channels, i, channel_t);
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    c = apr_array_push(channels);
    *c = (channel_t){ .name = name, .state = "not configured", .ok = { .age = -1 },
                      .oldest = { .age = -1 } };
    return c;
}

/* "unused": configured, and nothing was ever sent. */
static void add_configured(const ctl_world_t *w, apr_array_header_t *channels)
{
    const apr_array_header_t *all = apr_table_elts(w->settings);
    cfmt_channel_conf_t conf;
    channel_t *c;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        memset(&conf, 0, sizeof(conf));
        if (!strncmp(e->key, NOTIFY, strlen(NOTIFY))
            && !cfmt_channel_read(&conf, e->val, w->p)) {
            c = channel_of(channels, e->key + strlen(NOTIFY));
            c->kind = cfmt_channel_kind_name(conf.kind);
            c->configured = 1;
            c->state = "unused";
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const channel_t *)a)->name, ((const channel_t *)b)->name);
}

static apr_status_t load_channels(const ctl_world_t *w, apr_array_header_t **pchannels)
{
    apr_array_header_t *rows, *channels = apr_array_make(w->p, 8, sizeof(channel_t));
    apr_status_t rv = cfmt_channels_load(w->store, &rows, w->p);
    int i;

    add_configured(w, channels);
    for (i = 0; rv == APR_SUCCESS && i < rows->nelts; i++) {
        const cfmt_channel_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_channel_row_t);
        channel_t *c = channel_of(channels, r->name);

        if (c->configured && (r->ok_at || r->state != CFMT_CHANNEL_OK)) {
            c->state = cfmt_channel_state_name(r->state);
        }
        c->since = r->since;
        c->next = r->next_at > w->now ? r->next_at : 0;
        c->ok = ctl_aged(w, r->ok_at);
        c->waiting = r->depth;
        c->oldest = ctl_aged(w, r->oldest_at);
        c->error = r->error;
    }
    qsort(channels->elts, (size_t)channels->nelts, sizeof(channel_t), by_name);
    *pchannels = channels;
    return rv;
}

/* ---- outbox list ----------------------------------------------------------------------------- */

/* A name that is none is a mistake, and not a channel without messages. */
static int check_channel(const ctl_world_t *w, const apr_array_header_t *channels)
{
    const char *name = w->ctl->operand_count ? w->ctl->operands[0] : NULL, *names = "none";
    int i;

    for (i = 0; name && i < channels->nelts; i++) {
        const channel_t *c = &APR_ARRAY_IDX(channels, i, channel_t);

        names = i ? apr_pstrcat(w->p, names, ", ", c->name, NULL) : c->name;
        if (!strcmp(c->name, name)) {
            return CTL_DONE;
        }
    }
    if (name) {
        ctl_complain(CFMT_ID(1085), "no channel is called '%s'; there are: %s",
                     ctl_text(w->p, name), names);
    }
    return name ? CTL_USAGE : CTL_DONE;
}

int ctl_outbox_list(ctl_t *ctl)
{
    apr_array_header_t *messages, *channels;
    apr_status_t rv;
    ctl_world_t w;
    int code = ctl_world_open(&w, ctl);

    if (code != CTL_DONE) {
        return code;
    }
    rv = load_channels(&w, &channels);
    if (rv == APR_SUCCESS && (code = check_channel(&w, channels)) != CTL_DONE) {
        return code;
    }
    rv = rv == APR_SUCCESS
             ? load_messages(&w, ctl->operand_count ? ctl->operands[0] : NULL, &messages) : rv;
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    if (ctl->json) {
        ctl_list_print(&message_list, messages,
                       apr_pstrcat(w.p, "\"channels\":",
                                   ctl_json_rows(&channel_list, channels, w.p), NULL), ctl, w.p);
    }
    else {
        ctl_list_print(&message_list, messages, NULL, ctl, w.p);
        putchar('\n');
        ctl_list_print(&channel_list, channels, NULL, ctl, w.p);
    }
    if (!channels->nelts) {
        ctl_complain(CFMT_ID(1086), "no channel is configured: httpd's error log is all that tells"
                                    " anybody anything (CfmtNotify)");
    }
    return CTL_DONE;
}

/* ---- outbox show ----------------------------------------------------------------------------- */

static void print_line(const char *name, const char *value, apr_pool_t *p)
{
    if (value && *value) {
        printf("%-10s %s\n", name, ctl_text(p, value));
    }
}

static void print_id(const char *name, apr_int64_t id)
{
    if (id) {
        printf("%-10s message %" APR_INT64_T_FMT "\n", name, id);
    }
}

static void print_time(const char *name, apr_time_t t, apr_pool_t *p)
{
    if (t) {
        printf("%-10s %s\n", name, ctl_time(p, t));
    }
}

/* A line each: what comes from outside cannot make lines of its own. */
static void print_text(const char *text, apr_pool_t *p)
{
    apr_size_t n;

    printf("\n");
    for (; *text; text += n + (text[n] != '\0')) {
        n = strcspn(text, "\n");
        printf("  %s\n", n ? ctl_text(p, apr_pstrmemdup(p, text, n)) : "");
    }
}

static void print_message(const message_t *m, apr_pool_t *p)
{
    printf("message    %" APR_INT64_T_FMT " to %s: %s (%s)\n", m->id, ctl_text(p, m->channel),
           m->kind, m->priority);
    print_line("prefix", m->prefix, p);
    print_line("attack", m->attack, p);
    print_time("happened", m->at, p);
    print_time("made", m->made, p);
    printf("%-10s %s, %" APR_INT64_T_FMT " attempt%s\n", "state", m->state, m->attempts,
           m->attempts == 1 ? "" : "s");
    print_time("not before", m->next, p);
    print_time("sent", m->sent, p);
    print_line("answer", m->answer, p);
    print_id("within", m->folded_into);
    print_id("told for", m->fallback_of);
    print_id("fallback", m->fallback);
    print_line("acked by", m->acked_by, p);
    print_time("acked", m->acked, p);
    print_line("fields", m->fields, p);
    if (m->text) {
        print_text(m->text, p);
    }
}

int ctl_outbox_show(ctl_t *ctl)
{
    cfmt_outbox_row_t row;
    apr_int64_t id;
    apr_status_t rv;
    ctl_world_t w;
    message_t m;
    int code = ctl_pick_id(ctl, ctl->operands[0], "a message", &id);

    if (code != CTL_DONE || (code = ctl_world_open(&w, ctl)) != CTL_DONE) {
        return code;
    }
    rv = cfmt_outbox_get(w.store, &row, id, w.p);
    if (rv == CFMT_EMISSING) {
        ctl_complain(CFMT_ID(1087), "there is no message %" APR_INT64_T_FMT "; 'cfmtctl outbox"
                                    " list' has the newest", id);
        return CTL_FAILED;
    }
    if (rv != APR_SUCCESS) {
        return ctl_world_failed(&w, rv);
    }
    m = view(&row, w.now, w.p);
    if (ctl->json) {
        ctl_json_document(ctl, ctl_json_members(&message_list, &m, w.p));
    }
    else {
        print_message(&m, w.p);
    }
    return CTL_DONE;
}
