/*
 * Three lines (webhook-id, webhook-timestamp, webhook-signature) and a body. Never OK without the
 * key: what is accepted must carry the MAC that is made here in another way.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_base64.h>
#include <apr_strings.h>

#include "cfmt_intake.h"
#include "fuzz.h"

#define NOW APR_INT64_C(1700000000)
/* seeds.py signs with this one. */
#define KEY "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY_RAW "0123456789abcdef0123456789abcdef"

typedef struct headers_t {
    const char *id, *timestamp, *signatures, *body;
    apr_size_t len;
} headers_t;

static cfmt_secrets_t *secrets(const char *value, apr_pool_t *p)
{
    cfmt_secrets_t *s = cfmt_secrets_create(p);

    FUZZ_CHECK(cfmt_secrets_add(s, value, strlen(value), NULL) == APR_SUCCESS);
    return s;
}

static cfmt_sig_e verify(const cfmt_secrets_t *s, const headers_t *h, apr_pool_t *p)
{
    const char *label = "?";
    cfmt_sig_e sig = cfmt_signature_verify(&label, s, h->id, h->timestamp, h->signatures, h->body,
                                           h->len, apr_time_from_sec(NOW), p);

    FUZZ_CHECK((sig == CFMT_SIG_OK) == (label != NULL));
    FUZZ_CHECK(!label || !strcmp(label, "secret1"));
    return sig;
}

/* "v1,BASE64" over one piece of memory, with APR's base64. */
static const char *sign(const headers_t *h, apr_pool_t *p)
{
    apr_size_t head = strlen(h->id) + strlen(h->timestamp) + 2;
    char *whole = apr_palloc(p, head + h->len + 1), text[64];
    unsigned char mac[CFMT_SHA256_SIZE];

    strcat(strcat(strcat(strcpy(whole, h->id), "."), h->timestamp), ".");
    if (h->len) {
        memcpy(whole + head, h->body, h->len);
    }
    cfmt_hmac_sha256(mac, KEY_RAW, strlen(KEY_RAW), whole, head + h->len);
    apr_base64_encode_binary(text, mac, sizeof(mac));
    return apr_pstrcat(p, "v1,", text, NULL);
}

static int in_form(const headers_t *h)
{
    const char *c;

    for (c = h->id; *c > ' ' && *c <= '~'; c++) {
    }
    return !*c && c - h->id <= 256 && !h->timestamp[strspn(h->timestamp, "0123456789")]
           && strlen(h->timestamp) <= 18 && atoll(h->timestamp) <= APR_INT64_C(253402300799);
}

static int in_time(const headers_t *h)
{
    return llabs(atoll(h->timestamp) - NOW) <= 300;
}

static const char *one_longer(const headers_t *h, apr_pool_t *p)
{
    char *copy = apr_pcalloc(p, h->len + 1);

    if (h->len) {
        memcpy(copy, h->body, h->len);
    }
    return copy;
}

/* With the right signature only the form and the time of the other headers decide. */
static void check_signed(const cfmt_secrets_t *ours, headers_t h, apr_pool_t *p)
{
    const char *before = h.timestamp;
    cfmt_sig_e want = !*h.id || !*h.timestamp ? CFMT_SIG_MISSING
                      : !in_form(&h)          ? CFMT_SIG_MALFORMED
                      : in_time(&h)           ? CFMT_SIG_OK
                                              : CFMT_SIG_EXPIRED;

    h.signatures = sign(&h, p);
    if (strlen(before) <= 18) { /* longer: leading zeros may or may not be read */
        FUZZ_CHECK(verify(ours, &h, p) == want);
    }
    h.signatures = apr_pstrcat(p, "v2,AAAA v1a,x ", h.signatures, " v1,AAAA", NULL);
    if (want == CFMT_SIG_OK) {
        FUZZ_CHECK(verify(ours, &h, p) == CFMT_SIG_OK);
        h.body = one_longer(&h, p);
        h.len++;
        FUZZ_CHECK(verify(ours, &h, p) == CFMT_SIG_MISMATCH);
    }
}

/* The first line as a secret, too: whatever is accepted matches itself. */
static void check_secret(const char *value, apr_pool_t *p)
{
    cfmt_secrets_t *s = cfmt_secrets_create(p);

    if (cfmt_secrets_add(s, value, strlen(value), NULL) == APR_SUCCESS) {
        FUZZ_CHECK(cfmt_secrets_count(s) == 1 && cfmt_secrets_match(s, value));
        FUZZ_CHECK(!cfmt_secrets_match(s, apr_pstrcat(p, value, "x", NULL)));
        FUZZ_CHECK(!cfmt_secrets_match(s, value + 1));
    }
    FUZZ_CHECK(!cfmt_secrets_match(s, NULL) && !cfmt_secrets_match(s, ""));
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_secrets_t *ours = secrets(KEY, p), *foreign = secrets("whsec_bm90IHRoaXMgb25l", p);
    headers_t h;

    h.id = fuzz_line(&data, &len, p);
    h.timestamp = fuzz_line(&data, &len, p);
    h.signatures = fuzz_line(&data, &len, p);
    h.body = data;
    h.len = len;
    check_secret(h.id, p);
    FUZZ_CHECK(verify(foreign, &h, p) != CFMT_SIG_OK);
    FUZZ_CHECK(verify(cfmt_secrets_create(p), &h, p) != CFMT_SIG_OK);
    if (verify(ours, &h, p) == CFMT_SIG_OK) {
        FUZZ_CHECK(in_time(&h) && strstr(h.signatures, sign(&h, p)));
    }
    check_signed(ours, h, p);
}
