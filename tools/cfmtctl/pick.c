/*
 * Which prefix is meant: a CIDR, an address inside one, or the name of a CfmtPrefix line. What is
 * not known is never guessed, only suggested: a command may change BGP.
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_policy_gates.h"

#define NEAR 3 /* mistakes in a name that make it another one */

/* ---- CfmtPrefix lines ------------------------------------------------------------------------ */

static const char *option_name(const char *options, apr_pool_t *p)
{
    char *last, *word, *copy = apr_pstrdup(p, options);

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        if (!strncmp(word, "name=", 5)) {
            return word + 5;
        }
    }
    return NULL;
}

apr_array_header_t *ctl_lines(const ctl_world_t *w)
{
    const apr_array_header_t *elts = apr_table_elts(w->settings);
    apr_array_header_t *found = apr_array_make(w->p, 8, sizeof(ctl_line_t));
    ctl_line_t line;
    int i;

    for (i = 0; i < elts->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);
        if (!strncmp(e->key, "Prefix ", 7)
            && cfmt_cidr_parse(&line.cidr, NULL, e->key + 7) == APR_SUCCESS) {
            line.name = option_name(e->val, w->p);
            APR_ARRAY_PUSH(found, ctl_line_t) = line;
        }
    }
    return found;
}

const ctl_line_t *ctl_line_of(const apr_array_header_t *lines, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < lines->nelts; i++) {
        const ctl_line_t *line = &APR_ARRAY_IDX(lines, i, ctl_line_t);
        if (!cfmt_cidr_compare(&line->cidr, cidr)) {
            return line;
        }
    }
    return NULL;
}

/* ---- candidates ------------------------------------------------------------------------------ */

/* What may be meant: what the API lists, and what is configured and not listed. */
typedef struct candidate_t {
    cfmt_cidr_t cidr;
    const char *name;
    int advertisable;
} candidate_t;

static apr_array_header_t *candidates(const ctl_world_t *w, const apr_array_header_t *prefixes)
{
    apr_array_header_t *lines = ctl_lines(w);
    apr_array_header_t *all = apr_array_make(w->p, prefixes->nelts + 1, sizeof(candidate_t));
    int i;

    for (i = 0; i < prefixes->nelts; i++) {
        const cfmt_prefix_row_t *r = &APR_ARRAY_IDX(prefixes, i, cfmt_prefix_row_t);
        const ctl_line_t *line = ctl_line_of(lines, &r->b.cidr);
        if (r->b.cidr.family && !r->gone) {
            APR_ARRAY_PUSH(all, candidate_t) = (candidate_t){
                .cidr = r->b.cidr, .name = line ? line->name : NULL,
                .advertisable = cfmt_advertisable(&r->b)
            };
        }
    }
    for (i = 0; i < lines->nelts; i++) {
        const ctl_line_t *line = &APR_ARRAY_IDX(lines, i, ctl_line_t);
        if (!cfmt_prefix_find(prefixes, &line->cidr)) {
            /* an array that has elements has them somewhere */
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            const candidate_t c = { .cidr = line->cidr, .name = line->name };
            APR_ARRAY_PUSH(all, candidate_t) = c;
        }
    }
    return all;
}

static int is_better(const candidate_t *c, const candidate_t *best)
{
    return !best || c->advertisable > best->advertisable
           || (c->advertisable == best->advertisable && c->cidr.bits > best->cidr.bits);
}

/* The one that an address, or a part of a prefix, lies in; NULL = none. */
static const candidate_t *around(const apr_array_header_t *all, const cfmt_cidr_t *cidr)
{
    const candidate_t *best = NULL;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        if (cfmt_cidr_contains(&c->cidr, cidr) && is_better(c, best)) {
            best = c;
        }
    }
    return best;
}

static const candidate_t *exactly(const apr_array_header_t *all, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        if (!cfmt_cidr_compare(&c->cidr, cidr)) {
            return c;
        }
    }
    return NULL;
}

/* ---- what was typed -------------------------------------------------------------------------- */

static int unknown(const ctl_world_t *w, const char *typed, const char *meant)
{
    if (meant) {
        ctl_complain(CFMT_ID(0982), "no prefix is called '%s'; did you mean '%s'?",
                     ctl_text(w->p, typed), meant);
    }
    else {
        ctl_complain(CFMT_ID(0983), "no prefix is called '%s'; 'cfmtctl prefixes' lists them",
                     ctl_text(w->p, typed));
    }
    return CTL_USAGE;
}

/* Fewest mistakes; an address is compared with a prefix without its length. */
static void compare(const char *typed, const char *text, int *pnearest, const char **pbest,
                    const char *meant)
{
    int d = ctl_distance(typed, text);

    if (d < *pnearest) {
        *pnearest = d;
        *pbest = meant;
    }
}

/* The name or CIDR that was probably meant; NULL = none is near. */
static const char *nearest(const ctl_world_t *w, const apr_array_header_t *all, const char *typed)
{
    int i, least = NEAR, is_part = strchr(typed, '/') == NULL;
    const char *best = NULL;

    for (i = 0; i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        const char *cidr = cfmt_cidr_format(w->p, &c->cidr);
        if (c->name) { /* as above: NOLINT(clang-analyzer-core.NullDereference) */
            compare(typed, c->name, &least, &best, c->name);
        }
        compare(typed, is_part ? apr_pstrmemdup(w->p, cidr, strcspn(cidr, "/")) : cidr, &least,
                &best, cidr);
    }
    return best ? ctl_text(w->p, best) : NULL;
}

/* Both ways: an address or a part of one of ours, or what covers some of them. */
static int unknown_cidr(const ctl_world_t *w, const apr_array_header_t *all, const char *typed,
                        const cfmt_cidr_t *cidr)
{
    const candidate_t *near = around(all, cidr);
    int i;

    for (i = 0; !near && i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        near = cfmt_cidr_contains(cidr, &c->cidr) ? c : NULL;
    }
    return unknown(w, typed, near ? cfmt_cidr_format(w->p, &near->cidr) : nearest(w, all, typed));
}

static int pick_cidr(const ctl_world_t *w, const apr_array_header_t *all, const char *typed,
                     cfmt_cidr_t *pcidr)
{
    const candidate_t *c = exactly(all, pcidr);

    if (!c && !strchr(typed, '/')) {
        c = around(all, pcidr);
    }
    if (!c) {
        return unknown_cidr(w, all, typed, pcidr);
    }
    *pcidr = c->cidr;
    return CTL_DONE;
}

static int pick_name(const ctl_world_t *w, const apr_array_header_t *all, const char *typed,
                     cfmt_cidr_t *pcidr)
{
    const candidate_t *found = NULL;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        if (!c->name || strcasecmp(c->name, typed)) {
            continue;
        }
        if (found) {
            ctl_complain(CFMT_ID(0984), "several prefixes are called '%s': name one of %s, %s",
                         ctl_text(w->p, typed), cfmt_cidr_format(w->p, &found->cidr),
                         cfmt_cidr_format(w->p, &c->cidr));
            return CTL_USAGE;
        }
        found = c;
    }
    if (!found) {
        return unknown(w, typed, nearest(w, all, typed));
    }
    *pcidr = found->cidr;
    return CTL_DONE;
}

static int pick_of(const ctl_world_t *w, const apr_array_header_t *all, const char *typed,
                   cfmt_cidr_t *pcidr)
{
    return cfmt_cidr_parse(pcidr, NULL, typed) == APR_SUCCESS ? pick_cidr(w, all, typed, pcidr)
                                                               : pick_name(w, all, typed, pcidr);
}

int ctl_pick(const ctl_world_t *w, const apr_array_header_t *prefixes, const char *typed,
             cfmt_cidr_t *pcidr)
{
    return pick_of(w, candidates(w, prefixes), typed, pcidr);
}

apr_array_header_t *ctl_pick_words(const ctl_world_t *w, const apr_array_header_t *prefixes)
{
    const apr_array_header_t *all = candidates(w, prefixes);
    apr_array_header_t *words = apr_array_make(w->p, 2 * all->nelts + 1, sizeof(const char *));
    int i;

    for (i = 0; i < all->nelts; i++) {
        const candidate_t *c = &APR_ARRAY_IDX(all, i, candidate_t);
        if (c->name) {
            APR_ARRAY_PUSH(words, const char *) = c->name;
        }
        APR_ARRAY_PUSH(words, const char *) = cfmt_cidr_format(w->p, &c->cidr);
    }
    return words;
}

static int is_among(const apr_array_header_t *cidrs, const cfmt_cidr_t *cidr)
{
    int i;

    for (i = 0; i < cidrs->nelts; i++) {
        if (!cfmt_cidr_compare(&APR_ARRAY_IDX(cidrs, i, cfmt_cidr_t), cidr)) {
            return 1;
        }
    }
    return 0;
}

int ctl_pick_all(const ctl_world_t *w, const apr_array_header_t *prefixes,
                 apr_array_header_t **pcidrs)
{
    const apr_array_header_t *all = candidates(w, prefixes);
    int i, code = CTL_DONE;
    cfmt_cidr_t cidr;

    *pcidrs = apr_array_make(w->p, w->ctl->operand_count + 1, sizeof(cfmt_cidr_t));
    for (i = 0; code == CTL_DONE && i < w->ctl->operand_count; i++) {
        code = pick_of(w, all, w->ctl->operands[i], &cidr);
        if (code == CTL_DONE && !is_among(*pcidrs, &cidr)) {
            APR_ARRAY_PUSH(*pcidrs, cfmt_cidr_t) = cidr;
        }
    }
    return code;
}

/* Where its ids stand. */
static const char *list_of(const char *noun)
{
    static const char *const lists[][2] = {
        { "a proposal", "proposals" }, { "a window", "window list" },
        { "a message", "outbox list" }, { "a delivery", "deliveries list" },
        { "", "timers" } /* an intent */
    };
    int i;

    for (i = 0; *lists[i][0] && strcmp(lists[i][0], noun); i++) {
    }
    return lists[i][1];
}

int ctl_pick_id(const ctl_t *ctl, const char *typed, const char *noun, apr_int64_t *pid)
{
    if (cfmt_int_parse(pid, typed, 1, APR_INT64_MAX) == APR_SUCCESS) {
        return CTL_DONE;
    }
    ctl_complain(CFMT_ID(0985), "'%s' is not the id of %s, which is a number: see 'cfmtctl %s'",
                 ctl_text(ctl->pool, typed), noun, list_of(noun));
    return CTL_USAGE;
}
