/*
 * Reads a secret whose file the database names: as the user that we have become, and only files
 * that could not have been put there by anybody else.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_crypto.h>
#include <apr_strings.h>

#include "secret_file.h"

#define SECRET_MAX 1024

static const char *check_file(const ctl_t *ctl, int fd)
{
    struct stat sb, db;

    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        return "it is no plain file";
    }
    if (stat(ctl->db, &db) != 0 || (sb.st_uid != 0 && sb.st_uid != db.st_uid)) {
        return "it belongs neither to root nor to the owner of the database";
    }
    return sb.st_mode & S_IROTH ? "everybody can read it" : NULL;
}

static apr_status_t wipe(void *secret)
{
    apr_crypto_memzero(secret, SECRET_MAX + 2);
    return APR_SUCCESS;
}

const char *ctl_secret_read(const ctl_t *ctl, const char *path, const char **pwhy, apr_pool_t *p)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char *secret = apr_pcalloc(p, SECRET_MAX + 2);
    ssize_t n;

    apr_pool_cleanup_register(p, secret, wipe, apr_pool_cleanup_null);
    *pwhy = fd < 0 ? strerror(errno) : check_file(ctl, fd);
    if (!*pwhy) {
        n = read(fd, secret, SECRET_MAX + 1);
        secret[n > 0 ? n : 0] = '\0';
        secret[strcspn(secret, "\r\n")] = '\0';
        *pwhy = *secret ? NULL : "its first line is empty";
    }
    if (fd >= 0) {
        close(fd);
    }
    return *pwhy ? NULL : secret;
}

const char *ctl_secret_remedy(const apr_table_t *settings, const char *path, apr_pool_t *p)
{
    const char *group = apr_table_get(settings, "Group");

    path = ctl_text(p, path);
    return apr_psprintf(p, "let cfmtctl read it: chown root:%s %s; chmod 0640 %s",
                        group ? ctl_text(p, group) : "GROUP", path, path);
}
