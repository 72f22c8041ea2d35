/*
 * What else there is at Cloudflare in a simulated year: tunnels that fail and are replaced, and
 * news of them, of incidents and of maintenances. No withdrawal depends on it; it must not pile up.
 */
#include <apr_strings.h>

#include "model.h"

#define SPELL (6 * HOUR)
#define TUNNELS 3
#define LIVES (40 * DAY) /* so long a tunnel has its name */

static int tunnel_number(int i)
{
    return i ? i : TUNNELS + (int)((m.now - EPOCH) / LIVES);
}

static const char *tunnel_id(int i, apr_pool_t *p)
{
    return apr_psprintf(p, "eeeeeeeeeeeeeeeeeeeeeeeeeeeeee%02x", tunnel_number(i));
}

static const char *tunnel_name(int i, apr_pool_t *p)
{
    return apr_psprintf(p, "gre-%d", tunnel_number(i));
}

/* Most often it is healthy. */
static double tunnel_health(int i)
{
    rnd_t r = { rnd_mix(m.seed ^ (apr_uint64_t)i << 32, (apr_uint64_t)(m.now / SPELL)) };

    return rnd_chance(&r, 15) ? 0 : rnd_chance(&r, 15) ? 0.5 : 1;
}

const char *things_tunnels(apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; m.years && i < TUNNELS; i++) {
        text = apr_pstrcat(p, text, i ? "," : "", "{\"id\":\"", tunnel_id(i, p), "\",\"name\":\"",
                           tunnel_name(i, p), "\",\"customer_gre_endpoint\":\"192.0.2.1\","
                           "\"health_check\":{\"enabled\":true}}", NULL);
    }
    return apr_pstrcat(p, "\"gre_tunnels\":[", text, "]", NULL);
}

const char *things_health(apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; m.years && i < TUNNELS; i++) {
        text = apr_psprintf(p, "%s%s{\"count\":60,\"avg\":{\"tunnelState\":%.1f},\"dimensions\":"
                            "{\"tunnelName\":\"%s\",\"active\":1}}", text, i ? "," : "",
                            tunnel_health(i), tunnel_name(i, p));
    }
    return apr_pstrcat(p, "\"health\":[", text, "]", NULL);
}

/* ---- news ------------------------------------------------------------------------------------ */

static void tell(const char *type, const char *data, apr_pool_t *p)
{
    const char *body = apr_psprintf(p, "{\"account_id\":\"" ACCOUNT "\",\"alert_type\":\"%s\","
                                    "\"data\":{%s},\"text\":\"t\",\"ts\":%" APR_INT64_T_FMT "}",
                                    type, data, apr_time_sec(m.now));

    if (!m.down) {
        (void)eye_append("delivery", "198.51.100.1", body, m.now);
        node_wake(&m.node[0]);
        node_wake(&m.node[1]);
    }
}

/* An incident has two alerts, a maintenance one. */
static void each_spell(void *arg)
{
    int n = (int)((m.now - EPOCH) / SPELL), i = n % TUNNELS;
    apr_pool_t *p;

    apr_pool_create(&p, m.pool);
    tell("incident_alert", apr_psprintf(p, "\"incident_id\":\"i%d\",\"status\":\"%s\"", n / 2,
                                        n % 2 ? "RESOLVED" : "INVESTIGATING"), p);
    if (n % 3 == 0) {
        tell("maintenance_event_notification",
             apr_psprintf(p, "\"maintenance_id\":\"m%d\",\"event_type\":\"SCHEDULED\"", n), p);
    }
    tell("magic_tunnel_health_check_event",
         apr_psprintf(p, "\"tunnel_id\":\"%s\",\"tunnel_name\":\"%s\",\"new_status\":\"%s\"",
                      tunnel_id(i, p), tunnel_name(i, p),
                      tunnel_health(i) > 0.9 ? "HEALTHY" : "DOWN"), p);
    apr_pool_destroy(p);
    agenda_add(m.now + SPELL, each_spell, arg);
}

void things_begin(void)
{
    if (m.years) {
        agenda_add(m.now + HOUR, each_spell, NULL);
    }
}
