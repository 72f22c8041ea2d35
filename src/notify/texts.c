/*
 * The built-in texts, one for each kind of news. Whoever reads them was asleep: the first line says
 * what changed and where; then target, vector and rate, since when, what happens next and when, the
 * command to look closer, the mode. docs/notifications.md shows them; a unit test compares.
 */
#include "message.h"

#define F(name) ((apr_uint64_t)1 << CFMT_FIELD_##name)
#define COMMON \
    (F(PREFIX) | F(AT) | F(SINCE_AT) | F(NEXT) | F(NEXT_AT) | F(LOOK) | F(MODE) | F(CAUSE) \
     | F(WHO) | F(REASON) | F(NUMBER) | F(SUMMARY) | F(STATE) | F(DURATION))
#define ATTACKS \
    (F(ATTACK) | F(TARGET) | F(VECTOR) | F(PROTOCOL) | F(TYPE) | F(PPS) | F(BPS) | F(RATE) \
     | F(PEAK_PPS) | F(PEAK_BPS) | F(PEAK) | F(DROPPED_PPS) | F(SOURCES) | F(SPOOFED) | F(ACCOUNT) \
     | F(COUNT))
#define INTENTS (F(INTENT) | F(TYPE) | F(ERROR))

#define HIT "Target: [{target}] [(attack {attack})]\nVector: [{vector}] [({protocol})]\n"
#define FROM "Sources: [{sources}] [({spoofed} spoofed)]\n"
#define SINCE "Since: {since_at}\n"
#define WHY "Why: {reason}\n"
#define END "Next: [{next}] [at {next_at}]\nLook: {look}\nMode: {mode}"

static const cfmt_text_t texts[CFMT_NEWS_COUNT] = {
    [CFMT_NEWS_NOT_PROTECTED] = {
        .fields = COMMON | ATTACKS, .many = "times under attack and NOT PROTECTED",
        .text = "NOT PROTECTED: {prefix} is under attack and not advertised[ ({number} call)]\n"
                HIT "Rate: {rate}\n" SINCE WHY END,
    },
    [CFMT_NEWS_HIJACK] = {
        .fields = COMMON | F(ASN) | F(SEEN) | F(EXPECTED) | F(ATTACK),
        .many = "hijack alerts",
        .text = "POSSIBLE HIJACK of {prefix}[: {seen} is announced][ by AS{asn}]\n"
                "Expected: {expected}\n" SINCE WHY END,
    },
    [CFMT_NEWS_REVERSED] = {
        .fields = COMMON | ATTACKS | INTENTS, .many = "withdrawals reversed by an attack",
        .text = "Attack during the withdrawal of {prefix}: it is to be advertised again\n"
                HIT "Rate: {rate}\n" SINCE WHY END,
    },
    [CFMT_NEWS_LOCKED] = {
        .fields = COMMON | ATTACKS, .many = "times LOCKED under attack",
        .text = "{prefix} is LOCKED by Cloudflare while under attack: it cannot be advertised\n"
                HIT "Rate: {rate}\n" SINCE WHY END,
    },
    [CFMT_NEWS_AUTO_FAILED] = {
        .fields = COMMON | ATTACKS, .many = "times Cloudflare did NOT advertise by itself",
        .text = "Cloudflare did NOT advertise by itself[: {state}]\n"
                HIT "Rate: {rate}\n" SINCE WHY END,
    },
    [CFMT_NEWS_TOKEN] = {
        .fields = COMMON | F(DAYS) | F(UNTIL_AT) | F(NAME) | F(ERROR), .many = "API token troubles",
        .text = "API token [{name}] {state}[ in {days}]\n"
                "Expires: {until_at}\nError: {error}\n" SINCE WHY END,
    },
    [CFMT_NEWS_BLIND] = {
        .fields = COMMON | F(ERROR), .many = "times blind",
        .text = "BLIND: nothing is known of the traffic[ of {prefix}][: {state}]\n"
                SINCE "Error: {error}\n" WHY END,
    },
    [CFMT_NEWS_FAILED] = {
        .fields = COMMON | ATTACKS | INTENTS, .many = "failures to change BGP",
        .text = "FAILED to {type} {prefix}[ for the {number} time]\n"
                "Error: {error}\nIntent: [{intent}] [for attack {attack}] [by {who}]\n"
                SINCE WHY END,
    },
    [CFMT_NEWS_REFUSED] = {
        .fields = COMMON | ATTACKS | INTENTS, .many = "changes of BGP refused",
        .text = "Refused: Cloudflare will not {type} {prefix}\n"
                "Error: {error}\nIntent: [{intent}] [for attack {attack}] [by {who}]\n"
                SINCE WHY END,
    },
    [CFMT_NEWS_ATTACK_START] = {
        .fields = COMMON | ATTACKS, .many = "attacks began",
        .text = "Attack on {prefix}[: {vector}][, {rate}][ ({state})]\n"
                "Target: [{target}] [(attack {attack})]\nProtocol: {protocol}\n"
                "Account: {account}, which is not ours\n" FROM SINCE WHY END,
    },
    [CFMT_NEWS_AUTO_ADVERTISE] = {
        .fields = COMMON | ATTACKS, .many = "reports of Cloudflare's auto-advertise",
        .text = "Cloudflare's auto-advertise[: {state}]\n"
                HIT "Rate: {rate}\n" SINCE WHY END,
    },
    [CFMT_NEWS_ADVERTISED] = {
        .fields = COMMON | ATTACKS | INTENTS, .many = "prefixes advertised",
        .text = "Advertised: {prefix} goes through Cloudflare[ ({state})]\n"
                "Cause: [{cause}] [by {who}] [(attack {attack})]\nAt: {at}\n" WHY END,
    },
    [CFMT_NEWS_WITHDRAWN] = {
        .fields = COMMON | ATTACKS | INTENTS, .many = "prefixes withdrawn",
        .text = "Withdrawn: {prefix} no longer goes through Cloudflare[ ({state})]\n"
                "Cause: [{cause}] [by {who}] [(attack {attack})]\nAt: {at}\n"
                "Was advertised: {duration_s}\n" WHY END,
    },
    [CFMT_NEWS_PROPOSAL] = {
        .fields = COMMON | ATTACKS | F(PROPOSAL) | F(UNTIL_AT), .many = "proposals wait",
        .text = "Your decision: {type} {prefix}? (proposal {proposal})\n"
                HIT "Rate: {rate}\n" SINCE WHY "Until: {until_at}\n" END,
    },
    [CFMT_NEWS_TUNNEL] = {
        .fields = COMMON | F(NAME) | F(ERROR), .many = "changes of tunnels",
        .text = "Tunnel {name} is {state}\nPrefix: {prefix}\n"
                SINCE "Error: {error}\n" WHY END,
    },
    [CFMT_NEWS_LEADER] = {
        .fields = COMMON | F(ERROR), .many = "changes of the leader",
        .text = "mod_cfmt: {state}\n" SINCE "Error: {error}\n" WHY END,
    },
    [CFMT_NEWS_OUTBOX] = {
        .fields = COMMON | F(NAME) | F(ERROR) | F(COUNT), .many = "troubles of channels",
        .text = "Messages through channel {name}: {state}\n"
                "Error: {error}\nWaiting: {count} messages\n" SINCE WHY END,
    },
    [CFMT_NEWS_TEST] = {
        .fields = COMMON | F(NAME), .many = "test messages",
        .text = "Test message of mod_cfmt[ to channel {name}][ by {who}]\n"
                "Nothing has happened; whoever reads this is told of attacks.\n" "At: {at}\n" END,
    },
    [CFMT_NEWS_DRILL] = {
        .fields = COMMON | ATTACKS, .many = "drills",
        .text = "DRILL: an attack on {prefix}[: {vector}][, {rate}]\n"
                "Nothing has happened: this is what an attack would look like.\n"
                "Target: {target}\nBy: {who}\nDelivered: {since_at}\n"
                "Would follow: {state}\n" WHY END,
    },
    [CFMT_NEWS_ATTACK_END] = {
        .fields = COMMON | ATTACKS, .many = "attacks ended",
        .text = "Attack on {prefix} is over[: {cause}]\n"
                HIT "Peak: {peak}\n" FROM "Lasted: [{duration_s},] [from {since_at}] to {at}\n"
                WHY END,
    },
    [CFMT_NEWS_WOULD_WITHDRAW] = {
        .fields = COMMON | F(ATTACK), .many = "withdrawals that mode observe does not make",
        .text = "Would withdraw {prefix} now, and mode observe does not\n"
                "To act: CfmtMode enforce[, or cfmtctl withdraw {prefix}]\n"
                "Cause: [{cause}] [(attack {attack})]\n" SINCE WHY END,
    },
    [CFMT_NEWS_DUE] = {
        .fields = COMMON | F(ATTACK), .many = "withdrawals are due",
        .text = "{prefix} is about to be withdrawn[ at {next_at}]\n"
                "Cause: [{cause}] [(attack {attack})]\n" SINCE WHY
                "Next: {next}\nLook: {look}\nMode: {mode}",
    },
    [CFMT_NEWS_ORPHAN] = {
        .fields = COMMON | F(ATTACK), .many = "orphans",
        .text = "{prefix} stays advertised: nobody says for how long[ ({number} call)]\n"
                "Cause: [{cause}] [by {who}]\n" SINCE "For: {duration_s}\n" WHY END,
    },
    [CFMT_NEWS_ALERT] = {
        .fields = COMMON | ATTACKS | F(NAME), .many = "other alerts of Cloudflare",
        .text = "Alert of Cloudflare: {type}[ {name}][ {state}]\n{summary}\n"
                "Target: [{target}] [({prefix})]\nAccount: {account}, which is not ours\n"
                SINCE WHY END,
    },
    [CFMT_NEWS_RECOVERED] = {
        .fields = COMMON | ATTACKS, .many = "alerts recovered that were not delivered",
        .text = "An alert was not delivered, and found in Cloudflare's history[: {prefix}]\n"
                "{type}: {summary}\n"
                "Target: [{target}] [(attack {attack})]\nSent: {since_at}\n" WHY END,
    },
    [CFMT_NEWS_ATTACK_ON] = {
        .fields = COMMON | ATTACKS, .many = "attacks go on",
        .text = "Attack on {prefix} goes on[, for {duration_s} now]\n"
                HIT "Now: {rate}\nPeak: {peak}\n" FROM SINCE WHY END,
    },
    [CFMT_NEWS_HIJACK_EXPLAINED] = {
        .fields = COMMON | F(ASN) | F(SEEN) | F(EXPECTED) | F(ATTACK),
        .many = "hijack alerts that our own change explains",
        .text = "Hijack alert of {prefix} is explained by our own change[: {cause}]\n"
                "Seen: [{seen}] [by AS{asn}]\nExpected: {expected}\n" SINCE WHY END,
    },
    [CFMT_NEWS_HELD] = {
        .fields = COMMON | F(UNTIL_AT), .many = "prefixes are held",
        .text = "{prefix} is held[ by {who}]: it is not withdrawn by itself\n"
                SINCE "Until: {until_at}\n" WHY END,
    },
    [CFMT_NEWS_START] = {
        .fields = COMMON, .many = "starts",
        .text = "mod_cfmt has started[: {state}]\nAt: {at}\n" WHY END,
    },
    [CFMT_NEWS_STOP] = {
        .fields = COMMON, .many = "stops",
        .text = "mod_cfmt stops[: {state}]\nAt: {at}\n" WHY END,
    },
    [CFMT_NEWS_DAILY] = {
        .fields = COMMON | ATTACKS | F(ERROR), .many = "daily summaries",
        .text = "Daily summary[: {state}]\n{summary}\n"
                "Attacks: {count}[, the largest {peak}]\nAdvertised: {prefix}\n" WHY END,
    },
};

const cfmt_text_t *cfmt_text_of(cfmt_news_e kind)
{
    return &texts[kind];
}
