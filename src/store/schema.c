/*
 * The tables, as numbered migrations. A migration that has been released is never edited; changes
 * are new entries, additive within a major version. docs/store.md describes every column.
 */
#include "store_private.h"

/*
 * journal: the source of everything.
 * - slot, dedupe: only on rows that duplicates are looked for. The index starts with slot (the
 * body's own ts, so a repeat falls into the same one) and therefore grows at its right end; with
 * the bare digest first every insert would dirty a random page (measured: 86 k against 34 k rows/s
 * in batches).
 * - ref: a duplicate's first row. tag: the webhook-id in hmac mode.
 */
/*
 * event: event_same finds a delivery that came again (later than duplicates are looked for at
 * intake); event_repeat notes which journal row that was. event_operator finds the closes that name
 * an id, also before it is known. event_advertise: did Cloudflare say that it advertised? Asked
 * often while an attack may fill hours with other events. base (attack, entity): the fold of the
 * events whose journal rows are pruned; see retention.c.
 */
/*
 * attack, attack_key: ids and names are random, so each tree that they order costs a random page
 * for every new attack. So rows lie in the order of their making, and keys name their attack by its
 * number.
 */
static const char v1[] =
    "CREATE TABLE journal("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " origin TEXT NOT NULL,"
    " slot INTEGER,"
    " dedupe INTEGER,"
    " ref INTEGER,"
    " tag TEXT,"
    " body TEXT);"
    "CREATE INDEX journal_dedupe ON journal(slot, dedupe) WHERE slot IS NOT NULL;"
    "CREATE INDEX journal_rejected ON journal(id) WHERE kind = 'rejected';"

    "CREATE TABLE event("
    " id INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " ts INTEGER NOT NULL,"
    " digest INTEGER NOT NULL,"
    " source TEXT NOT NULL,"
    " alert_type TEXT,"
    " state TEXT NOT NULL,"
    " priority TEXT NOT NULL,"
    " effect INTEGER NOT NULL,"
    " account TEXT,"
    " ours INTEGER NOT NULL,"
    " policy_id TEXT,"
    " policy_name TEXT,"
    " attack_id TEXT,"
    " correlation_id TEXT,"
    " attack TEXT,"
    " target TEXT,"
    " vector TEXT,"
    " protocol TEXT,"
    " rule TEXT,"
    " pps REAL,"
    " bps REAL,"
    " rps REAL,"
    " entity_kind TEXT,"
    " entity_id TEXT,"
    " entity_name TEXT,"
    " entity_state TEXT,"
    " summary TEXT);"
    "CREATE INDEX event_attack ON event(attack, ts) WHERE attack IS NOT NULL;"
    "CREATE INDEX event_entity ON event(entity_kind, entity_id, ts) WHERE entity_kind IS NOT NULL;"
    "CREATE INDEX event_same ON event(ts, digest);"
    "CREATE INDEX event_operator ON event(attack_id) WHERE source = 'operator';"
    "CREATE INDEX event_advertise ON event(ts)"
    " WHERE alert_type IN ('fbm_auto_advertisement', 'fbm_dosd_attack');"
    "CREATE TABLE event_repeat("
    " id INTEGER PRIMARY KEY,"
    " first INTEGER NOT NULL);"
    "CREATE INDEX event_repeat_first ON event_repeat(first);"

    "CREATE TABLE attack("
    " number INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL UNIQUE,"
    " account TEXT,"
    " ours INTEGER NOT NULL,"
    " scope TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " ended_by TEXT,"
    " episodes INTEGER NOT NULL,"
    " started_at INTEGER NOT NULL,"
    " episode_at INTEGER NOT NULL,"
    " ended_at INTEGER,"
    " last_at INTEGER NOT NULL,"
    " events INTEGER NOT NULL,"
    " targets TEXT NOT NULL,"
    " targets_cut INTEGER NOT NULL,"
    " target_missing INTEGER NOT NULL,"
    " prefixes TEXT NOT NULL,"
    " vectors TEXT NOT NULL,"
    " protocols TEXT NOT NULL,"
    " rules TEXT NOT NULL,"
    " alert_types TEXT NOT NULL,"
    " peak_pps REAL,"
    " peak_bps REAL,"
    " peak_rps REAL,"
    " base TEXT);"
    "CREATE INDEX attack_last ON attack(last_at);"
    "CREATE INDEX attack_open ON attack(last_at) WHERE state = 'open';"
    "CREATE INDEX attack_base ON attack(id) WHERE base IS NOT NULL;"
    "CREATE TABLE attack_key("
    " kind INTEGER NOT NULL,"
    " value TEXT NOT NULL,"
    " account TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " attack INTEGER NOT NULL,"
    " PRIMARY KEY(kind, value, account));"
    "CREATE INDEX attack_key_id ON attack_key(id);"
    "CREATE INDEX attack_key_attack ON attack_key(attack);"

    "CREATE TABLE entity("
    " kind TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " name TEXT,"
    " state TEXT,"
    " previous TEXT,"
    " since INTEGER NOT NULL,"
    " last_at INTEGER NOT NULL,"
    " events INTEGER NOT NULL,"
    " changes INTEGER NOT NULL,"
    " priority TEXT NOT NULL,"
    " base TEXT,"
    " PRIMARY KEY(kind, id)) WITHOUT ROWID;"
    "CREATE INDEX entity_base ON entity(kind, id) WHERE base IS NOT NULL;"

    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE job("
    " name TEXT PRIMARY KEY,"
    " due_at INTEGER NOT NULL,"
    " owner TEXT,"
    " expires_at INTEGER,"
    " last_at INTEGER,"
    " fails INTEGER NOT NULL DEFAULT 0,"
    " last_result TEXT) WITHOUT ROWID;"
    "INSERT INTO meta(name, value) VALUES('min_code', 1), ('cursor', 0);";

/*
 * What Cloudflare reports. prefix, tunnel, rule: projections of journal rows prefix_state,
 * tunnel_state and rule_state (base: of the pruned ones). reading: when something was last read
 * unchanged; apart, because it is no projection and would rewrite a wide row each minute. No index
 * here on a table that may be large: a migration is part of the start.
 */
static const char v2[] =
    "CREATE TABLE prefix("
    " id TEXT PRIMARY KEY,"
    " parent TEXT,"
    " cidr TEXT NOT NULL,"
    " description TEXT,"
    " asn INTEGER,"
    " approved INTEGER,"
    " enabled INTEGER,"
    " locked INTEGER,"
    " bgp_control INTEGER,"
    " auto_withdraw INTEGER,"
    " advertised INTEGER,"
    " advertised_at INTEGER,"
    " modified_at INTEGER,"
    " gone INTEGER NOT NULL,"
    " since INTEGER NOT NULL,"
    " row INTEGER NOT NULL,"
    " origin TEXT NOT NULL,"
    " first_at INTEGER NOT NULL,"
    " changed_at INTEGER,"
    " changed_by TEXT,"
    " base TEXT) WITHOUT ROWID;"
    "CREATE TABLE tunnel("
    " id TEXT PRIMARY KEY,"
    " kind TEXT NOT NULL,"
    " name TEXT,"
    " endpoint TEXT,"
    " checked INTEGER,"
    " active INTEGER,"
    " health REAL,"
    " state TEXT NOT NULL,"
    " gone INTEGER NOT NULL,"
    " since INTEGER NOT NULL,"
    " row INTEGER NOT NULL,"
    " base TEXT) WITHOUT ROWID;"
    "CREATE TABLE rule("
    " id TEXT PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " type TEXT,"
    " prefixes TEXT NOT NULL,"
    " automatic INTEGER,"
    " gone INTEGER NOT NULL,"
    " since INTEGER NOT NULL,"
    " row INTEGER NOT NULL,"
    " base TEXT) WITHOUT ROWID;"
    "CREATE TABLE range("
    " cidr TEXT PRIMARY KEY,"
    " first_at INTEGER NOT NULL,"
    " seen_at INTEGER NOT NULL,"
    " gone_at INTEGER) WITHOUT ROWID;"
    "CREATE TABLE sensed("
    " name TEXT PRIMARY KEY,"
    " read_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL,"
    " facts TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE reading("
    " kind TEXT NOT NULL,"
    " id TEXT NOT NULL,"
    " read_at INTEGER NOT NULL,"
    " PRIMARY KEY(kind, id)) WITHOUT ROWID;"
    "ALTER TABLE attack ADD COLUMN rule_only INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attack ADD COLUMN rule_unknown INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attack ADD COLUMN kept TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE job ADD COLUMN ok_at INTEGER;";

/*
 * evidence: runs of minutes that were judged alike. No run crosses midnight (UTC): days are what
 * retention removes and what a reader of all prefixes walks, so they come first in the key.
 * evidence_minute: the figures of single minutes, without which a run could not be divided.
 * Journal rows of this kind are found by a walk, not by an index: that would have to be made over a
 * journal of any length. Before this version there are none.
 */
static const char v3[] =
    "CREATE TABLE evidence("
    " day INTEGER NOT NULL,"
    " prefix TEXT NOT NULL,"
    " at INTEGER NOT NULL,"
    " until INTEGER NOT NULL,"
    " verdict TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " pps REAL NOT NULL,"
    " bps REAL NOT NULL,"
    " system TEXT NOT NULL,"
    " peak_at INTEGER NOT NULL,"
    " PRIMARY KEY(day, prefix, at)) WITHOUT ROWID;"
    "CREATE TABLE evidence_minute("
    " day INTEGER NOT NULL,"
    " prefix TEXT NOT NULL,"
    " at INTEGER NOT NULL,"
    " pps REAL NOT NULL,"
    " bps REAL NOT NULL,"
    " system TEXT NOT NULL,"
    " PRIMARY KEY(day, prefix, at)) WITHOUT ROWID;"
    "INSERT INTO meta(name, value)"
    " SELECT 'evidence_swept', seq FROM sqlite_sequence WHERE name = 'journal';";

/*
 * When an attack was at its highest, and who saw that; the system that a figure of traffic is of.
 */
static const char v4[] =
    "ALTER TABLE attack ADD COLUMN peak_pps_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attack ADD COLUMN peak_pps_by TEXT;"
    "ALTER TABLE attack ADD COLUMN peak_bps_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attack ADD COLUMN peak_bps_by TEXT;"
    "ALTER TABLE event ADD COLUMN system TEXT;";

/*
 * Detail of attack traffic, minute by minute: the largest rows, and the sums of all rows by what
 * people ask for. Both begin with the time: they grow at their right end and are pruned at the
 * left.
 */
static const char v5[] =
    "CREATE TABLE traffic_event("
    " at INTEGER NOT NULL,"
    " prefix TEXT NOT NULL,"
    " n INTEGER NOT NULL,"
    " vector TEXT,"
    " rule_id TEXT,"
    " rule TEXT,"
    " source TEXT,"
    " asn INTEGER,"
    " asn_name TEXT,"
    " country TEXT,"
    " source_port INTEGER,"
    " target TEXT,"
    " target_port INTEGER,"
    " protocol TEXT,"
    " flags TEXT,"
    " colo TEXT,"
    " packets INTEGER NOT NULL,"
    " bits INTEGER NOT NULL,"
    " PRIMARY KEY(at, prefix, n)) WITHOUT ROWID;"
    "CREATE TABLE traffic_sum("
    " at INTEGER NOT NULL,"
    " prefix TEXT NOT NULL,"
    " kind INTEGER NOT NULL,"
    " n INTEGER NOT NULL,"
    " name TEXT NOT NULL,"
    " asn INTEGER,"
    " asn_name TEXT,"
    " country TEXT,"
    " cut INTEGER,"
    " packets INTEGER NOT NULL,"
    " bits INTEGER NOT NULL,"
    " PRIMARY KEY(at, prefix, kind, n)) WITHOUT ROWID;";

/*
 * What is done and wanted. intent_open: one open intent a prefix, whatever else fails; likewise
 * hold_force and proposal_open. State is never rebuilt, audit never pruned; decision is derived.
 * Rows of before are no commands that the leader carries out: none of them is looked at.
 */
static const char v6[] =
    "CREATE TABLE intent("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " prefix TEXT NOT NULL,"
    " prefix_id TEXT,"
    " want INTEGER NOT NULL,"
    " cause TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " attack TEXT,"
    " proposal INTEGER NOT NULL,"
    " override INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " not_before INTEGER NOT NULL,"
    " state TEXT NOT NULL,"
    " next_at INTEGER NOT NULL,"
    " sent_at INTEGER,"
    " answered_at INTEGER,"
    " settled_at INTEGER,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " answer TEXT,"
    " expects INTEGER,"
    " owner TEXT,"
    " expires_at INTEGER,"
    " superseded_by INTEGER);"
    "CREATE UNIQUE INDEX intent_open ON intent(prefix) WHERE settled_at IS NULL;"
    "CREATE INDEX intent_prefix ON intent(prefix, id);"
    "CREATE INDEX intent_done ON intent(prefix, want, id) WHERE state = 'done';"
    "CREATE INDEX intent_settled ON intent(settled_at) WHERE settled_at IS NOT NULL;"

    "CREATE TABLE hold("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " prefix TEXT NOT NULL,"
    " origin TEXT NOT NULL,"
    " who TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " since INTEGER NOT NULL,"
    " until INTEGER,"
    " told_at INTEGER,"
    " released_at INTEGER,"
    " released_by TEXT,"
    " released_why TEXT);"
    "CREATE UNIQUE INDEX hold_force ON hold(prefix, origin) WHERE released_at IS NULL;"
    "CREATE TABLE window("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " prefix TEXT NOT NULL,"
    " starts_at INTEGER NOT NULL,"
    " ends_at INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " removed_at INTEGER,"
    " removed_by TEXT);"

    "CREATE TABLE proposal("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " prefix TEXT NOT NULL,"
    " want INTEGER NOT NULL,"
    " attack TEXT,"
    " reason TEXT NOT NULL,"
    " made_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " state TEXT NOT NULL,"
    " decided_at INTEGER,"
    " decided_by TEXT,"
    " decided_why TEXT);"
    "CREATE UNIQUE INDEX proposal_open ON proposal(prefix, want) WHERE decided_at IS NULL;"
    "CREATE TABLE adoption("
    " prefix TEXT NOT NULL,"
    " advertised_at INTEGER NOT NULL,"
    " at INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " PRIMARY KEY(prefix, advertised_at)) WITHOUT ROWID;"
    "CREATE TABLE decision("
    " prefix TEXT PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " verdict TEXT NOT NULL,"
    " red TEXT NOT NULL,"
    " next_at INTEGER,"
    " gates TEXT NOT NULL,"
    " changed_at INTEGER NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE audit("
    " id INTEGER PRIMARY KEY,"
    " at INTEGER NOT NULL,"
    " what TEXT NOT NULL,"
    " prefix TEXT,"
    " who TEXT NOT NULL,"
    " why TEXT,"
    " ref TEXT,"
    " body TEXT,"
    " hash TEXT NOT NULL);"
    "INSERT INTO meta(name, value)"
    " SELECT 'commands_done', seq FROM sqlite_sequence WHERE name = 'journal';";

/*
 * standing: of the present state of a prefix, what brought it about, and what people were told of
 * it. State: a rebuild leaves it alone.
 */
static const char v7[] =
    "CREATE TABLE standing("
    " prefix TEXT PRIMARY KEY,"
    " advertised INTEGER NOT NULL,"
    " at INTEGER NOT NULL,"
    " cause TEXT NOT NULL,"
    " by_attack INTEGER NOT NULL,"
    " who TEXT,"
    " attack TEXT,"
    " intent INTEGER NOT NULL,"
    " found_at INTEGER NOT NULL,"
    " orphan_told_at INTEGER NOT NULL,"
    " paged_at INTEGER NOT NULL,"
    " would_told_at INTEGER NOT NULL) WITHOUT ROWID;";

/*
 * What people are told. State: a rebuild leaves it alone. outbox_same: nothing is told twice to one
 * channel; an acknowledgement is of all rows of that dedupe. outbox_open: a channel's queue in the
 * order in which it is sent. outbox_sending: those that a crash may have left. meta.announced:
 * what is in the journal by now is history, and nobody is told of it.
 */
static const char v8[] =
    "CREATE TABLE outbox("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " channel TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " dedupe TEXT NOT NULL,"
    " attack TEXT,"
    " prefix TEXT,"
    " at INTEGER NOT NULL,"
    " fields TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " state TEXT NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " made_at INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL,"
    " owner TEXT,"
    " leased_until INTEGER,"
    " sent_at INTEGER,"
    " settled_at INTEGER,"
    " ref TEXT,"
    " text TEXT,"
    " answer TEXT,"
    " folded_into INTEGER,"
    " fallback_of INTEGER,"
    " fallback INTEGER,"
    " acked_at INTEGER,"
    " acked_by TEXT);"
    "CREATE UNIQUE INDEX outbox_same ON outbox(dedupe, channel);"
    "CREATE INDEX outbox_open ON outbox(channel, priority, id) WHERE settled_at IS NULL;"
    "CREATE INDEX outbox_sending ON outbox(id) WHERE state = 'sending';"
    "CREATE INDEX outbox_thread ON outbox(attack, channel, id) WHERE attack IS NOT NULL;"
    "CREATE INDEX outbox_folded ON outbox(folded_into) WHERE folded_into IS NOT NULL;"
    "CREATE INDEX outbox_unacked ON outbox(channel, made_at)"
    " WHERE priority = 0 AND acked_at IS NULL;"
    "CREATE INDEX outbox_settled ON outbox(settled_at) WHERE settled_at IS NOT NULL;"
    "CREATE TABLE channel("
    " name TEXT PRIMARY KEY,"
    " state TEXT NOT NULL,"
    " since INTEGER NOT NULL,"
    " ok_at INTEGER,"
    " next_at INTEGER NOT NULL,"
    " fails INTEGER NOT NULL,"
    " error TEXT,"
    " chat TEXT,"
    " chat_of TEXT) WITHOUT ROWID;"
    "INSERT INTO meta(name, value)"
    " SELECT 'announced', ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'journal'), 0);";

/*
 * journal.label: by which CfmtSecret a delivery came in: when may the old one go? imported: rows of
 * the system before, a projection that only lists read. imported_name: each of them once.
 */
static const char v9[] =
    "ALTER TABLE journal ADD COLUMN label TEXT;"
    "CREATE TABLE imported("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " part INTEGER NOT NULL,"
    " at INTEGER NOT NULL,"
    " ended_at INTEGER,"
    " done_at INTEGER,"
    " ambiguous INTEGER NOT NULL,"
    " what TEXT,"
    " state TEXT,"
    " done TEXT,"
    " attack TEXT,"
    " prefix TEXT,"
    " target TEXT,"
    " vector TEXT,"
    " pps REAL,"
    " bps REAL);"
    "CREATE UNIQUE INDEX imported_name ON imported(name);"
    "CREATE INDEX imported_part ON imported(part, at, id);";

const cfmt_migration_t cfmt_migrations[] = {
    { .version = 1, .sql = v1 },
    { .version = 2, .sql = v2 },
    { .version = 3, .sql = v3 },
    { .version = 4, .sql = v4 },
    { .version = 5, .sql = v5 },
    { .version = 6, .sql = v6 },
    { .version = 7, .sql = v7 },
    { .version = 8, .sql = v8 },
    { .version = 9, .sql = v9 },
    { .version = 0, .sql = NULL },
};
