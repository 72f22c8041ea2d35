/*
 * What the tests of answers share: JSON text as a row, a network from text.
 */
#ifndef CFMT_ROWS_H
#define CFMT_ROWS_H

#include <string.h>

#include "cfmt_cloudflare.h"
#include "unit.h"

#define ROWS_ACCOUNT "9035f53656c247e895c5a6939ae8a0e0"
#define ROWS_ID "2af39739cc4e3b5910c918468bb89828"
#define ROWS_ID2 "7009ba364c7a5760798ceb430e603b74"

static inline const cfmt_json_t *rows_parse(const char *text)
{
    static const cfmt_json_limits_t limits = {.depth = 64};
    cfmt_json_t *doc;
    const char *why;

    ck_assert_msg(cfmt_json_parse(&doc, &why, text, strlen(text), &limits, unit_pool)
                      == APR_SUCCESS, "%s in %s", why, text);
    return doc;
}

static inline cfmt_cidr_t rows_cidr(const char *text)
{
    cfmt_cidr_t c;

    ck_assert_msg(cfmt_cidr_parse(&c, NULL, text) == APR_SUCCESS, "%s", text);
    return c;
}

#endif
