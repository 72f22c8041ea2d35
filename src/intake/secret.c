/*
 * Secrets and signatures: the only file that compares either. Nothing here stops early because of
 * what a stranger guessed, and what was secret is wiped before its memory goes back.
 */
#include <string.h>

#include <apr_base64.h>
#include <apr_strings.h>
#include <apu.h>

#include <apr_crypto.h>

#include "cfmt_intake.h"

#define SECRET_MAX 1024
#define HMAC_BLOCK 64
#define ID_MAX 256
#define SIGNATURES_MAX 16
#define TOLERANCE apr_time_from_sec(300)
#define UNIX_SECONDS_MAX APR_INT64_C(253402300799)
#define SIGNED_PARTS 6 /* key pad, id, dot, timestamp, dot, body */

typedef struct secret_t {
    const char *label;
    unsigned char sha[CFMT_SHA256_SIZE]; /* of the value as configured */
    unsigned char key[SECRET_MAX];       /* for signatures: the value, or what whsec_ decodes to */
    apr_size_t key_len;
} secret_t;

struct cfmt_secrets_t {
    apr_pool_t *pool;
    apr_array_header_t *list; /* secret_t *: growing must not leave copies of secrets behind */
};

static apr_status_t wipe_secrets(void *data)
{
    cfmt_secrets_t *s = data;
    int i;

    for (i = 0; i < s->list->nelts; i++) {
        apr_crypto_memzero(APR_ARRAY_IDX(s->list, i, secret_t *), sizeof(secret_t));
    }
    s->list->nelts = 0;
    return APR_SUCCESS;
}

cfmt_secrets_t *cfmt_secrets_create(apr_pool_t *p)
{
    cfmt_secrets_t *s = apr_palloc(p, sizeof(*s));

    s->pool = p;
    s->list = apr_array_make(p, 4, sizeof(secret_t *));
    apr_pool_cleanup_register(p, s, wipe_secrets, apr_pool_cleanup_null);
    return s;
}

/* ---- base64 ---------------------------------------------------------------------------------- */

static int base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/*
 * Strict: whole groups of four, '=' only at the end, no stray bits, at least one byte. APR's
 * decoder stops silently at the first foreign character, so that a mistyped secret would work as a
 * shorter one. Returns 0 on anything else; max bounds the output.
 */
static apr_size_t base64_decode(unsigned char *out, apr_size_t max, const char *s, apr_size_t len)
{
    apr_size_t i, n = 0, pad = 0;
    apr_uint32_t bits = 0;
    int digit;

    while (pad < 2 && pad < len && s[len - 1 - pad] == '=') {
        pad++;
    }
    if (len == 0 || len % 4 || len / 4 * 3 - pad > max) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        digit = i < len - pad ? base64_digit((unsigned char)s[i]) : 0;
        if (digit < 0) {
            return 0;
        }
        bits = bits << 6 | (apr_uint32_t)digit;
        if (i % 4 != 0 && n < len / 4 * 3 - pad) {
            out[n++] = (unsigned char)(bits >> (6 - i % 4 * 2));
        }
    }
    /* What stood before the padding beyond the last byte must have been zero. */
    return pad && (bits & ((1U << (8 * pad)) - 1)) ? 0 : n;
}

/* ---- the list -------------------------------------------------------------------------------- */

static int acceptable(const char *value, apr_size_t len)
{
    apr_size_t i;

    if (len == 0 || len > SECRET_MAX || value[0] == ' ' || value[len - 1] == ' ') {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F) {
            return 0;
        }
    }
    return 1;
}

/* Value and key of a secret; what was read of a wrong one is wiped. */
static apr_status_t secret_read(secret_t *secret, const char *value, apr_size_t len)
{
    static const char scheme[] = "whsec_";
    const apr_size_t skip = sizeof(scheme) - 1;

    if (!value || !acceptable(value, len)) {
        return CFMT_EINVALID;
    }
    if (len >= skip && memcmp(value, scheme, skip) == 0) {
        secret->key_len = base64_decode(secret->key, SECRET_MAX, value + skip, len - skip);
        if (!secret->key_len) {
            apr_crypto_memzero(secret, sizeof(*secret));
            return CFMT_EINVALID;
        }
    }
    else {
        memcpy(secret->key, value, len);
        secret->key_len = len;
    }
    cfmt_sha256(secret->sha, value, len);
    return APR_SUCCESS;
}

apr_status_t cfmt_secrets_add(cfmt_secrets_t *s, const char *value, apr_size_t len,
                              const char *label)
{
    secret_t *secret = apr_pcalloc(s->pool, sizeof(*secret));
    apr_status_t rv = secret_read(secret, value, len);

    if (rv == APR_SUCCESS) {
        secret->label = label ? apr_pstrdup(s->pool, label)
                              : apr_psprintf(s->pool, "secret%d", s->list->nelts + 1);
        APR_ARRAY_PUSH(s->list, secret_t *) = secret;
    }
    return rv;
}

int cfmt_secrets_count(const cfmt_secrets_t *s)
{
    return s->list->nelts;
}

const char *cfmt_secrets_label(const cfmt_secrets_t *s, int i)
{
    return APR_ARRAY_IDX(s->list, i, const secret_t *)->label;
}

const char *cfmt_secrets_match(const cfmt_secrets_t *s, const char *presented)
{
    unsigned char sha[CFMT_SHA256_SIZE];
    const char *label = NULL;
    const secret_t *secret;
    int i, equal;

    if (!presented) {
        return NULL;
    }
    cfmt_sha256(sha, presented, strlen(presented));
    for (i = 0; i < s->list->nelts; i++) {
        secret = APR_ARRAY_IDX(s->list, i, const secret_t *);
        equal = apr_crypto_equals(sha, secret->sha, sizeof(sha));
        label = equal && !label ? secret->label : label;
    }
    apr_crypto_memzero(sha, sizeof(sha));
    return label;
}

/* ---- HMAC (RFC 2104) ------------------------------------------------------------------------- */

/* parts[0] is ours to fill: the caller's data starts at parts[1]. */
static void hmac_vec(unsigned char out[CFMT_SHA256_SIZE], const void *key, apr_size_t key_len,
                     struct iovec *parts, int n)
{
    unsigned char inner[HMAC_BLOCK] = {0}, outer[HMAC_BLOCK], digest[CFMT_SHA256_SIZE];
    struct iovec last[2] = {
        {.iov_base = outer, .iov_len = sizeof(outer)},
        {.iov_base = digest, .iov_len = sizeof(digest)},
    };
    int i;

    if (key_len > HMAC_BLOCK) {
        cfmt_sha256(inner, key, key_len);
    }
    else if (key_len) {
        memcpy(inner, key, key_len);
    }
    for (i = 0; i < HMAC_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5C;
        inner[i] ^= 0x36;
    }
    parts[0].iov_base = inner;
    parts[0].iov_len = sizeof(inner);
    cfmt_sha256_vec(digest, parts, n);
    cfmt_sha256_vec(out, last, 2);
    apr_crypto_memzero(inner, sizeof(inner));
    apr_crypto_memzero(outer, sizeof(outer));
    apr_crypto_memzero(digest, sizeof(digest));
    parts[0].iov_base = NULL;
    parts[0].iov_len = 0;
}

static struct iovec part(const void *data, apr_size_t len)
{
    struct iovec v = {.iov_base = (void *)(apr_uintptr_t)data, .iov_len = len};

    return v;
}

void cfmt_hmac_sha256(unsigned char out[CFMT_SHA256_SIZE], const void *key, apr_size_t key_len,
                      const void *data, apr_size_t len)
{
    struct iovec parts[2];

    parts[1] = part(data, len);
    hmac_vec(out, key, key_len, parts, 2);
}

/* ---- Standard Webhooks ----------------------------------------------------------------------- */

static int id_wellformed(const char *id)
{
    apr_size_t i;

    for (i = 0; id[i]; i++) {
        if (i >= ID_MAX || id[i] < 0x21 || id[i] > 0x7E) {
            return 0;
        }
    }
    return i > 0;
}

static apr_status_t timestamp_parse(apr_time_t *pt, const char *s)
{
    apr_int64_t secs;

    if (*s == '-' || cfmt_int_parse(&secs, s, 0, UNIX_SECONDS_MAX) != APR_SUCCESS) {
        return CFMT_EINVALID;
    }
    *pt = apr_time_from_sec(secs);
    return APR_SUCCESS;
}

/*
 * "v1,BASE64 v1a,BASE64 ...": the v1 signatures that decode to a MAC go to macs, at most
 * SIGNATURES_MAX items are looked at. Returns how many there are, -1 when an item has no version or
 * the list is none.
 */
static int signatures_parse(unsigned char macs[][CFMT_SHA256_SIZE], const char *s)
{
    apr_size_t len;
    const char *comma;
    int seen, n = 0;

    for (seen = 0; seen < SIGNATURES_MAX; seen++) {
        s += strspn(s, " ");
        if (!*s) {
            break;
        }
        len = strcspn(s, " ");
        comma = memchr(s, ',', len);
        if (!comma || comma == s || comma + 1 == s + len) {
            return -1;
        }
        if (comma - s == 2 && memcmp(s, "v1", 2) == 0
            && base64_decode(macs[n], CFMT_SHA256_SIZE, s + 3, len - 3) == CFMT_SHA256_SIZE) {
            n++;
        }
        s += len;
    }
    return seen ? n : -1;
}

/* Every secret against every signature, whatever the first comparison says. */
static const char *signature_label(const cfmt_secrets_t *s, struct iovec *parts, int nparts,
                                   unsigned char macs[][CFMT_SHA256_SIZE], int nmacs)
{
    unsigned char mac[CFMT_SHA256_SIZE];
    const char *label = NULL;
    const secret_t *secret;
    int i, j, equal;

    for (i = 0; i < s->list->nelts; i++) {
        secret = APR_ARRAY_IDX(s->list, i, const secret_t *);
        hmac_vec(mac, secret->key, secret->key_len, parts, nparts);
        for (equal = 0, j = 0; j < nmacs; j++) {
            equal |= apr_crypto_equals(mac, macs[j], sizeof(mac));
        }
        label = equal && !label ? secret->label : label;
    }
    apr_crypto_memzero(mac, sizeof(mac));
    return label;
}

/* What is signed: id.timestamp.body. parts[0] is hmac_vec's. */
static void signed_parts(struct iovec parts[SIGNED_PARTS], const char *id, const char *timestamp,
                         const char *body, apr_size_t len)
{
    parts[1] = part(id, strlen(id));
    parts[2] = part(".", 1);
    parts[3] = part(timestamp, strlen(timestamp));
    parts[4] = part(".", 1);
    parts[5] = part(body, len);
}

const char *cfmt_signature_make(const char *value, const char *id, const char *timestamp,
                                const char *body, apr_size_t len, apr_pool_t *p)
{
    struct iovec parts[SIGNED_PARTS];
    unsigned char mac[CFMT_SHA256_SIZE];
    secret_t secret;
    char *text;

    memset(&secret, 0, sizeof(secret));
    if (!value || secret_read(&secret, value, strlen(value)) != APR_SUCCESS) {
        return NULL;
    }
    signed_parts(parts, id, timestamp, body, len);
    hmac_vec(mac, secret.key, secret.key_len, parts, SIGNED_PARTS);
    apr_crypto_memzero(&secret, sizeof(secret));
    text = apr_palloc(p, (apr_size_t)apr_base64_encode_len(sizeof(mac)));
    apr_base64_encode_binary(text, mac, sizeof(mac));
    return apr_pstrcat(p, "v1,", text, NULL);
}

cfmt_sig_e cfmt_signature_verify(const char **plabel, const cfmt_secrets_t *s, const char *id,
                                 const char *timestamp, const char *signatures, const char *body,
                                 apr_size_t len, apr_time_t now, apr_pool_t *ptemp)
{
    unsigned char macs[SIGNATURES_MAX][CFMT_SHA256_SIZE];
    struct iovec parts[SIGNED_PARTS];
    apr_time_t at;
    int nmacs;

    (void)ptemp; /* pieces are hashed where they stand: nothing needs memory */
    *plabel = NULL;
    if (!id || !*id || !timestamp || !*timestamp || !signatures || !*signatures) {
        return CFMT_SIG_MISSING;
    }
    if (!id_wellformed(id) || timestamp_parse(&at, timestamp) != APR_SUCCESS
        || (nmacs = signatures_parse(macs, signatures)) < 0) {
        return CFMT_SIG_MALFORMED;
    }
    if (at > now + TOLERANCE || at < now - TOLERANCE) {
        return CFMT_SIG_EXPIRED;
    }
    signed_parts(parts, id, timestamp, body, len);
    *plabel = signature_label(s, parts, SIGNED_PARTS, macs, nmacs);
    return *plabel ? CFMT_SIG_OK : CFMT_SIG_MISMATCH;
}
