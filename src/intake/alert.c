/*
 * The catalogue of alert types, and what a delivery says: body -> event. Bodies vary between
 * accounts and years: numbers come as text, members are missing, types are new. Whatever is there
 * is taken, nothing is required.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "cfmt_intake.h"

#define SUMMARY_MAX 200

/* ---- the catalogue --------------------------------------------------------------------------- */

static const cfmt_alert_type_t types[] = {
    {.name = "advanced_ddos_attack_l4_alert", .priority = CFMT_PRIORITY_HIGH,
     .effect = CFMT_EFFECT_NETWORK},
    {.name = "dos_attack_l4", .priority = CFMT_PRIORITY_HIGH, .effect = CFMT_EFFECT_NETWORK},
    {.name = "advanced_ddos_attack_l7_alert", .priority = CFMT_PRIORITY_HIGH,
     .effect = CFMT_EFFECT_HOST},
    {.name = "dos_attack_l7", .priority = CFMT_PRIORITY_HIGH, .effect = CFMT_EFFECT_HOST},
    {.name = "fbm_dosd_attack", .priority = CFMT_PRIORITY_HIGH, .effect = CFMT_EFFECT_NETWORK},
    {.name = "fbm_volumetric_attack", .priority = CFMT_PRIORITY_MEDIUM,
     .effect = CFMT_EFFECT_NETWORK},
    {.name = "fbm_auto_advertisement", .priority = CFMT_PRIORITY_INFO, .effect = CFMT_EFFECT_NONE},
    {.name = "magic_tunnel_health_check_event", .priority = CFMT_PRIORITY_HIGH,
     .effect = CFMT_EFFECT_ENTITY, .entity_kind = "tunnel"},
    {.name = "bgp_hijack_notification", .priority = CFMT_PRIORITY_CRITICAL,
     .effect = CFMT_EFFECT_NONE},
    {.name = "health_check_status_notification", .priority = CFMT_PRIORITY_MEDIUM,
     .effect = CFMT_EFFECT_ENTITY, .entity_kind = "health_check"},
    {.name = "incident_alert", .priority = CFMT_PRIORITY_MEDIUM, .effect = CFMT_EFFECT_ENTITY,
     .entity_kind = "incident"},
    {.name = "maintenance_event_notification", .priority = CFMT_PRIORITY_INFO,
     .effect = CFMT_EFFECT_ENTITY, .entity_kind = "maintenance"},
    {.name = NULL},
};

static const cfmt_alert_type_t unknown_type = {
    .name = "", .priority = CFMT_PRIORITY_INFO, .effect = CFMT_EFFECT_NONE,
};

const cfmt_alert_type_t *cfmt_alert_types(void)
{
    return types;
}

const cfmt_alert_type_t *cfmt_alert_type(const char *name)
{
    const cfmt_alert_type_t *t;

    for (t = types; name && t->name; t++) {
        if (strcmp(t->name, name) == 0) {
            return t;
        }
    }
    return &unknown_type;
}

const char *cfmt_state_name(cfmt_state_e s)
{
    return s == CFMT_STATE_START ? "start" : s == CFMT_STATE_END ? "end" : "info";
}

const char *cfmt_priority_name(cfmt_priority_e pr)
{
    static const char *const names[] = {
        [CFMT_PRIORITY_INFO] = "INFO",
        [CFMT_PRIORITY_MEDIUM] = "MEDIUM",
        [CFMT_PRIORITY_HIGH] = "HIGH",
        [CFMT_PRIORITY_CRITICAL] = "CRITICAL",
    };

    return names[pr];
}

/* ---- small readers --------------------------------------------------------------------------- */

#define NAMES_MAX 4

/* The first of these members that says something. */
static const char *first_text(const cfmt_json_t *data, const char *const names[])
{
    const char *text = NULL;
    int i;

    for (i = 0; !text && i < NAMES_MAX && names[i]; i++) {
        text = cfmt_json_text(data, names[i]);
    }
    return text;
}

/* ENUM_PREFIX_SOME_WORD -> "some_word"; the prefix may be missing. */
static const char *bare_word(const char *text, const char *prefix, apr_pool_t *p)
{
    apr_size_t len = prefix ? strlen(prefix) : 0;
    char *word, *c;

    if (!text) {
        return NULL;
    }
    if (len && strncasecmp(text, prefix, len) == 0 && text[len]) {
        text += len;
    }
    word = apr_pstrdup(p, text);
    for (c = word; *c; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    return word;
}

/* "ALERT_STATE_EVENT_END" ends in the word END, "SUSPEND" does not. */
static int ends_in_word(const char *s, const char *word)
{
    apr_size_t len = strlen(s), n = strlen(word);

    return len >= n && strcasecmp(s + len - n, word) == 0
           && (len == n || !isalnum((unsigned char)s[len - n - 1]));
}

static int ends_in(const char *s, const char *tail)
{
    apr_size_t len = strlen(s), n = strlen(tail);

    return len >= n && memcmp(s + len - n, tail, n) == 0;
}

static cfmt_state_e read_state(const char *alert_event, cfmt_effect_e effect)
{
    if (alert_event && ends_in_word(alert_event, "START")) {
        return CFMT_STATE_START;
    }
    if (alert_event && ends_in_word(alert_event, "END")) {
        return CFMT_STATE_END;
    }
    /*
     * Real deliveries lack the field: an attack that is told about is one, until it is said to end.
     */
    return effect == CFMT_EFFECT_NETWORK || effect == CFMT_EFFECT_HOST ? CFMT_STATE_START
                                                                       : CFMT_STATE_INFO;
}

/* ---- rates ----------------------------------------------------------------------------------- */

static double read_rate(const cfmt_json_t *data, const char *key)
{
    double v;

    return cfmt_rate_parse(&v, cfmt_json_text(data, key)) == APR_SUCCESS ? v : -1;
}

/* The member's name is the unit, unless its text brings one along. */
static double read_megabits(const cfmt_json_t *data)
{
    const char *text = cfmt_json_text(data, "megabits_per_second");
    double v = read_rate(data, "megabits_per_second");

    v = v >= 0 && isdigit((unsigned char)text[strlen(text) - 1]) ? v * 1e6 : v;
    return v <= CFMT_RATE_MAX ? v : -1; /* 1e18 was in range, its bits are not */
}

/* max_rate is of whatever kind its unit says; without a unit it says nothing. */
static void read_max_rate(cfmt_event_t *e, const cfmt_json_t *data)
{
    const char *text = cfmt_json_text(data, "max_rate");
    double v = read_rate(data, "max_rate");

    if (v < 0) {
        return;
    }
    if (ends_in(text, "pps") || ends_in(text, "packets/s")) {
        e->pps = e->pps < 0 ? v : e->pps;
    }
    else if (ends_in(text, "rps")) {
        e->rps = e->rps < 0 ? v : e->rps;
    }
    else if (ends_in(text, "bps") || ends_in(text, "/s")) {
        e->bps = e->bps < 0 ? v : e->bps;
    }
}

static void read_rates(cfmt_event_t *e, const cfmt_json_t *data)
{
    e->pps = read_rate(data, "packets_per_second");
    if (e->pps < 0) {
        e->pps = read_rate(data, "packets_per_second_string");
    }
    e->bps = read_rate(data, "bits_per_second");
    if (e->bps < 0) {
        e->bps = read_megabits(data);
    }
    e->rps = read_rate(data, "requests_per_second");
    read_max_rate(e, data);
}

/* ---- targets --------------------------------------------------------------------------------- */

static void take_address(cfmt_event_t *e, const char *text)
{
    cfmt_cidr_t c;

    if (!text) {
        return;
    }
    if (cfmt_cidr_parse(&c, NULL, text) != APR_SUCCESS) {
        e->target = e->target ? e->target : text;
        return;
    }
    /*
     * Of two readable targets the wider counts: an attack must not be taken for smaller than it is.
     */
    if (!e->target_cidr.family || cfmt_cidr_contains(&c, &e->target_cidr)) {
        e->target_cidr = c;
    }
}

static void read_host(cfmt_event_t *e, const cfmt_json_t *data)
{
    static const char *const names[] = {"target_hostname", "zone_name", "target_zone_name", NULL};

    e->target = first_text(data, names);
}

/* A single status names its prefix as the target; several stand in the summary. */
static const cfmt_json_t *advertise_statuses(const cfmt_json_t *data)
{
    const cfmt_json_t *list = cfmt_json_get(data, "advertise_status");

    return list ? list->child : NULL;
}

static void read_target(cfmt_event_t *e, const cfmt_json_t *data, apr_pool_t *p)
{
    static const char *const names[] = {"target_ip", "prefix", "prefix_hijacked",
                                        "prefix_configured"};
    const cfmt_json_t *status = advertise_statuses(data);
    int i;

    if (e->effect == CFMT_EFFECT_HOST) {
        read_host(e, data);
        return;
    }
    for (i = 0; i < 4 && (i < 2 || !e->target_cidr.family); i++) {
        take_address(e, cfmt_json_text(data, names[i]));
    }
    if (e->effect == CFMT_EFFECT_NONE && status && !status->next) {
        take_address(e, cfmt_json_text(status, "prefix"));
    }
    if (e->target_cidr.family) {
        e->target = cfmt_cidr_format(p, &e->target_cidr);
    }
}

/* ---- entities -------------------------------------------------------------------------------- */

typedef struct entity_reader_t {
    const char *kind;
    const char *title; /* for the summary */
    const char *id[NAMES_MAX];
    const char *name[NAMES_MAX];
    const char *state[NAMES_MAX];
    const char *strip;  /* prefix of the state's enumeration */
    const char *detail[NAMES_MAX]; /* what the summary shows in brackets */
} entity_reader_t;

static const entity_reader_t entities[] = {
    {.kind = "tunnel", .title = "Tunnel", .id = {"tunnel_id", "tunnel_name"},
     .name = {"tunnel_name"}, .state = {"new_status", "tunnel_status", "status"},
     .strip = "MAGIC_TUNNEL_STATUS_", .detail = {"pop_names", "mwan_site_name"}},
    {.kind = "health_check", .title = "Health check", .id = {"health_check_id"},
     .name = {"health_check_name", "name"},
     .state = {"new_health_status", "new_status", "status"}, .detail = {"reason"}},
    {.kind = "incident", .title = "Cloudflare incident", .id = {"incident_id", "id"},
     .name = {"incident_name"}, .state = {"incident_status", "status"},
     .strip = "INCIDENT_STATUS_", .detail = {"message"}},
    {.kind = "maintenance", .title = "Cloudflare maintenance", .id = {"maintenance_id"},
     .name = {"airport_code"}, .state = {"event_type"}, .strip = "MAINTENANCE_EVENT_TYPE_",
     .detail = {"scheduled_start"}},
    {.kind = NULL, .title = "Entity"}, /* a kind nobody described: reads nothing */
};

static const entity_reader_t *entity_reader(const char *kind)
{
    const entity_reader_t *r;

    for (r = entities; r->kind && strcmp(r->kind, kind) != 0; r++) {
    }
    return r;
}

static void read_entity(cfmt_event_t *e, const cfmt_json_t *data, const char *kind, apr_pool_t *p)
{
    const entity_reader_t *r = entity_reader(kind);

    e->entity_kind = kind;
    e->entity_id = first_text(data, r->id);
    e->entity_name = first_text(data, r->name);
    e->entity_state = bare_word(first_text(data, r->state), r->strip, p);
}

/* ---- priority -------------------------------------------------------------------------------- */

static int is_failed_status(const char *status)
{
    return status
           && (strcasecmp(status, "locked") == 0 || strcasecmp(status, "could not advertise") == 0
               || strcasecmp(status, "could_not_advertise") == 0
               || strcasecmp(status, "error") == 0);
}

static const char *status_word(const cfmt_json_t *status)
{
    return cfmt_json_text(status, "status");
}

/* Cloudflare tried to advertise and did not: only a person can help. */
static int advertise_failed(const cfmt_json_t *data)
{
    const cfmt_json_t *s;

    for (s = advertise_statuses(data); s; s = s->next) {
        if (is_failed_status(status_word(s))) {
            return 1;
        }
    }
    return 0;
}

static cfmt_priority_e impact_priority(const char *impact, cfmt_priority_e unsaid)
{
    if (!impact) {
        return unsaid;
    }
    return ends_in_word(impact, "CRITICAL") ? CFMT_PRIORITY_CRITICAL
           : ends_in_word(impact, "MAJOR")  ? CFMT_PRIORITY_HIGH
           : ends_in_word(impact, "MINOR")  ? CFMT_PRIORITY_MEDIUM
           : ends_in_word(impact, "NONE")   ? CFMT_PRIORITY_INFO
                                            : unsaid;
}

static cfmt_priority_e read_priority(const cfmt_alert_type_t *type, const cfmt_json_t *data)
{
    static const char *const impact[] = {"incident_impact", "impact", NULL};
    const char *kind = type->entity_kind;

    if (strcmp(type->name, "fbm_auto_advertisement") == 0) {
        return advertise_failed(data) ? CFMT_PRIORITY_CRITICAL : type->priority;
    }
    if (kind && (strcmp(kind, "incident") == 0 || strcmp(kind, "maintenance") == 0)) {
        return impact_priority(first_text(data, impact), type->priority);
    }
    return type->priority;
}

/* ---- the one line for people ----------------------------------------------------------------- */

static const char *with_rate(const char *line, double v, const char *unit, apr_pool_t *p)
{
    return v > 0 ? apr_pstrcat(p, line, ", ", cfmt_rate_format(p, v, unit), NULL) : line;
}

static const char *with_statuses(const char *line, const cfmt_json_t *data, apr_pool_t *p)
{
    const cfmt_json_t *s;
    const char *prefix, *word;

    for (s = advertise_statuses(data); s && strlen(line) <= SUMMARY_MAX; s = s->next) {
        prefix = cfmt_json_text(s, "prefix");
        word = status_word(s);
        if (prefix || word) {
            line = apr_pstrcat(p, line, ", ", prefix ? prefix : "a prefix", " ",
                               word ? word : "without a status", NULL);
        }
    }
    return line;
}

/* "203.0.113.0/24 Advertised, 192.0.2.0/24 Locked" */
static const char *read_statuses(const cfmt_json_t *data, apr_pool_t *p)
{
    const char *line = with_statuses("", data, p);

    return *line ? line + 2 : NULL;
}

/* "UDP Flood on 203.0.113.7, 1.2 Mpps, 6.4 Gbps" */
static const char *attack_line(const cfmt_event_t *e, const cfmt_json_t *data, apr_pool_t *p)
{
    const char *what = e->vector ? e->vector : e->rule ? e->rule : "Attack";
    const char *line = apr_pstrcat(p, what, " on ", e->target ? e->target : "an unnamed target",
                                   e->state == CFMT_STATE_END ? " ended" : "", NULL);

    line = with_rate(line, e->pps, "pps", p);
    line = with_rate(line, e->bps, "bps", p);
    line = with_rate(line, e->rps, "rps", p);
    return with_statuses(line, data, p);
}

/* "Tunnel gre-zrh: down (ZRH, MXP)" */
static const char *entity_line(const cfmt_event_t *e, const cfmt_json_t *data, apr_pool_t *p)
{
    const entity_reader_t *r = entity_reader(e->entity_kind);
    const char *name = e->entity_name ? e->entity_name : e->entity_id;
    const char *detail = first_text(data, r->detail);

    return apr_pstrcat(p, r->title, name ? " " : "", name ? name : "", ": ",
                       e->entity_state ? e->entity_state : "no state given",
                       detail ? " (" : "", detail ? detail : "", detail ? ")" : "", NULL);
}

static const char *hijack_line(const cfmt_json_t *data, apr_pool_t *p)
{
    const char *seen = cfmt_json_text(data, "prefix_hijacked");
    const char *by = cfmt_json_text(data, "hijack_as");
    const char *ours = cfmt_json_text(data, "prefix_configured");

    return apr_pstrcat(p, "BGP: ", seen ? seen : "a prefix", " announced by ", by ? "AS " : "",
                       by ? by : "an unnamed network", ours ? ", configured is " : "",
                       ours ? ours : "", NULL);
}

/* An unknown type speaks for itself: the first line of its text that is not blank. */
static const char *text_line(const cfmt_json_t *doc, apr_pool_t *p)
{
    static const char *const names[] = {"text", "policy_name", "name", "alert_type"};
    const char *text = first_text(doc, names);

    if (!text) {
        return "A notification without text";
    }
    text += strspn(text, " \t\r\n");
    return apr_pstrndup(p, text, strcspn(text, "\r\n"));
}

static const char *read_summary(const cfmt_event_t *e, const cfmt_json_t *doc,
                                const cfmt_json_t *data, apr_pool_t *p)
{
    const char *type = e->alert_type ? e->alert_type : "";
    const char *line;

    if (e->effect == CFMT_EFFECT_NETWORK || e->effect == CFMT_EFFECT_HOST) {
        line = attack_line(e, data, p);
    }
    else if (e->effect == CFMT_EFFECT_ENTITY) {
        line = entity_line(e, data, p);
    }
    else if (strcmp(type, "bgp_hijack_notification") == 0) {
        line = hijack_line(data, p);
    }
    else if (strcmp(type, "fbm_auto_advertisement") == 0) {
        line = apr_pstrcat(p, "Auto-advertisement by ", e->rule ? e->rule : "an unnamed rule",
                           NULL);
        line = with_statuses(line, data, p);
    }
    else {
        line = text_line(doc, p);
    }
    return cfmt_text_escape(p, line, strlen(line), SUMMARY_MAX);
}

/* ---- body -> event --------------------------------------------------------------------------- */

static void read_envelope(cfmt_event_t *e, const cfmt_delivery_t *d, const char *ours_account)
{
    e->source = d->is_test ? "test" : "alert";
    e->alert_type = d->alert_type;
    e->digest = d->digest;
    e->ts = d->has_ts ? d->ts : e->at;
    e->account = cfmt_json_text(d->doc, "account_id");
    e->ours = !e->account || !ours_account || strcasecmp(e->account, ours_account) == 0;
    e->policy_id = cfmt_json_text(d->doc, "policy_id");
    e->policy_name = cfmt_json_text(d->doc, "policy_name");
    e->correlation_id = cfmt_json_text(d->doc, "alert_correlation_id");
}

static void read_data(cfmt_event_t *e, const cfmt_json_t *data, apr_pool_t *p)
{
    static const char *const vectors[] = {"attack_vector", "attack_type", NULL};

    e->attack_id = cfmt_json_text(data, "attack_id");
    e->vector = first_text(data, vectors);
    e->protocol = cfmt_json_text(data, "protocol");
    e->rule = cfmt_json_text(data, "rule_name");
    e->hijack_as = cfmt_json_text(data, "hijack_as");
    e->configured = cfmt_json_text(data, "prefix_configured");
    if (cfmt_time_parse(&e->start, cfmt_json_text(data, "start_time")) != APR_SUCCESS) {
        e->start = 0;
    }
    read_rates(e, data);
    read_target(e, data, p);
}

apr_status_t cfmt_event_read(cfmt_event_t *e, const char *body, apr_size_t len, apr_time_t at,
                             const char *ours_account, apr_pool_t *p)
{
    const cfmt_alert_type_t *type;
    const cfmt_json_t *data;
    cfmt_delivery_t d;
    const char *why;
    apr_status_t rv = cfmt_delivery_parse(&d, &why, body, len, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    memset(e, 0, sizeof(*e));
    e->at = at;
    data = cfmt_json_get(d.doc, "data"); /* readers of NULL or of another type find nothing */
    type = cfmt_alert_type(d.alert_type);
    e->effect = type->effect;
    read_envelope(e, &d, ours_account);
    e->state = read_state(d.state, type->effect);
    e->priority = read_priority(type, data);
    read_data(e, data, p);
    if (type->entity_kind) {
        read_entity(e, data, type->entity_kind, p);
    }
    e->statuses = read_statuses(data, p);
    e->summary = read_summary(e, d.doc, data, p);
    return APR_SUCCESS;
}

/* ---- where it hits --------------------------------------------------------------------------- */

apr_array_header_t *cfmt_prefix_hits(const cfmt_cidr_t *target, const apr_array_header_t *prefixes,
                                     apr_pool_t *p)
{
    apr_array_header_t *hits = apr_array_make(p, 4, sizeof(int));
    const cfmt_cidr_t *c;
    int i, smallest = -1, bits = -1;

    for (i = 0; i < prefixes->nelts; i++) {
        c = &APR_ARRAY_IDX(prefixes, i, cfmt_prefix_t).cidr;
        if (cfmt_cidr_contains(c, target) && c->bits > bits) {
            smallest = i;
            bits = c->bits;
        }
        else if (cfmt_cidr_contains(target, c)) {
            APR_ARRAY_PUSH(hits, int) = i;
        }
    }
    if (smallest >= 0) {
        hits->nelts = 0;
        APR_ARRAY_PUSH(hits, int) = smallest;
    }
    return hits;
}
