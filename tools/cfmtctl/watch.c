/*
 * -w: a command on the whole terminal, drawn again every second. A frame is made in memory and
 * written at once over the one before, so nothing flickers; whatever ends us, the terminal is left
 * as it was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cfmtctl.h"

#define ENTER "\033[?1049h\033[?25l" /* the other screen, no cursor */
#define LEAVE "\033[0m\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[0m\033[K"
#define CLEAR_REST "\033[J"
#define TICK_MS 1000
#define ROWS_LEAST 4

/* ---- the terminal ---------------------------------------------------------------------------- */

static struct termios before;
static sigset_t mask_before;
static volatile sig_atomic_t entered, ended, stopped;

/* Of what a signal handler may call only. */
static void leave(void)
{
    if (entered) {
        entered = 0;
        if (write(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1) < 0) {
            /* the terminal has gone: nothing to restore */
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
}

static void enter(void)
{
    struct termios raw = before;

    raw.c_lflag &= (tcflag_t)~(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    entered = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs(ENTER, stdout);
    fflush(stdout);
}

static void on_signal(int signo)
{
    if (signo == SIGTSTP) {
        stopped = 1;
    }
    else if (signo != SIGWINCH) { /* that one only has to end the wait */
        ended = 1;
    }
}

static void on_crash(int signo)
{
    leave();
    raise(signo); /* its handler is the default one again */
}

/* Those of the first kind are let in during the wait only: none falls between look and sleep. */
static void catch_signals(void)
{
    static const int calm[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
    static const int crash[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    struct sigaction sa;
    sigset_t set;
    size_t i;

    memset(&sa, 0, sizeof(sa));
    sigemptyset(&sa.sa_mask);
    sigemptyset(&set);
    sa.sa_handler = on_signal;
    for (i = 0; i < sizeof(calm) / sizeof(calm[0]); i++) {
        sigaction(calm[i], &sa, NULL);
        sigaddset(&set, calm[i]);
    }
    sa.sa_handler = on_crash;
    sa.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
    for (i = 0; i < sizeof(crash) / sizeof(crash[0]); i++) {
        sigaction(crash[i], &sa, NULL);
    }
    sigprocmask(SIG_BLOCK, &set, &mask_before);
}

static void size_of_terminal(int *prows, int *pcolumns)
{
    struct winsize w;
    int known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row && w.ws_col;

    *prows = known ? w.ws_row : 24;
    *pcolumns = known ? w.ws_col : 80;
    *prows = *prows > ROWS_LEAST ? *prows : ROWS_LEAST;
}

/* ---- a frame --------------------------------------------------------------------------------- */

typedef struct frame_t {
    char *text;   /* of malloc: what the command printed on stdout and stderr */
    size_t len;
    int code;
} frame_t;

/* The commands write to stdout and stderr, which are the frame meanwhile. */
static void make_frame(frame_t *f, const ctl_t *ctl, const ctl_command_t *c, int rows)
{
    FILE *out = stdout, *err = stderr, *memory = open_memstream(&f->text, &f->len);
    ctl_t once = *ctl;

    f->code = CTL_UNAVAILABLE;
    if (!memory) {
        return;
    }
    apr_pool_create(&once.pool, ctl->pool);
    if (c->options & OPT_LIMIT && !(ctl->given & OPT_LIMIT)) {
        once.limit = rows - 3; /* title, header, and a note below */
        once.given |= OPT_LIMIT;
    }
    stdout = stderr = memory;
    f->code = c->run(&once);
    stdout = out;
    stderr = err;
    fclose(memory);
    apr_pool_destroy(once.pool);
}

/* How many bytes of an escape sequence of ours begin here. */
static size_t sequence(const char *at)
{
    size_t n = 0;

    if (at[0] == '\033' && at[1] == '[') {
        n = 2 + strspn(at + 2, "0123456789;?");
        n += at[n] != '\0';
    }
    return n;
}

/* As long as a line of the terminal may be; a line end, too, ends it. */
static size_t line_of(const char *at, int columns)
{
    const char *begin = at;
    size_t n;

    while (*at && *at != '\n') {
        n = sequence(at);
        if (!n) {
            if (columns-- == 0) {
                break;
            }
            for (n = 1; ((unsigned char)at[n] & 0xc0) == 0x80; n++) {
            }
        }
        at += n;
    }
    return (size_t)(at - begin);
}

static apr_array_header_t *fold(const char *text, int columns, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, 64, sizeof(const char *));
    size_t n;

    while (*text) {
        n = line_of(text, columns);
        APR_ARRAY_PUSH(lines, const char *) = apr_pstrmemdup(p, text, n);
        text += n + (text[n] == '\n');
    }
    return lines;
}

/* Too many: of what grows at its end the newest and the header, else the first. */
static apr_array_header_t *fit(const apr_array_header_t *lines, int room, int grows,
                               apr_pool_t *p)
{
    apr_array_header_t *shown = apr_array_make(p, room, sizeof(const char *));
    int i, over = lines->nelts - room;

    for (i = 0; i < lines->nelts; i++) {
        if (over <= 0 || (grows ? i == 0 || i > over : i < room - 1)) {
            APR_ARRAY_PUSH(shown, const char *) = APR_ARRAY_IDX(lines, i, const char *);
        }
    }
    if (over > 0 && !grows) {
        APR_ARRAY_PUSH(shown, const char *) = apr_psprintf(p, "... %d more lines", over + 1);
    }
    return shown;
}

static void put_all(const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(STDOUT_FILENO, text, len);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            ended = 1;
            return;
        }
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static const char *title(const ctl_t *ctl, int columns, apr_pool_t *p)
{
    const char *when = apr_psprintf(p, "%s  q: quit", ctl_time(p, apr_time_now()));
    int blanks = columns - (int)strlen(ctl->typed) - (int)strlen(when);

    blanks = blanks > 2 ? blanks : 2;
    return apr_psprintf(p, "%s%s%*s%s%s", ctl_ansi("\033[7m"), ctl->typed, blanks, "", when,
                        ctl_ansi("\033[0m"));
}

static void draw(const ctl_t *ctl, const ctl_command_t *c, const frame_t *f, int rows,
                 int columns)
{
    apr_array_header_t *lines;
    const char *text, *head;
    apr_pool_t *p;

    apr_pool_create(&p, ctl->pool);
    head = title(ctl, columns, p);
    lines = fit(fold(f->text ? f->text : "", columns, p), rows - 1, c->options & OPT_LIMIT, p);
    text = apr_pstrcat(p, HOME, apr_pstrmemdup(p, head, line_of(head, columns)), NULL);
    for (; lines->nelts; lines->elts += lines->elt_size, lines->nelts--) {
        text = apr_pstrcat(p, text, CLEAR_LINE "\n", APR_ARRAY_IDX(lines, 0, const char *), NULL);
    }
    text = apr_pstrcat(p, text, CLEAR_LINE CLEAR_REST, NULL);
    put_all(text, strlen(text));
    apr_pool_destroy(p);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void read_keys(void)
{
    char keys[64];
    ssize_t i, n = read(STDIN_FILENO, keys, sizeof(keys));

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
        ended = 1; /* nobody is there any more */
    }
    for (i = 0; i < n; i++) {
        ended |= keys[i] == 'q' || keys[i] == 'Q';
    }
}

static void wait_a_while(void)
{
    static const struct timespec tick = { .tv_sec = TICK_MS / 1000 };
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

    if (ppoll(&in, 1, &tick, &mask_before) > 0) {
        read_keys();
    }
    if (stopped) {
        stopped = 0;
        leave();
        raise(SIGSTOP);
        tcgetattr(STDIN_FILENO, &before);
        enter();
    }
}

static int can_watch(void)
{
    const char *term = getenv("TERM");

    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb")
        && tcgetattr(STDIN_FILENO, &before) == 0) {
        return 1;
    }
    ctl_complain(CFMT_ID(1104), "-w needs a terminal: leave it out, or use 'cfmtctl events"
                 " --follow'");
    return 0;
}

/* What was typed is wrong, or not allowed: that does not get better by looking again. */
static int is_hopeless(const frame_t *f)
{
    return f->code != CTL_DONE && f->code != CTL_UNAVAILABLE;
}

int ctl_watch(ctl_t *ctl, const ctl_command_t *c)
{
    frame_t f = { .text = NULL };
    int rows, columns;

    if (!can_watch()) {
        return CTL_USAGE;
    }
    size_of_terminal(&rows, &columns);
    make_frame(&f, ctl, c, rows);
    if (is_hopeless(&f)) {
        fputs(f.text ? f.text : "", stderr);
        free(f.text);
        return f.code;
    }
    catch_signals();
    atexit(leave);
    for (enter(); !ended; wait_a_while()) {
        free(f.text);
        f.text = NULL;
        size_of_terminal(&rows, &columns);
        make_frame(&f, ctl, c, rows);
        draw(ctl, c, &f, rows, columns);
    }
    free(f.text);
    leave();
    return CTL_DONE;
}
