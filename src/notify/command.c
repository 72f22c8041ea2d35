/*
 * Channel command: a program of the operator gets the message as JSON on its standard input. Its
 * exit status says how it went: 0 sent, 65 (EX_DATAERR) this message never, all else try again.
 */
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <apr_strings.h>

#include "out.h"

apr_interval_time_t cfmt_command_limit = apr_time_from_sec(10);

void cfmt_command_start(cfmt_sending_t *s)
{
    const char *input = apr_pstrcat(s->pool, cfmt_payload(&s->m, s->m.text, s->pool), "\n", NULL);
    cfmt_spawn_t what = { .path = s->c->path, .input = input, .len = strlen(input), .errors = 1 };

    if (geteuid() == 0) {
        cfmt_sending_known(s, CFMT_SENT_BROKEN, "it is not run as root");
    }
    else if (cfmt_program_start(&s->program, &what, cfmt_command_limit, s->pool) != APR_SUCCESS) {
        cfmt_sending_known(s, CFMT_SENT_LATER, "no process can be started");
    }
    else {
        cfmt_sending_step(s);
    }
}

static cfmt_sent_e meaning(int code)
{
    switch (code) {
    case 0:
        return CFMT_SENT_YES;
    case EX_DATAERR:
        return CFMT_SENT_NEVER;
    case 126: case 127: /* it is not there, or no program */
        return CFMT_SENT_BROKEN;
    case -1: /* a signal: it may have done its work before */
        return CFMT_SENT_MAYBE;
    default:
        return CFMT_SENT_LATER;
    }
}

int cfmt_command_look(cfmt_sending_t *s)
{
    const char *text = NULL;
    int code = -1;

    switch (cfmt_program_look(s->program, &code, &text)) {
    case CFMT_PROGRAM_RUNS:
        return 0;
    case CFMT_PROGRAM_LATE:
        cfmt_sending_tell(s, CFMT_SENT_MAYBE, "it did not end within 10 s, and was ended");
        return 1;
    default:
        cfmt_sending_tell(s, meaning(code), text);
        return 1;
    }
}
