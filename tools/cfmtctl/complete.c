/*
 * completion: a script for a shell, and the words that it asks for on each Tab, from the tables of
 * commands and options and, for prefixes, channels and attacks, from the database.
 */
#include <string.h>

#include <apr_strings.h>

#include "act.h"
#include "cfmt_store_outbox.h"

#define ATTACKS_SHOWN 20

/* bash splits words at ':' and '=', too, which addresses have: what stands before is cut again. */
static const char bash_script[] =
    "# bash completion of cfmtctl: . <(cfmtctl completion bash)\n"
    "_cfmtctl() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words cut\n"
    "    read -ra words <<< \"$line\"\n"
    "    [[ $line == *[[:blank:]] ]] && words+=(\"\")\n"
    "    cut=${words[-1]}\n"
    "    cut=${cut%\"${cut##*[:=]}\"}\n"
    "    mapfile -t COMPREPLY < <(\"$1\" completion words -- \"${words[@]:1}\" 2>/dev/null)\n"
    "    COMPREPLY=(\"${COMPREPLY[@]#\"$cut\"}\")\n"
    "}\n"
    "complete -o default -F _cfmtctl cfmtctl\n";

static const char zsh_script[] =
    "#compdef cfmtctl\n"
    "# zsh completion of cfmtctl: . <(cfmtctl completion zsh)\n"
    "_cfmtctl() {\n"
    "    local -a found\n"
    "    found=(${(f)\"$($words[1] completion words -- \"${(@)words[2,CURRENT]}\""
    " 2>/dev/null)\"})\n"
    "    if (( $#found )); then compadd -- $found; else _files; fi\n"
    "}\n"
    "compdef _cfmtctl cfmtctl\n";

typedef struct line_t {
    ctl_t *ctl;
    apr_array_header_t *plain;  /* words before the last that are no options */
    const ctl_option_t *option; /* the one whose value the last word is; NULL = none */
    const char *last;
    const char *ahead;          /* "--output=" where that is part of the last word, else "" */
    apr_array_header_t *found;
} line_t;

static void offer(const line_t *l, const char *word)
{
    const char *whole = apr_pstrcat(l->ctl->pool, l->ahead, word, NULL);
    int i;

    if (strncmp(whole, l->last, strlen(l->last)) || whole[strcspn(whole, " \t\n")]) {
        return; /* with a blank in it, it would be two words */
    }
    for (i = 0; i < l->found->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(l->found, i, const char *), whole)) {
            return;
        }
    }
    APR_ARRAY_PUSH(l->found, const char *) = whole;
}

/* ---- what was typed before ------------------------------------------------------------------- */

static const ctl_option_t *option_of(const char *word, size_t len)
{
    const ctl_option_t *o;

    for (o = ctl_options; o->name; o++) {
        if ((word[1] == '-' && strlen(o->name) == len - 2 && !strncmp(o->name, word + 2, len - 2))
            || (word[1] != '-' && len == 2 && word[1] && o->letter == word[1])) {
            return o;
        }
    }
    return NULL;
}

static void read_words(line_t *l, const char *const *words, int n)
{
    const ctl_option_t *o;
    size_t len;
    int i;

    for (i = 0; i < n - 1; i++) {
        l->option = NULL;
        if (*words[i] != '-') {
            APR_ARRAY_PUSH(l->plain, const char *) = words[i];
            continue;
        }
        len = strcspn(words[i], "=");
        o = option_of(words[i], len);
        if (o && o->operand && *o->operand != '[' && !words[i][len] && i++ == n - 2) {
            l->option = o;
        }
    }
    len = strcspn(l->last, "=");
    if (!l->option && *l->last == '-' && l->last[len]) {
        l->option = option_of(l->last, len);
        l->ahead = apr_pstrmemdup(l->ctl->pool, l->last, len + 1);
    }
}

/* ---- what may follow ------------------------------------------------------------------------- */

static void offer_options(const line_t *l, const ctl_command_t *c)
{
    const ctl_option_t *o;

    for (o = ctl_options; o->name; o++) {
        if (o->bit & (OPT_GLOBAL | (c ? c->options : 0))) {
            offer(l, apr_pstrcat(l->ctl->pool, "--", o->name, NULL));
        }
    }
}

/* The value of an option; none where a shell knows better (files), or nobody (times). */
static void offer_values(const line_t *l)
{
    int i;

    for (i = 0; l->option->bit == OPT_OUTPUT && ctl_formats[i]; i++) {
        offer(l, ctl_formats[i]);
    }
}

/* Names, or their second words once the first is there. */
static void offer_commands(const line_t *l, const char *first)
{
    apr_pool_t *p = l->ctl->pool;
    int i;

    for (i = 0; ctl_commands[i].name; i++) {
        const char *name = ctl_commands[i].name, *blank = strchr(name, ' ');
        const char *head = blank ? apr_pstrmemdup(p, name, (apr_size_t)(blank - name)) : name;

        if (!first) {
            offer(l, head);
        }
        else if (blank && !strcmp(first, head)) {
            offer(l, blank + 1);
        }
    }
}

static void offer_prefixes(const line_t *l, const ctl_world_t *w)
{
    apr_array_header_t *rows, *words;
    int i;

    if (cfmt_prefixes_load(w->store, &rows, w->p) == APR_SUCCESS) {
        words = ctl_pick_words(w, rows);
        for (i = 0; i < words->nelts; i++) {
            offer(l, APR_ARRAY_IDX(words, i, const char *));
        }
    }
}

static void offer_channels(const line_t *l, const ctl_world_t *w)
{
    const apr_array_header_t *elts = apr_table_elts(w->settings);
    int i;

    for (i = 0; i < elts->nelts; i++) {
        const apr_table_entry_t *e = &APR_ARRAY_IDX(elts, i, apr_table_entry_t);
        if (!strncmp(e->key, "Notify ", 7)) {
            offer(l, e->key + 7);
        }
    }
}

static void offer_attacks(const line_t *l, const ctl_world_t *w)
{
    apr_array_header_t *rows;
    int i, more;

    if (cfmt_query_attacks(w->store, 0, ATTACKS_SHOWN, &rows, &more, w->p) == APR_SUCCESS) {
        for (i = 0; i < rows->nelts; i++) {
            offer(l, APR_ARRAY_IDX(rows, i, cfmt_attack_row_t).id);
        }
    }
}

/* "bash|zsh" */
static void offer_choices(const line_t *l, const char *operand)
{
    char *last, *word, *copy = apr_pstrdup(l->ctl->pool, operand);

    for (word = apr_strtok(copy, "[]|.", &last); word; word = apr_strtok(NULL, "[]|.", &last)) {
        if (*word >= 'a' && *word <= 'z') {
            offer(l, word);
        }
    }
}

/* The operand at that place, as help shows it; "" = there is none. */
static const char *operand_at(const ctl_command_t *c, int at, apr_pool_t *p)
{
    char *last, *word, *copy = apr_pstrdup(p, c->operands);
    const char *found = "";

    for (word = apr_strtok(copy, " ", &last); word; word = apr_strtok(NULL, " ", &last)) {
        found = word;
        if (at-- == 0) {
            return word;
        }
    }
    return strstr(found, "...") ? found : "";
}

static void offer_operands(const line_t *l, const ctl_command_t *c, int at)
{
    const char *operand = operand_at(c, at, l->ctl->pool);
    ctl_world_t w;

    offer_choices(l, operand);
    if (strstr(operand, "COMMAND")) {
        offer_commands(l, NULL);
    }
    if (!*operand || strstr(operand, "COMMAND") || ctl_world_open(&w, l->ctl) != CTL_DONE) {
        return;
    }
    if (strstr(operand, "PREFIX")) {
        offer_prefixes(l, &w);
    }
    if (strstr(operand, "CHANNEL")) {
        offer_channels(l, &w);
    }
    if (!strncmp(c->name, "attack", 6)) {
        offer_attacks(l, &w);
    }
}

static void offer_all(line_t *l)
{
    const char *const *plain = (const char *const *)l->plain->elts;
    int taken = 0, n = l->plain->nelts;
    const ctl_command_t *c = ctl_find(plain, n, &taken);

    if (l->option) {
        offer_values(l);
    }
    else if (*l->last == '-') {
        offer_options(l, c);
    }
    else {
        if (n < 2) {
            offer_commands(l, n ? plain[0] : NULL);
        }
        if (c) {
            offer_operands(l, c, n - taken);
        }
    }
}

/* ---- the command ----------------------------------------------------------------------------- */

static int print_words(ctl_t *ctl)
{
    static const ctl_column_t columns[] = {
        { .name = "word", .kind = COL_TEXT, .offset = 0, .in_table = 1 }, { .name = NULL }
    };
    static const ctl_list_t list = { "words", columns, sizeof(const char *) };
    int i, n = ctl->operand_count - 1;
    line_t l = { .ctl = ctl, .last = n ? ctl->operands[n] : "", .ahead = "" };

    l.plain = apr_array_make(ctl->pool, 8, sizeof(const char *));
    l.found = apr_array_make(ctl->pool, 64, sizeof(const char *));
    read_words(&l, ctl->operands + 1, n);
    offer_all(&l);
    if (ctl->json) {
        ctl_list_print(&list, l.found, NULL, ctl, ctl->pool);
    }
    for (i = 0; !ctl->json && i < l.found->nelts; i++) {
        printf("%s\n", ctl_text(ctl->pool, APR_ARRAY_IDX(l.found, i, const char *)));
    }
    return CTL_DONE;
}

int ctl_completion(ctl_t *ctl)
{
    const char *what = ctl->operands[0], *script;

    if (!strcmp(what, "words")) {
        return print_words(ctl);
    }
    script = !strcmp(what, "bash") ? bash_script : !strcmp(what, "zsh") ? zsh_script : NULL;
    if (!script || ctl->operand_count > 1) {
        ctl_complain(CFMT_ID(1105), "usage: cfmtctl completion bash, or zsh; see 'cfmtctl help"
                     " completion'");
        return CTL_USAGE;
    }
    if (ctl->json) {
        ctl_json_document(ctl, apr_pstrcat(ctl->pool, "\"script\":",
                                           ctl_json_string(ctl->pool, script), NULL));
    }
    else {
        fputs(script, stdout);
    }
    return CTL_DONE;
}
