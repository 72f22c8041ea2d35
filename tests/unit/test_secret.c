/*
 * Unit tests of src/intake/secret.c: static secrets, HMAC (RFC 4231, OpenSSL as a second opinion),
 * Standard Webhooks signatures.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "cfmt_intake.h"
#include "unit.h"

static cfmt_secrets_t *secrets_of(const char *first, const char *second)
{
    cfmt_secrets_t *s = cfmt_secrets_create(unit_pool);

    ck_assert_int_eq(cfmt_secrets_add(s, first, strlen(first), NULL), APR_SUCCESS);
    if (second) {
        ck_assert_int_eq(cfmt_secrets_add(s, second, strlen(second), "new"), APR_SUCCESS);
    }
    return s;
}

START_TEST(test_match)
{
    cfmt_secrets_t *none = cfmt_secrets_create(unit_pool);
    cfmt_secrets_t *s = secrets_of("old-Secret", "\xC3\xBC other one");

    ck_assert_int_eq(cfmt_secrets_count(s), 2);
    ck_assert_str_eq(cfmt_secrets_label(s, 0), "secret1");
    ck_assert_str_eq(cfmt_secrets_label(s, 1), "new");
    ck_assert_str_eq(cfmt_secrets_match(s, "old-Secret"), "secret1");
    ck_assert_str_eq(cfmt_secrets_match(s, "\xC3\xBC other one"), "new");
    ck_assert(cfmt_secrets_match(s, "old-secret") == NULL);
    ck_assert(cfmt_secrets_match(s, "old-Secre") == NULL);
    ck_assert(cfmt_secrets_match(s, "old-Secret ") == NULL);
    ck_assert(cfmt_secrets_match(s, "") == NULL);
    ck_assert(cfmt_secrets_match(s, NULL) == NULL);
    ck_assert_int_eq(cfmt_secrets_count(none), 0);
    ck_assert(cfmt_secrets_match(none, "") == NULL && cfmt_secrets_match(none, "x") == NULL);
}
END_TEST

START_TEST(test_acceptable)
{
    static const char *const refused[] = {
        "", " lead", "trail ", "\ttab", "tab\t", "a\nb", "del\x7F", "whsec_", "whsec_!!!!",
        "whsec_YQ", "whsec_YQ=", "whsec_YQ===", "whsec_YR==", "whsec_Y===", "whsec_====",
        "whsec_YWJj YWJj", "whsec_YW=j",
    };
    cfmt_secrets_t *s = cfmt_secrets_create(unit_pool);
    char longest[1025];
    apr_size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(cfmt_secrets_add(s, refused[i], strlen(refused[i]), NULL) == CFMT_EINVALID,
                      "'%s' was taken", refused[i]);
    }
    memset(longest, 'k', sizeof(longest));
    ck_assert_int_eq(cfmt_secrets_add(s, longest, 1025, NULL), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_secrets_add(s, "a\0b", 3, NULL), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_secrets_add(s, NULL, 0, NULL), CFMT_EINVALID);
    ck_assert_int_eq(cfmt_secrets_count(s), 0);
    ck_assert_int_eq(cfmt_secrets_add(s, longest, 1024, NULL), APR_SUCCESS);
    ck_assert_int_eq(cfmt_secrets_add(s, "x", 1, NULL), APR_SUCCESS);
    ck_assert_int_eq(cfmt_secrets_add(s, "in side", 7, NULL), APR_SUCCESS);
    ck_assert_int_eq(cfmt_secrets_add(s, "whsec_YQ==", 10, NULL), APR_SUCCESS);
    ck_assert_str_eq(cfmt_secrets_match(s, "whsec_YQ=="), "secret4");
    ck_assert(cfmt_secrets_match(s, "a") == NULL); /* the key, not the secret */
}
END_TEST

static const char probe_value[] = "wipe-me-0123456789";

static int holds(const char *memory, apr_size_t len)
{
    apr_size_t i, n = sizeof(probe_value) - 1;

    for (i = 0; i + n <= len; i++) {
        if (memcmp(memory + i, probe_value, n) == 0) {
            return 1;
        }
    }
    return 0;
}

/*
 * Cleanups registered earlier run later: this one sees the memory after the wipe and before it goes
 * back. The secrets are a pool's first and only big thing, so what follows their head is where the
 * value stood.
 */
static const char *probe_at;
static int probe_found;

static apr_status_t probe(void *data)
{
    (void)data;
    probe_found = holds(probe_at, 3000);
    return APR_SUCCESS;
}

START_TEST(test_wiped)
{
    apr_pool_t *pool;
    cfmt_secrets_t *s;

    apr_pool_create(&pool, unit_pool);
    apr_pool_cleanup_register(pool, NULL, probe, apr_pool_cleanup_null);
    s = cfmt_secrets_create(pool);
    ck_assert_int_eq(cfmt_secrets_add(s, probe_value, strlen(probe_value), NULL), APR_SUCCESS);
    probe_at = (const char *)s;
    ck_assert(holds(probe_at, 3000)); /* or the probe looks in the wrong place */
    probe_found = -1;
    apr_pool_destroy(pool);
    ck_assert_int_eq(probe_found, 0);
}
END_TEST

/* ---- HMAC ------------------------------------------------------------------------------------ */

static void unhex(unsigned char *out, const char *hex)
{
    for (; *hex; hex += 2) {
        char two[3] = {hex[0], hex[1], '\0'};

        *out++ = (unsigned char)strtoul(two, NULL, 16);
    }
}

static const struct {
    const char *key; /* hex; NULL: key_len bytes of 0xaa */
    apr_size_t key_len;
    const char *data;
    apr_size_t data_len;
    int fill; /* data is data_len times this byte */
    const char *mac;
    apr_size_t mac_len;
} rfc4231[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", 20, "Hi There", 8, -1,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", 32},
    {"4a656665", 4, "what do ya want for nothing?", 28, -1,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", 32},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 20, NULL, 50, 0xdd,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe", 32},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819", 25, NULL, 50, 0xcd,
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", 32},
    {"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", 20, "Test With Truncation", 20, -1,
     "a3b6167473100ee06e0c796c2955552b", 16},
    {NULL, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, -1,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 32},
    {NULL, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.", 152, -1,
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2", 32},
};

START_TEST(test_rfc4231)
{
    unsigned char key[131], data[152], want[32], mac[32];
    apr_size_t i;

    for (i = 0; i < sizeof(rfc4231) / sizeof(rfc4231[0]); i++) {
        memset(key, 0xaa, sizeof(key));
        if (rfc4231[i].key) {
            unhex(key, rfc4231[i].key);
        }
        if (rfc4231[i].fill >= 0) {
            memset(data, rfc4231[i].fill, rfc4231[i].data_len);
        }
        else {
            memcpy(data, rfc4231[i].data, rfc4231[i].data_len);
        }
        unhex(want, rfc4231[i].mac);
        cfmt_hmac_sha256(mac, key, rfc4231[i].key_len, data, rfc4231[i].data_len);
        ck_assert_msg(memcmp(mac, want, rfc4231[i].mac_len) == 0, "test case %d", (int)i + 1);
    }
}
END_TEST

START_TEST(test_hmac_openssl)
{
    unsigned char key[301], data[301], mine[32], theirs[32];
    int i, key_len, len;

    srand(4711);
    for (i = 0; i < 2000; i++) {
        /* Every length once, then at random. */
        key_len = i <= 300 ? i : rand() % 301;
        len = i <= 300 ? 300 - i : rand() % 301;
        for (unsigned j = 0; j < sizeof(key); j++) {
            key[j] = (unsigned char)rand();
            data[j] = (unsigned char)rand();
        }
        HMAC(EVP_sha256(), key, key_len, data, (size_t)len, theirs, NULL);
        cfmt_hmac_sha256(mine, key, (apr_size_t)key_len, data, (apr_size_t)len);
        ck_assert_msg(memcmp(mine, theirs, 32) == 0, "key %d, data %d", key_len, len);
    }
}
END_TEST

/* ---- signatures ------------------------------------------------------------------------------ */

#define NOW_SECS APR_INT64_C(1614265330)
#define NOW (NOW_SECS * APR_USEC_PER_SEC)
#define RAW_KEY "a raw secret"
#define WHSEC "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" /* of the specification's example */
#define BODY "{\"test\": 2432232314}"

/* "v1,BASE64" by OpenSSL over id.timestamp.body */
static const char *sign(const char *key, int key_len, const char *id, const char *ts,
                        const char *body)
{
    const char *content = apr_pstrcat(unit_pool, id, ".", ts, ".", body, NULL);
    unsigned char mac[32], text[64];

    HMAC(EVP_sha256(), key, key_len, (const unsigned char *)content, strlen(content), mac, NULL);
    EVP_EncodeBlock(text, mac, 32);
    return apr_pstrcat(unit_pool, "v1,", text, NULL);
}

static cfmt_sig_e verify(const char **plabel, const cfmt_secrets_t *s, const char *id,
                         const char *ts, const char *sigs)
{
    return cfmt_signature_verify(plabel, s, id, ts, sigs, BODY, strlen(BODY), NOW, unit_pool);
}

/* The example of the Standard Webhooks reference implementations. */
START_TEST(test_signature_example)
{
    cfmt_secrets_t *s = secrets_of(WHSEC, NULL);
    const char *label;

    ck_assert_int_eq(verify(&label, s, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
                            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
                     CFMT_SIG_OK);
    ck_assert_str_eq(label, "secret1");
}
END_TEST

START_TEST(test_signature_rotation)
{
    cfmt_secrets_t *s = secrets_of(WHSEC, RAW_KEY);
    const char *good = sign(RAW_KEY, strlen(RAW_KEY), "id.1", "1614265330", BODY);
    const char *bad = sign("other", 5, "id.1", "1614265330", BODY);
    const char *label, *list;

    ck_assert_int_eq(verify(&label, s, "id.1", "1614265330", good), CFMT_SIG_OK);
    ck_assert_str_eq(label, "new");
    list = apr_pstrcat(unit_pool, "v1a,xyz  v2,", good + 3, " v1,short ", bad, " ", good, NULL);
    ck_assert_int_eq(verify(&label, s, "id.1", "1614265330", list), CFMT_SIG_OK);
    list = apr_pstrcat(unit_pool, good, " ", bad, NULL);
    ck_assert_int_eq(verify(&label, s, "id.1", "1614265330", list), CFMT_SIG_OK);
    list = apr_pstrcat(unit_pool, "v2,", good + 3, NULL);
    ck_assert_int_eq(verify(&label, s, "id.1", "1614265330", list), CFMT_SIG_MISMATCH);
    ck_assert(label == NULL);
    ck_assert_int_eq(verify(&label, s, "id.1", "1614265330", bad), CFMT_SIG_MISMATCH);
    ck_assert_int_eq(verify(&label, s, "id.2", "1614265330", good), CFMT_SIG_MISMATCH);
    ck_assert_int_eq(verify(&label, s, "id.1", "1614265331", good), CFMT_SIG_MISMATCH);
    ck_assert_int_eq(cfmt_signature_verify(&label, s, "id.1", "1614265330", good, BODY,
                                           strlen(BODY) - 1, NOW, unit_pool),
                     CFMT_SIG_MISMATCH);
    ck_assert_int_eq(verify(&label, cfmt_secrets_create(unit_pool), "id.1", "1614265330", good),
                     CFMT_SIG_MISMATCH);
}
END_TEST

START_TEST(test_signature_sixteen)
{
    cfmt_secrets_t *s = secrets_of(RAW_KEY, NULL);
    const char *good = sign(RAW_KEY, strlen(RAW_KEY), "i", "1614265330", BODY);
    const char *label, *list = "";
    int i;

    for (i = 0; i < 15; i++) {
        list = apr_pstrcat(unit_pool, list, "v9,x ", NULL);
    }
    ck_assert_int_eq(verify(&label, s, "i", "1614265330",
                            apr_pstrcat(unit_pool, list, good, NULL)), CFMT_SIG_OK);
    ck_assert_int_eq(verify(&label, s, "i", "1614265330",
                            apr_pstrcat(unit_pool, list, "v9,x ", good, NULL)),
                     CFMT_SIG_MISMATCH);
}
END_TEST

START_TEST(test_signature_time)
{
    static const struct {
        apr_int64_t skew;
        cfmt_sig_e want;
    } rows[] = {
        {0, CFMT_SIG_OK}, {-300, CFMT_SIG_OK}, {300, CFMT_SIG_OK},
        {-301, CFMT_SIG_EXPIRED}, {301, CFMT_SIG_EXPIRED}, {-NOW_SECS, CFMT_SIG_EXPIRED},
    };
    cfmt_secrets_t *s = secrets_of(RAW_KEY, NULL);
    const char *label;
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *ts = apr_psprintf(unit_pool, "%" APR_INT64_T_FMT, NOW_SECS + rows[i].skew);

        ck_assert_int_eq(verify(&label, s, "i", ts, sign(RAW_KEY, strlen(RAW_KEY), "i", ts, BODY)),
                         rows[i].want);
        ck_assert((label != NULL) == (rows[i].want == CFMT_SIG_OK));
    }
}
END_TEST

static const struct {
    const char *id, *ts, *sigs;
    cfmt_sig_e want;
} forms[] = {
    {NULL, "1", "v1,x", CFMT_SIG_MISSING}, {"", "1", "v1,x", CFMT_SIG_MISSING},
    {"i", NULL, "v1,x", CFMT_SIG_MISSING}, {"i", "", "v1,x", CFMT_SIG_MISSING},
    {"i", "1", NULL, CFMT_SIG_MISSING},    {"i", "1", "", CFMT_SIG_MISSING},
    {"a b", "1614265330", "v1,x", CFMT_SIG_MALFORMED},
    {"a\x7F", "1614265330", "v1,x", CFMT_SIG_MALFORMED},
    {"\xC3\xBC", "1614265330", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "-1614265330", "v1,x", CFMT_SIG_MALFORMED}, {"i", "-0", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "+1614265330", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "1614265330.5", "v1,x", CFMT_SIG_MALFORMED},
    {"i", " 1614265330", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "1614265330x", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "253402300800", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "99999999999999999999", "v1,x", CFMT_SIG_MALFORMED},
    {"i", "1614265330", "   ", CFMT_SIG_MALFORMED},
    {"i", "1614265330", "nocomma", CFMT_SIG_MALFORMED},
    {"i", "1614265330", ",x", CFMT_SIG_MALFORMED},
    {"i", "1614265330", "v1,", CFMT_SIG_MALFORMED},
    {"i", "1614265330", "v1,x junk", CFMT_SIG_MALFORMED},
    {"i", "1614265330", "v1,x", CFMT_SIG_MISMATCH},
    {"i", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", CFMT_SIG_MISMATCH},
    {"i", "1614265330",
     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OEg0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
     CFMT_SIG_MISMATCH},
};

START_TEST(test_signature_forms)
{
    cfmt_secrets_t *s = secrets_of(RAW_KEY, NULL);
    char id[258];
    const char *label;
    apr_size_t i;

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        ck_assert_msg(verify(&label, s, forms[i].id, forms[i].ts, forms[i].sigs) == forms[i].want,
                      "row %d", (int)i);
    }
    memset(id, 'i', sizeof(id));
    id[257] = '\0';
    ck_assert_int_eq(verify(&label, s, id, "1614265330", "v1,x"), CFMT_SIG_MALFORMED);
    id[256] = '\0';
    ck_assert_int_eq(verify(&label, s, id, "1614265330",
                            sign(RAW_KEY, strlen(RAW_KEY), id, "1614265330", BODY)), CFMT_SIG_OK);
}
END_TEST

UNIT_SUITE_BEGIN(secret)
    UNIT_TEST(test_match)
    UNIT_TEST(test_acceptable)
    UNIT_TEST(test_wiped)
    UNIT_TEST(test_rfc4231)
    UNIT_TEST(test_hmac_openssl)
    UNIT_TEST(test_signature_example)
    UNIT_TEST(test_signature_rotation)
    UNIT_TEST(test_signature_sixteen)
    UNIT_TEST(test_signature_time)
    UNIT_TEST(test_signature_forms)
UNIT_SUITE_END
