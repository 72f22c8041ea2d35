/*
 * CfmtNotify: a line of words as the configuration or the store has it. Whatever is taken is the
 * same channel when its published words are read again, and no sentence is longer than a screen.
 */
#include <string.h>

#include "cfmt_notify.h"
#include "fuzz.h"

static void check_again(const cfmt_channel_conf_t *c, apr_pool_t *p)
{
    const char *words = cfmt_channel_words(c, p), *why;
    cfmt_channel_conf_t again;

    FUZZ_CHECK(c->name && strlen(c->name) <= 32);
    FUZZ_CHECK(!strchr(words, '\n'));
    why = cfmt_channel_read(&again, words, p);
    FUZZ_CHECK(!why);
    FUZZ_CHECK(!strcmp(cfmt_channel_words(&again, p), words));
    FUZZ_CHECK(again.kind == c->kind && again.min == c->min && again.kinds == c->kinds
               && again.daily == c->daily && again.lifecycle == c->lifecycle
               && again.thread == c->thread);
    FUZZ_CHECK(!again.token && !again.url && !again.secret && !again.path && !again.chat);
}

void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p)
{
    cfmt_channel_conf_t c;
    const char *why = cfmt_channel_read(&c, fuzz_text(data, len, p), p);

    if (!why) {
        check_again(&c, p);
    }
    else {
        FUZZ_CHECK(strlen(why) < 2000 + len);
    }
}
