/*
 * cfmtctl: the command line. A command is found in the table (commands.c), its usage is checked,
 * and it is run.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "cfmtctl.h"

#define ANSWER_MAX 16

/* ---- which command --------------------------------------------------------------------------- */

/* How many of the words are the name; 0 = another command. */
static int name_matches(const char *name, const char *const *words, int count)
{
    const char *blank = strchr(name, ' ');
    size_t first = blank ? (size_t)(blank - name) : strlen(name);

    if (count < 1 || strlen(words[0]) != first || strncmp(words[0], name, first)) {
        return 0;
    }
    if (!blank) {
        return 1;
    }
    return count > 1 && !strcmp(words[1], blank + 1) ? 2 : 0;
}

const ctl_command_t *ctl_find(const char *const *words, int count, int *ptaken)
{
    int i;

    for (i = 0; ctl_commands[i].name; i++) {
        *ptaken = name_matches(ctl_commands[i].name, words, count);
        if (*ptaken) {
            return &ctl_commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const ctl_t *ctl)
{
    const char *typed, *near;

    if (ctl->operand_count == 0) {
        ctl_complain(CFMT_ID(0707), "no command given; 'cfmtctl help' lists them");
        return CTL_USAGE;
    }
    typed = ctl->operand_count == 1 ? ctl->operands[0]
            : apr_pstrcat(ctl->pool, ctl->operands[0], " ", ctl->operands[1], NULL);
    near = ctl_nearest(typed);
    near = near ? near : ctl_nearest(ctl->operands[0]);
    if (near) {
        ctl_complain(CFMT_ID(0708), "unknown command '%s'; did you mean '%s'?",
                     ctl_text(ctl->pool, typed), near);
    }
    else {
        ctl_complain(CFMT_ID(0709), "unknown command '%s'; 'cfmtctl help' lists them",
                     ctl_text(ctl->pool, ctl->operands[0]));
    }
    return CTL_USAGE;
}

static int check_usage(const ctl_t *ctl, const ctl_command_t *c)
{
    unsigned wrong = ctl->given & ~(OPT_GLOBAL | c->options);
    int i;

    for (i = 0; ctl_options[i].name; i++) {
        if (wrong & ctl_options[i].bit) {
            ctl_complain(CFMT_ID(0710), "'%s' has no option --%s; see 'cfmtctl help %s'", c->name,
                         ctl_options[i].name, c->name);
            return CTL_USAGE;
        }
    }
    if (ctl->operand_count < c->operands_min || ctl->operand_count > c->operands_max) {
        ctl_complain(CFMT_ID(0711), "usage: cfmtctl %s%s%s; see 'cfmtctl help %s'", c->name,
                     *c->operands ? " " : "", c->operands, c->name);
        return CTL_USAGE;
    }
    return CTL_DONE;
}

/* What the command is asked to print, and how. */
static int check_output(const ctl_t *ctl, const ctl_command_t *c)
{
    if (c->document && ctl->format == CTL_CSV) {
        ctl_complain(CFMT_ID(1101), "'%s' prints no list of rows, so there is no -o csv; -o json"
                     " has all of it", c->name);
        return CTL_USAGE;
    }
    if (ctl->given & OPT_WATCH && ctl->json) {
        ctl_complain(CFMT_ID(1102), "-w is for a terminal, -o %s for programs: leave one of them"
                     " out", ctl_formats[ctl->format]);
        return CTL_USAGE;
    }
    if (ctl->given & OPT_WATCH && ctl->follow) {
        ctl_complain(CFMT_ID(1103), "-w and --follow exclude each other: -w redraws, --follow goes"
                     " on");
        return CTL_USAGE;
    }
    return CTL_DONE;
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *ctl_shell_word(const char *word, apr_pool_t *p)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:=,+@%";
    const char *out = "'", *quote;

    if (*word && !word[strspn(word, plain)]) {
        return word;
    }
    while ((quote = strchr(word, '\'')) != NULL) {
        out = apr_pstrcat(p, out, apr_pstrmemdup(p, word, (apr_size_t)(quote - word)), "'\"'\"'",
                          NULL);
        word = quote + 1;
    }
    return apr_pstrcat(p, out, word, "'", NULL);
}

/* A backslash is the one byte that is escaped and yet can be shown. */
static const char *printable(const char *word, apr_pool_t *p)
{
    char *plain = apr_pstrdup(p, word), *at;

    while ((at = strchr(plain, '\\')) != NULL) {
        *at = '/';
    }
    return !*word || !strcmp(ctl_text(p, plain), plain) ? word : ctl_text(p, word);
}

static const char *typed(char **argv, apr_pool_t *p)
{
    const char *out = "cfmtctl";

    while (*argv && *++argv) {
        out = apr_pstrcat(p, out, " ", ctl_shell_word(printable(*argv, p), p), NULL);
    }
    return out;
}

int ctl_confirm(const ctl_t *ctl, const char *question)
{
    char line[ANSWER_MAX];

    if (ctl->given & OPT_YES) {
        return CTL_DONE;
    }
    if (ctl->json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        ctl_complain(CFMT_ID(0989), "%s Nobody can be asked here; without a question: %s --yes",
                     question, ctl->typed);
        return CTL_USAGE;
    }
    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(line, sizeof(line), stdin)
        && (!strcasecmp(line, "y\n") || !strcasecmp(line, "yes\n"))) {
        return CTL_DONE;
    }
    ctl_complain(CFMT_ID(0990), "not confirmed: nothing was changed");
    return CTL_USAGE;
}

/* ---- the command line ------------------------------------------------------------------------ */

static int run(ctl_t *ctl, const ctl_command_t *c)
{
    int code = check_usage(ctl, c);

    code = code == CTL_DONE ? check_output(ctl, c) : code;
    if (code != CTL_DONE) {
        return code;
    }
    return ctl->given & OPT_WATCH ? ctl_watch(ctl, c) : c->run(ctl);
}

static int dispatch(ctl_t *ctl)
{
    const ctl_command_t *c;
    int taken;

    if (ctl->operand_count == 0 && (ctl->given & (OPT_HELP | OPT_VERSION))) {
        return ctl->given & OPT_HELP ? ctl_help(ctl) : ctl_version(ctl);
    }
    c = ctl_find(ctl->operands, ctl->operand_count, &taken);
    if (!c) {
        return unknown_command(ctl);
    }
    ctl->operands += taken;
    ctl->operand_count -= taken;
    return ctl->given & OPT_HELP ? ctl_help_command(ctl, c) : run(ctl, c);
}

/*
 * A file of the store that became descriptor 1 or 2 would have our output in it. What is written
 * to these fails, as it should: they are open for reading only.
 */
static void fill_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    ctl_t ctl = { .db = CFMT_DEFAULT_DB, .limit = CTL_LIMIT_DEFAULT };
    const char *env = getenv("CFMT_DB");
    int code;

    fill_descriptors();
    umask(0007);
    signal(SIGPIPE, SIG_IGN); /* a reader that leaves ends us quietly: ctl_out_end() */
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&ctl.pool, NULL) != APR_SUCCESS) {
        ctl_complain(CFMT_ID(0712), "APR does not start: out of memory?");
        return CTL_FAILED;
    }
    if (env && *env) {
        ctl.db = env;
    }
    code = ctl_old_name(&argc, &argv, ctl.pool);
    if (code == CTL_DONE && argc) {
        ctl.typed = typed(argv, ctl.pool);
        code = ctl_parse(&ctl, argc, argv);
        code = code == CTL_DONE ? dispatch(&ctl) : code;
    }
    code = ctl_out_end(code);
    apr_terminate();
    return code;
}
