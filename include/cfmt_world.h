/*
 * What the world outside looks like to us: plain structs that Cloudflare's answers become, that the
 * store keeps and that decisions are made of. No functions: each room has its own for them.
 * Three-valued members: 1 yes, 0 no, -1 not said (a decision never takes -1 for either).
 */
#ifndef CFMT_WORLD_H
#define CFMT_WORLD_H

#include "cfmt.h"

/* A BGP prefix as the API lists it (shared facts: README 2.4). */
typedef struct cfmt_bgp_prefix_t {
    const char *id;           /* of the BGP prefix; checked by cfmt_id_ok */
    const char *parent;       /* id of the IP prefix it belongs to */
    cfmt_cidr_t cidr;
    const char *description;  /* the IP prefix's; NULL = none */
    apr_int64_t asn;          /* 0 = not said */
    int approved;             /* the IP prefix is "V" */
    int enabled;              /* on_demand_enabled */
    int locked;               /* on_demand_locked */
    int bgp_control;          /* bgp_signal_opts.enabled: not ours to change by the API */
    int auto_withdraw;        /* auto_advertise_withdraw */
    int advertised;           /* on_demand.advertised: the wish, not the propagation */
    apr_time_t advertised_at; /* on_demand.advertised_modified_at; 0 = not said */
    apr_time_t modified_at;   /* 0 = not said */
} cfmt_bgp_prefix_t;

typedef enum { CFMT_TUNNEL_GRE, CFMT_TUNNEL_IPSEC, CFMT_TUNNEL_INTERCONNECT } cfmt_tunnel_e;

/* A tunnel or interconnect, with its health as analytics reported it. */
typedef struct cfmt_tunnel_t {
    const char *id;
    cfmt_tunnel_e kind;
    const char *name;     /* analytics knows it by this */
    const char *endpoint; /* the customer's end, as text; NULL = none */
    int checked;          /* health checks are on */
    int active;           /* had traffic in the last 6 h */
    double health;        /* 0 down .. 1 healthy, mean over the colos; < 0 = no reading */
} cfmt_tunnel_t;

/* A monitoring rule: its alerts name it, and mean its prefixes. */
typedef struct cfmt_rule_t {
    const char *id, *name;
    const char *type;             /* "threshold", "zscore", "advanced_ddos" */
    apr_array_header_t *prefixes; /* cfmt_cidr_t, sorted */
    int automatic;                /* automatic_advertisement */
} cfmt_rule_t;

/* A notification policy. */
typedef struct cfmt_notice_policy_t {
    const char *id, *name, *alert_type;
    int enabled;
    apr_array_header_t *webhooks; /* const char *: ids of destinations */
} cfmt_notice_policy_t;

/* A webhook destination of notifications. */
typedef struct cfmt_destination_t {
    const char *id, *name, *url;
    apr_time_t last_success, last_failure; /* 0 = never */
} cfmt_destination_t;

/* A notification that Cloudflare says it sent. */
typedef struct cfmt_notice_t {
    const char *id, *alert_type, *policy_id;
    const char *mechanism; /* "webhook", "email", ... */
    const char *body;      /* alert_body */
    apr_time_t sent;
} cfmt_notice_t;

/* A delivery in the journal, as far as matching it with a notice needs it. */
typedef struct cfmt_delivered_t {
    apr_int64_t id;                     /* of the journal row */
    const char *body;
    apr_size_t len;
    const char *policy_id, *alert_type; /* NULL = absent */
    apr_time_t ts;
} cfmt_delivered_t;

/* What the API says of the token in use. */
typedef struct cfmt_token_t {
    const char *status;    /* "active", "disabled", "expired" */
    apr_time_t expires_at; /* 0 = never */
    apr_time_t not_before; /* 0 = none */
} cfmt_token_t;

/* Who dropped a packet (mitigationSystem). */
typedef enum {
    CFMT_SYSTEM_DOSD,
    CFMT_SYSTEM_FLOWTRACKD,
    CFMT_SYSTEM_FIREWALL, /* magic-firewall: the customer's own rules */
    CFMT_SYSTEM_OTHER,    /* a word that is not known here */
    CFMT_SYSTEMS
} cfmt_system_e;

/* Cloudflare's words for them, as the beginning of a table. */
#define CFMT_SYSTEM_WORDS \
    [CFMT_SYSTEM_DOSD] = "dosd", [CFMT_SYSTEM_FLOWTRACKD] = "flowtrackd", \
    [CFMT_SYSTEM_FIREWALL] = "magic-firewall"

/* Traffic of one prefix in one minute as analytics estimate it from samples: totals, not rates. */
typedef struct cfmt_traffic_t {
    double packets[CFMT_SYSTEMS], bits[CFMT_SYSTEMS]; /* dropped */
    double passed_packets, passed_bits;
} cfmt_traffic_t;

/* One minute of one prefix, with what is known about how well it was read. */
typedef struct cfmt_minute_t {
    apr_time_t at;      /* its start */
    cfmt_traffic_t traffic;
    int read;           /* an answer that was not cut covered it */
    int complete;       /* the account has rows newer than its end, and the lag has passed */
    int idle;           /* the account had no traffic at all: nothing proves that rows would come */
} cfmt_minute_t;

#define CFMT_MINUTE apr_time_from_sec(60)

/* Packets of one minute that Cloudflare's DDoS protection took for an attack and that are alike. */
typedef struct cfmt_detail_t {
    apr_time_t minute;              /* its start */
    cfmt_cidr_t source, target;     /* hosts; family 0 = not said */
    const char *vector, *rule_id, *rule; /* NULL = not said, as below */
    apr_int64_t asn;                /* of the source; 0 = not said */
    const char *asn_name, *country; /* of the source; country: ISO 3166 */
    int source_port, target_port;   /* 0 = not said, or none in that protocol */
    const char *protocol, *flags, *colo;
    double packets, bits;           /* estimated from samples: totals, not rates */
} cfmt_detail_t;

#endif
