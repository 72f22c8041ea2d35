/*
 * cloudflare-prefix-manager: the command of the system before, as another name of this program, so
 * that what people have in their fingers and scripts goes on working. It says what the new command
 * is, and does no more than the old one could: its --force answers the question, and overrides
 * nothing.
 */
#include <string.h>

#include <apr_strings.h>

#include "cfmtctl.h"

#define OLD_NAME "cloudflare-prefix-manager"

typedef struct old_command_t {
    const char *name, *now, *operands;
    int prefixes; /* it may have any */
    int acts;     /* --all, --force */
} old_command_t;

static const old_command_t commands[] = {
    { .name = "status", .now = "status", .operands = "[PREFIX]", .prefixes = 1 },
    { .name = "advertise", .now = "advertise", .operands = "PREFIX|--all [--force]",
      .prefixes = 1, .acts = 1 },
    { .name = "withdraw", .now = "withdraw", .operands = "PREFIX|--all [--force]", .prefixes = 1,
      .acts = 1 },
    { .name = "list", .now = "prefixes", .operands = "" },
    { .name = "help", .now = "help", .operands = "" },
};
#define COMMANDS ((int)(sizeof(commands) / sizeof(commands[0])))

static const old_command_t *find(const char *name)
{
    int i;

    if (name && (!strcmp(name, "-h") || !strcmp(name, "--help"))) {
        name = "help";
    }
    for (i = 0; name && i < COMMANDS; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

static int is_old(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    return !strcmp(slash ? slash + 1 : argv0, OLD_NAME);
}

static void help(void)
{
    int i;

    printf("usage: " OLD_NAME " COMMAND\n\nThe old name of cfmtctl.\n\n");
    for (i = 0; i < COMMANDS; i++) {
        printf("  %-10s %-24s now: cfmtctl %s\n", commands[i].name, commands[i].operands,
               commands[i].now);
    }
    printf("\n--force is --yes now: it answers the question, and overrides no refusal.\n");
}

/* The words of the new command; NULL: complained. */
static const char **translate(const old_command_t *c, int argc, char **argv, apr_pool_t *p)
{
    const char **words = apr_pcalloc(p, sizeof(char *) * ((apr_size_t)argc + 1));
    int i, n = 0;

    words[n++] = "cfmtctl";
    words[n++] = c->now;
    for (i = 2; i < argc; i++) {
        if (c->acts && !strcmp(argv[i], "--force")) {
            words[n++] = "--yes";
        }
        else if ((c->acts && !strcmp(argv[i], "--all")) || (c->prefixes && *argv[i] != '-')) {
            words[n++] = argv[i];
        }
        else {
            ctl_complain(CFMT_ID(1159), OLD_NAME ": '%s' has no '%s'; 'cfmtctl help %s' tells what"
                         " there is now", c->name, ctl_text(p, argv[i]), c->now);
            return NULL;
        }
    }
    return words;
}

static const char *line_of(const char **words, apr_pool_t *p)
{
    const char *line = "cfmtctl";

    while (*++words) {
        line = apr_pstrcat(p, line, " ", ctl_shell_word(*words, p), NULL);
    }
    return line;
}

int ctl_old_name(int *pargc, char ***pargv, apr_pool_t *p)
{
    const old_command_t *c;
    const char **words;

    if (*pargc < 1 || !is_old((*pargv)[0])) {
        return CTL_DONE;
    }
    c = find(*pargc > 1 ? (*pargv)[1] : NULL);
    if (!c) {
        ctl_complain(CFMT_ID(1160), OLD_NAME " is cfmtctl now; of the old commands there are"
                     " status, advertise, withdraw, list and help; 'cfmtctl help' has all");
        return CTL_USAGE;
    }
    words = translate(c, *pargc, *pargv, p);
    if (!words) {
        return CTL_USAGE;
    }
    if (!strcmp(c->name, "help")) {
        help();
        *pargc = 0;
        return CTL_DONE;
    }
    ctl_complain(CFMT_ID(1161), OLD_NAME " is now: %s", ctl_text(p, line_of(words, p)));
    *pargv = (char **)words;
    for (*pargc = 0; words[*pargc]; (*pargc)++) {
    }
    return CTL_DONE;
}
