/*
 * The token in use. A user's and an account's are verified at different places, and each place
 * calls the other's token invalid.
 */
#include <string.h>

#include <apr_strings.h>

#include "row.h"

const char *cfmt_token_path(const char *account, int of_account, apr_pool_t *p)
{
    return of_account ? apr_pstrcat(p, "/accounts/", account, "/tokens/verify", NULL)
                      : "/user/tokens/verify";
}

apr_status_t cfmt_token_read(cfmt_token_t *t, const char **pwhy, const cfmt_json_t *row,
                             apr_pool_t *p)
{
    memset(t, 0, sizeof(*t));
    t->status = cfmt_row_text(row, "status", p);
    if (!t->status) {
        *pwhy = "member \"status\" is missing";
        return CFMT_EINVALID;
    }
    t->expires_at = cfmt_row_time(row, "expires_on");
    t->not_before = cfmt_row_time(row, "not_before");
    return APR_SUCCESS;
}
