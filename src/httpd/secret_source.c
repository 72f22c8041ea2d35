/*
 * Where secrets come from: file:PATH is read, exec:PATH is run, both once at each start and with
 * the rights that httpd has then. Only the first line counts. Secrets are wiped from every buffer
 * that held one.
 */
#include "httpd_cfmt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_crypto.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define SECRET_MAX 1024
#define BUFFER (SECRET_MAX + 3) /* a line end may follow; one byte more shows that it is too long */
#define EXEC_LIMIT apr_time_from_sec(5)

/* ---- checks that read attributes only -------------------------------------------------------- */

static const char *check_file(const char *path, apr_pool_t *p)
{
    struct stat sb;

    if (stat(path, &sb) != 0) {
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(sb.st_mode)) {
        return apr_psprintf(p, "%s is not a plain file", path);
    }
    if (access(path, R_OK) != 0) {
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    if (sb.st_size == 0) {
        return apr_psprintf(p, "%s is empty", path);
    }
    if (sb.st_mode & S_IROTH) {
        return apr_psprintf(p, "%s can be read by everybody (chmod o-rwx %s)", path, path);
    }
    return NULL;
}

/*
 * Root runs only what nobody else can change or put into its place. Sticky directories protect
 * root's entries.
 */
static const char *check_owner(const char *path, apr_pool_t *p)
{
    char real[PATH_MAX];
    struct stat sb;
    char *slash;

    if (!realpath(path, real)) {
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    if (strcmp(path, real)) { /* whoever can change a link on the way chooses what root runs */
        return apr_psprintf(p, "%s is not run as root: a link is on the way, name %s", path, real);
    }
    if (stat(real, &sb) != 0 || sb.st_uid != 0 || (sb.st_mode & 022)) {
        return apr_psprintf(
            p, "%s is not run as root: it must belong to root and not be writable by others", path);
    }
    while ((slash = strrchr(real, '/')) && slash != real) {
        *slash = '\0';
        if (stat(real, &sb) != 0 || sb.st_uid != 0
            || ((sb.st_mode & 022) && !(sb.st_mode & S_ISVTX))) {
            return apr_psprintf(p, "%s is not run as root: others can change the directory %s",
                                path, real);
        }
    }
    return NULL;
}

static const char *check_exec(const char *path, apr_pool_t *p)
{
    struct stat sb;

    if (stat(path, &sb) != 0) {
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(sb.st_mode) || access(path, X_OK) != 0) {
        return apr_psprintf(p, "%s is not an executable file", path);
    }
    return geteuid() == 0 ? check_owner(path, p) : NULL;
}

const char *cfmt_secret_source_check(const cfmt_secret_conf_t *sc, apr_pool_t *ptemp)
{
    switch (sc->source) {
    case CFMT_SOURCE_FILE:
        return check_file(sc->value, ptemp);
    case CFMT_SOURCE_EXEC:
        return check_exec(sc->value, ptemp);
    default:
        return NULL;
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Fills buf from fd until full, end or deadline (0 = none); returns the length or -1 with errno. */
static int read_until(int fd, char *buf, int size, apr_time_t deadline)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    apr_time_t left = 0;
    int len = 0;
    ssize_t n;

    while (len < size) {
        if (deadline) {
            left = deadline - cfmt_monotonic();
            if (left <= 0 || poll(&pfd, 1, (int)apr_time_as_msec(left) + 1) == 0) {
                errno = ETIMEDOUT;
                return -1;
            }
        }
        n = read(fd, buf + len, (size_t)(size - len));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? -1 : len;
        }
        len += (int)n;
        if (memchr(buf, '\n', (size_t)len)) {
            return len;
        }
    }
    return len;
}

/* The first line without its end. */
static int first_line(const char *buf, int len)
{
    const char *nl = memchr(buf, '\n', (size_t)len);

    len = nl ? (int)(nl - buf) : len;
    return len && buf[len - 1] == '\r' ? len - 1 : len;
}

static int read_file(char *buf, const char *path)
{
    struct stat sb;
    int len = -1, err, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode)) {
        len = read_until(fd, buf, BUFFER, 0);
    }
    else {
        errno = EINVAL;
    }
    err = errno;
    close(fd);
    errno = err;
    return len < 0 ? -1 : first_line(buf, len);
}

int cfmt_secret_source_length(const cfmt_secret_conf_t *sc, apr_pool_t *ptemp)
{
    char buf[BUFFER];
    int len = -1;

    (void)ptemp;
    if (sc->source == CFMT_SOURCE_INLINE) {
        return (int)strlen(sc->value);
    }
    if (sc->source == CFMT_SOURCE_FILE) {
        len = read_file(buf, sc->value);
        apr_crypto_memzero(buf, sizeof(buf));
    }
    return len;
}

/* ---- running --------------------------------------------------------------------------------- */

/* Waits for the end within the deadline, then ends the whole session. Its exit status or -1. */
static int reap(pid_t pid, apr_time_t deadline)
{
    int status = 0;
    pid_t got;

    while ((got = waitpid(pid, &status, WNOHANG)) == 0 && cfmt_monotonic() < deadline) {
        apr_sleep(2000);
    }
    if (got == 0) {
        cfmt_spawn_end(pid);
        errno = ETIMEDOUT;
        return -1;
    }
    kill(-pid, SIGKILL); /* what it left behind */
    return got == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run(char *buf, const char *path, int *pexit)
{
    apr_time_t deadline = cfmt_monotonic() + EXEC_LIMIT;
    cfmt_spawn_t what = { .path = path };
    int out, len, err;
    pid_t pid;

    *pexit = 0;
    err = cfmt_spawn(&pid, &out, &what);
    if (err != APR_SUCCESS) {
        errno = err;
        return -1;
    }
    len = read_until(out, buf, BUFFER, deadline);
    err = errno;
    *pexit = reap(pid, len < 0 ? 0 : deadline);
    close(out); /* only now: a second line written meanwhile must not end it by SIGPIPE */
    errno = err;
    return len < 0 ? -1 : first_line(buf, len);
}

static int run_checked(char *buf, const char *path, const char **pwhy, apr_pool_t *p)
{
    int len, code;

    *pwhy = check_exec(path, p);
    if (*pwhy) {
        return -1;
    }
    len = run(buf, path, &code);
    if (len < 0) {
        *pwhy = errno == ETIMEDOUT
                    ? apr_psprintf(p, "%s did not end within 5 s and was killed", path)
                    : apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    else if (code != 0) {
        *pwhy = code < 0 ? apr_psprintf(p, "%s was ended by a signal, its own or ours after 5 s",
                                        path)
                         : apr_psprintf(p, "%s failed with exit status %d", path, code);
        len = -1;
    }
    return len;
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Length of the value in buf (BUFFER bytes, wiped by the caller), or -1 and *pwhy. */
static int obtain(char *buf, const cfmt_secret_conf_t *sc, const char **pwhy, apr_pool_t *ptemp)
{
    int len;

    *pwhy = NULL;
    if (sc->source == CFMT_SOURCE_EXEC) {
        return run_checked(buf, sc->value, pwhy, ptemp);
    }
    len = read_file(buf, sc->value);
    if (len < 0) {
        *pwhy = apr_psprintf(ptemp, "%s: %s", sc->value, strerror(errno));
    }
    return len;
}

apr_status_t cfmt_secret_source_load(cfmt_secrets_t *set, const cfmt_secret_conf_t *sc,
                                     const char **pwhy, apr_pool_t *ptemp)
{
    char buf[BUFFER];
    int is_inline = sc->source == CFMT_SOURCE_INLINE;
    int len = is_inline ? (int)strlen(sc->value) : obtain(buf, sc, pwhy, ptemp);
    apr_status_t rv = CFMT_EDENIED;

    if (len >= 0) {
        rv = cfmt_secrets_add(set, is_inline ? sc->value : buf, (apr_size_t)len, sc->label);
        if (rv != APR_SUCCESS) {
            *pwhy = apr_psprintf(
                ptemp,
                "%s holds no usable secret: the first line must have 1 to 1024 bytes "
                "without control characters or blanks at its ends, after 'whsec_' base64",
                is_inline ? "the directive" : sc->value);
        }
    }
    apr_crypto_memzero(buf, sizeof(buf));
    return rv;
}

/* RFC 6750: what may stand behind "Bearer ". */
static int is_token(const char *s, int len)
{
    int i;

    for (i = 0; i < len && (apr_isalnum(s[i]) || (s[i] && strchr("-._~+/=", s[i]))); i++) {
    }
    return len > 0 && i == len;
}

static apr_status_t wipe(void *token)
{
    apr_crypto_memzero(token, strlen(token));
    return APR_SUCCESS;
}

static int is_printable(const char *s, int len)
{
    int i;

    for (i = 0; i < len && s[i] > ' ' && s[i] < 0x7F; i++) {
    }
    return len > 0 && i == len;
}

/* rule: what is_usable wants of the line, for the sentence. */
static const char *load(const cfmt_secret_conf_t *sc, int (*is_usable)(const char *, int),
                        const char *rule, const char **pwhy, apr_pool_t *p, apr_pool_t *ptemp)
{
    char buf[BUFFER], *text = NULL;
    int len = obtain(buf, sc, pwhy, ptemp);

    if (len >= 0 && len <= SECRET_MAX && is_usable(buf, len)) {
        text = apr_pstrmemdup(p, buf, (apr_size_t)len);
        apr_pool_cleanup_register(p, text, wipe, apr_pool_cleanup_null);
    }
    else if (len >= 0) {
        *pwhy = apr_psprintf(ptemp, "%s holds no %s", sc->value, rule);
    }
    apr_crypto_memzero(buf, sizeof(buf));
    return text;
}

const char *cfmt_secret_source_token(const cfmt_secret_conf_t *sc, const char **pwhy, apr_pool_t *p,
                                     apr_pool_t *ptemp)
{
    return load(sc, is_token, "usable token: the first line must be the token alone, letters, "
                "digits and -._~+/=", pwhy, p, ptemp);
}

const char *cfmt_secret_source_line(const cfmt_secret_conf_t *sc, const char **pwhy, apr_pool_t *p,
                                    apr_pool_t *ptemp)
{
    return load(sc, is_printable, "usable line: the first one must have 1 to 1024 printable "
                "characters and no blank", pwhy, p, ptemp);
}
