/*
 * help and version, written from the tables of commands and options; and the guess at what a
 * mistyped command meant.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmtctl.h"

#define WORD_MAX 48 /* a CIDR of IPv6 fits */

/* ---- what was meant -------------------------------------------------------------------------- */

static int least(int a, int b, int c)
{
    int ab = a < b ? a : b;

    return ab < c ? ab : c;
}

int ctl_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b), i, j;
    int row[WORD_MAX + 1], corner, above;

    if (la > WORD_MAX || lb > WORD_MAX) {
        return WORD_MAX;
    }
    for (j = 0; j <= lb; j++) {
        row[j] = (int)j;
    }
    for (i = 1; i <= la; i++) {
        corner = row[0];
        row[0] = (int)i;
        for (j = 1; j <= lb; j++) {
            above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, corner + (a[i - 1] != b[j - 1]));
            corner = above;
        }
    }
    return row[lb];
}

/* The command of which typed is the first word ("attack"), else the beginning ("ev"). */
static const char *begun_by(const char *typed)
{
    size_t len = strlen(typed);
    const char *found = NULL;
    int i;

    for (i = 0; len >= 2 && ctl_commands[i].name; i++) {
        const char *name = ctl_commands[i].name;
        if (!strncmp(name, typed, len)) {
            if (name[len] == ' ') {
                return name;
            }
            found = found ? found : name;
        }
    }
    return found;
}

/* From the name, or from its first word where only one was typed ("windw"). */
static int distance_to(const char *typed, const char *name)
{
    size_t first = strcspn(name, " ");
    int whole = ctl_distance(typed, name), part = whole;
    char word[WORD_MAX];

    if (name[first] && first < sizeof(word) && !strchr(typed, ' ')) {
        apr_cpystrn(word, name, first + 1);
        part = ctl_distance(typed, word);
    }
    return part < whole ? part : whole;
}

const char *ctl_nearest(const char *typed)
{
    const char *best = NULL, *begun = begun_by(typed);
    int i, d, nearest = strlen(typed) < 4 ? 2 : 3; /* at most one, two mistakes */

    for (i = 0; !begun && ctl_commands[i].name; i++) {
        d = distance_to(typed, ctl_commands[i].name);
        if (d < nearest) {
            nearest = d;
            best = ctl_commands[i].name;
        }
    }
    return begun ? begun : best;
}

/* ---- help ------------------------------------------------------------------------------------ */

static const char *flag_text(const ctl_option_t *o, apr_pool_t *p)
{
    char letter[] = "-x, ";

    letter[1] = o->letter;
    return apr_pstrcat(p, o->letter ? letter : "    ", "--", o->name,
                       o->operand && *o->operand != '[' ? " " : "", o->operand ? o->operand : "",
                       NULL);
}

static void print_options(unsigned bits, apr_pool_t *p)
{
    int i;

    for (i = 0; ctl_options[i].name; i++) {
        if (ctl_options[i].bit & bits) {
            printf("  %-18s %s\n", flag_text(&ctl_options[i], p), ctl_options[i].text);
        }
    }
}

static void help_all(apr_pool_t *p)
{
    int i;

    printf("usage: cfmtctl [OPTION]... COMMAND [OPERAND]...\n\n"
           "cfmtctl reads and commands the database of mod_cfmt.\n\ncommands\n");
    for (i = 0; ctl_commands[i].name; i++) {
        const ctl_command_t *c = &ctl_commands[i];
        printf("  %-18s %s\n", apr_pstrcat(p, c->name, *c->operands ? " " : "", c->operands, NULL),
               c->summary);
    }
    printf("\noptions of every command, before or after it\n");
    print_options(OPT_GLOBAL, p);
    printf("\noptions of the lists (events, attacks, journal)\n");
    print_options(OPT_LIST, p);
    printf("\n'cfmtctl help COMMAND' tells more; the manual page has exit codes and examples.\n");
}

static const char *json_options(unsigned bits, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; ctl_options[i].name; i++) {
        if (ctl_options[i].bit & bits) {
            text = apr_pstrcat(p, text, *text ? "," : "", ctl_json_string(p, ctl_options[i].name),
                               NULL);
        }
    }
    return text;
}

/* What it can be printed as. */
static const char *json_formats(const ctl_command_t *c, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; ctl_formats[i]; i++) {
        if (i != CTL_CSV || !c->document) {
            text = apr_pstrcat(p, text, *text ? "," : "", ctl_json_string(p, ctl_formats[i]), NULL);
        }
    }
    return text;
}

static const char *json_command(const ctl_command_t *c, apr_pool_t *p)
{
    return apr_pstrcat(p, "{\"name\":", ctl_json_string(p, c->name), ",\"operands\":",
                       ctl_json_string(p, c->operands), ",\"options\":[",
                       json_options(c->options, p), "],\"formats\":[", json_formats(c, p),
                       "],\"summary\":", ctl_json_string(p, c->summary), "}", NULL);
}

/* only NULL: all commands. */
static void help_json(const ctl_t *ctl, const ctl_command_t *only)
{
    apr_pool_t *p = ctl->pool;
    const char *text = apr_pstrcat(p, "\"options\":[", json_options(OPT_GLOBAL, p),
                                   "],\"commands\":[", NULL);
    int i, n = 0;

    for (i = 0; ctl_commands[i].name; i++) {
        if (!only || only == &ctl_commands[i]) {
            text = apr_pstrcat(p, text, n++ ? ",\n" : "\n", json_command(&ctl_commands[i], p),
                               NULL);
        }
    }
    ctl_json_document(ctl, apr_pstrcat(p, text, "\n]", NULL));
}

static void help_text(const ctl_command_t *c, apr_pool_t *p)
{
    printf("usage: cfmtctl %s%s%s%s\n\n%s: %s\n%s\n", c->name, c->options ? " [OPTION]..." : "",
           *c->operands ? " " : "", c->operands, c->name, c->summary, c->text);
    if (c->options) {
        printf("\noptions\n");
        print_options(c->options, p);
    }
    printf("\noptions of every command\n");
    print_options(OPT_GLOBAL, p);
}

int ctl_help_command(const ctl_t *ctl, const ctl_command_t *c)
{
    if (ctl->json) {
        help_json(ctl, c);
    }
    else {
        help_text(c, ctl->pool);
    }
    return CTL_DONE;
}

static const ctl_command_t *by_name(const char *name)
{
    int i;

    for (i = 0; ctl_commands[i].name; i++) {
        if (!strcmp(ctl_commands[i].name, name)) {
            return &ctl_commands[i];
        }
    }
    return NULL;
}

int ctl_help(ctl_t *ctl)
{
    const ctl_command_t *c;
    const char *name, *near;

    if (ctl->operand_count == 0) {
        if (ctl->json) {
            help_json(ctl, NULL);
        }
        else {
            help_all(ctl->pool);
        }
        return CTL_DONE;
    }
    name = ctl->operand_count == 1 ? ctl->operands[0]
           : apr_pstrcat(ctl->pool, ctl->operands[0], " ", ctl->operands[1], NULL);
    near = ctl_nearest(name);
    c = by_name(name);
    if (!c && near && !strncmp(near, name, strlen(name))) {
        c = by_name(near); /* "help attack" */
    }
    if (!c) {
        ctl_complain(CFMT_ID(0713), "no command '%s'; 'cfmtctl help' lists them",
                     ctl_text(ctl->pool, name));
        return CTL_USAGE;
    }
    return ctl_help_command(ctl, c);
}

int ctl_version(ctl_t *ctl)
{
    if (ctl->json) {
        ctl_json_document(ctl, apr_psprintf(
            ctl->pool, "\"cfmtctl\":\"%s\",\"schema\":%d,\"db\":%s", CFMT_VERSION, CFMT_SCHEMA,
            ctl_json_string(ctl->pool, ctl->db)));
    }
    else {
        printf("cfmtctl %s (schema %d, database %s)\n", CFMT_VERSION, CFMT_SCHEMA,
               ctl_text(ctl->pool, ctl->db));
    }
    return CTL_DONE;
}
