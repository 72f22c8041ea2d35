/*
 * Bodies that look like Cloudflare's, one for each type of alert that has a meaning here: the
 * documented members with values that could be true. Marked by their first member and by the name
 * of the policy, so that nobody takes them for the real thing.
 */
#include <string.h>

#include <apr_strings.h>

#include "endpoint.h"

#define PPS "250000"
#define MBPS "1200"
#define VECTOR "UDP Flood"

static const char *start_of(const ctl_sample_t *s, apr_pool_t *p)
{
    return cfmt_time_format(p, s->now - s->now % APR_USEC_PER_SEC);
}

/* The same for START and END. */
static const char *id_of(const ctl_sample_t *s, apr_pool_t *p)
{
    const char *what = apr_pstrcat(p, s->type, " ", s->target, NULL);

    return apr_psprintf(p, "cfmtctl%016" APR_UINT64_T_HEX_FMT,
                        (apr_uint64_t)cfmt_digest64(what, strlen(what)));
}

/* ---- data, one a form ------------------------------------------------------------------------ */

static const char *layer4(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"account_name\":\"cfmtctl\",\"action\":\"block\",\"attack_id\":\"%s\","
           "\"attack_vector\":\"" VECTOR "\",\"max_rate\":\"" PPS ".00 pps\","
           "\"megabits_per_second\":" MBPS ",\"mitigation\":\"block\",\"packets_per_second\":" PPS
           ",\"protocol\":\"UDP\",\"rule_name\":\"" VECTOR "\",\"severity\":\"INFO\","
           "\"start_time\":\"%s\",\"target_ip\":\"%s\",\"target_port\":53}",
        id_of(s, p), start_of(s, p), s->target);
}

static const char *layer7(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"account_name\":\"cfmtctl\",\"action\":\"block\",\"attack_id\":\"%s\","
           "\"attack_type\":\"HTTP flood\",\"max_rate\":\"4000.00 rps\",\"mitigation\":\"block\","
           "\"requests_per_second\":4000,\"severity\":\"INFO\",\"start_time\":\"%s\","
           "\"target_hostname\":\"www.example.com\",\"zone_name\":\"example.com\"}",
        id_of(s, p), start_of(s, p));
}

static const char *flow(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"advertise_status\":[],\"attack_id\":\"%s\",\"attack_type\":\"" VECTOR "\","
           "\"auto_advertised\":false,\"max_rate\":\"" PPS ".00 pps\",\"megabits_per_second\":\""
           MBPS "\",\"packets_per_second\":\"" PPS "\",\"protocol\":\"UDP\",\"rule_name\":"
           "\"cfmtctl\",\"severity\":\"INFO\",\"start_time\":\"%s\",\"target_ip\":\"%s\","
           "\"target_port\":53}",
        id_of(s, p), start_of(s, p), s->target);
}

static const char *volumetric(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"attack_id\":\"%s\",\"auto_advertised\":false,\"bits_per_second\":\"1.2Gb/s\","
           "\"packets_per_second\":" PPS ",\"prefix\":\"%s\",\"rule_duration\":\"1m0s\","
           "\"rule_name\":\"cfmtctl\",\"rule_threshold\":\"100000 packets\",\"severity\":\"INFO\","
           "\"start_time\":\"%s\"}",
        id_of(s, p), s->prefix, start_of(s, p));
}

/* No cause of anything: "Already Advertised" proves none. */
static const char *advertisement(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"advertise_status\":[{\"prefix\":\"%s\",\"status\":\"Already Advertised\"}],"
           "\"attack_type\":\"volumetric\",\"rule_name\":\"cfmtctl\",\"start_time\":\"%s\"}",
        s->prefix, start_of(s, p));
}

static const char *tunnel(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"event_ts\":\"%s\",\"mwan_site_name\":\"\",\"new_status\":\"MAGIC_TUNNEL_STATUS_%s\","
           "\"observed_slo\":\"%s\",\"pop_names\":\"ZRH, MXP\",\"previous_status\":"
           "\"MAGIC_TUNNEL_STATUS_%s\",\"severity\":\"INFO\",\"slo\":\"98.0\",\"tunnel_id\":"
           "\"cfmtctl\",\"tunnel_name\":\"cfmtctl-sample\"}",
        start_of(s, p), s->end ? "UP" : "DOWN", s->end ? "99.9" : "85.5",
        s->end ? "DOWN" : "UP");
}

static const char *hijack(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"ASNs_seen\":[\"64500\"],\"account_name\":\"cfmtctl\",\"additional_info\":\"a sample"
           " of cfmtctl\",\"alert_priority_level\":\"CRITICAL\",\"alert_start_time\":\"%s\","
           "\"alert_title\":\"Possible route leak\",\"alert_type\":\"%s\",\"hijack_as\":\"64500\","
           "\"prefix_configured\":\"%s\",\"prefix_hijacked\":\"%s\"}",
        start_of(s, p), s->type, s->prefix, s->prefix);
}

static const char *health_check(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"failing_regions\":\"Western Europe\",\"health_check_id\":\"cfmtctl\","
           "\"health_check_name\":\"cfmtctl-sample\",\"new_health_status\":\"%s\",\"new_status\":"
           "\"%s\",\"old_status\":\"%s\",\"origin_ip\":\"%s\",\"reason\":\"%s\","
           "\"status_change_time\":\"%s\"}",
        s->end ? "Healthy" : "Unhealthy", s->end ? "Healthy" : "Unhealthy",
        s->end ? "Unhealthy" : "Healthy", s->target,
        s->end ? "No failures" : "TCP connection failed", start_of(s, p));
}

static const char *incident(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"affected_components\":[{\"id\":\"cfmtctl\",\"name\":\"Magic Transit\"}],"
           "\"created_at\":\"%s\",\"id\":\"cfmtctl\",\"incident_created_at\":\"%s\","
           "\"incident_id\":\"cfmtctl\",\"incident_impact\":\"INCIDENT_IMPACT_MINOR\","
           "\"incident_name\":\"a sample of cfmtctl\",\"incident_status\":\"INCIDENT_STATUS_%s\","
           "\"message\":\"a sample of cfmtctl\",\"status\":\"INCIDENT_STATUS_%s\"}",
        start_of(s, p), start_of(s, p), s->end ? "RESOLVED" : "INVESTIGATING",
        s->end ? "RESOLVED" : "INVESTIGATING");
}

static const char *maintenance(const ctl_sample_t *s, apr_pool_t *p)
{
    return apr_psprintf(
        p, "{\"airport_code\":\"LHR\",\"event_type\":\"MAINTENANCE_EVENT_TYPE_%s\","
           "\"maintenance_id\":\"cfmtctl\",\"scheduled_end\":\"%s\",\"scheduled_start\":\"%s\"}",
        s->end ? "CANCELED" : "SCHEDULED",
        cfmt_time_format(p, s->now + apr_time_from_sec(90000)),
        cfmt_time_format(p, s->now + apr_time_from_sec(86400)));
}

static const struct {
    const char *type;
    const char *(*data)(const ctl_sample_t *s, apr_pool_t *p);
} forms[] = {
    { .type = "advanced_ddos_attack_l4_alert", .data = layer4 },
    { .type = "dos_attack_l4", .data = layer4 },
    { .type = "advanced_ddos_attack_l7_alert", .data = layer7 },
    { .type = "dos_attack_l7", .data = layer7 },
    { .type = "fbm_dosd_attack", .data = flow },
    { .type = "fbm_volumetric_attack", .data = volumetric },
    { .type = "fbm_auto_advertisement", .data = advertisement },
    { .type = "magic_tunnel_health_check_event", .data = tunnel },
    { .type = "bgp_hijack_notification", .data = hijack },
    { .type = "health_check_status_notification", .data = health_check },
    { .type = "incident_alert", .data = incident },
    { .type = "maintenance_event_notification", .data = maintenance },
    { .type = NULL }
};

/* ---- the whole ------------------------------------------------------------------------------- */

static apr_size_t form_of(const char *type)
{
    apr_size_t i;

    for (i = 0; forms[i].type && strcmp(forms[i].type, type); i++) {
    }
    return i;
}

int ctl_sample_has(const char *type)
{
    return forms[form_of(type)].type != NULL;
}

const char *ctl_sample(const ctl_sample_t *s, apr_pool_t *p)
{
    const char *name = cfmt_json_quote(p, apr_pstrcat(p, "cfmtctl, by ", s->who, NULL));

    return apr_psprintf(
        p, "{%s,\"name\":%s,\"text\":\"A sample that cfmtctl made.\",\"data\":%s,\"ts\":%"
           APR_TIME_T_FMT "%s%s%s,\"policy_id\":\"00000000000000000000000000000000\","
           "\"policy_name\":%s,\"alert_type\":\"%s\",\"alert_correlation_id\":\"c%s\","
           "\"alert_event\":\"ALERT_STATE_EVENT_%s\"}",
        s->mark, name, forms[form_of(s->type)].data(s, p), apr_time_sec(s->now),
        s->account ? ",\"account_id\":\"" : "", s->account ? s->account : "",
        s->account ? "\"" : "", name, s->type, id_of(s, p), s->end ? "END" : "START");
}

/* ---- what it hits ---------------------------------------------------------------------------- */

/* The one that an attack could be answered for; else whatever is configured. */
static int choose(cfmt_cidr_t *cidr, const ctl_world_t *w, const apr_array_header_t *rows)
{
    const apr_array_header_t *lines = ctl_lines(w);
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(rows, i, cfmt_prefix_row_t);

        if (!r->gone && cfmt_advertisable(&r->b)) {
            *cidr = r->b.cidr;
            return 1;
        }
    }
    for (i = 0; i < lines->nelts; i++) {
        if (APR_ARRAY_IDX(lines, i, ctl_line_t).cidr.family) {
            *cidr = APR_ARRAY_IDX(lines, i, ctl_line_t).cidr;
            return 1;
        }
    }
    return 0;
}

int ctl_sample_target(ctl_sample_t *s, const ctl_world_t *w, int at)
{
    apr_array_header_t *rows;
    cfmt_cidr_t cidr;
    int code, bytes;
    apr_status_t rv = cfmt_prefixes_load(w->store, &rows, w->p);

    if (rv != APR_SUCCESS) {
        return ctl_world_failed(w, rv);
    }
    if (w->ctl->operand_count > at) {
        code = ctl_pick(w, rows, w->ctl->operands[at], &cidr);
        if (code != CTL_DONE) {
            return code;
        }
    }
    else if (!choose(&cidr, w, rows)) {
        ctl_complain(CFMT_ID(1185), "no prefix is known that could be attacked: configure one by"
                     " CfmtPrefix; 'cfmtctl prefixes' lists them");
        return CTL_FAILED;
    }
    s->prefix = cfmt_cidr_format(w->p, &cidr);
    bytes = cidr.family == 4 ? 4 : 16;
    if (cidr.bits < bytes * 8) {
        cidr.addr[bytes - 1] |= 1;
        cidr.bits = bytes * 8;
    }
    s->target = cfmt_cidr_format(w->p, &cidr);
    s->account = apr_table_get(w->settings, "AccountId");
    return CTL_DONE;
}
