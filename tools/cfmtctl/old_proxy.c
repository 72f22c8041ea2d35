/*
 * Lines of this host's httpd that pass requests on to a program on it: one of them is how
 * Cloudflare's deliveries reach the old system. Configuration is read as text: what is left out by
 * <IfDefine> or a host that is not asked is found, too, and a person looks at it.
 */
#include <ctype.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_escape.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include "import.h"

#define LINE_MAX_LEN 4096

static const char *const places[] = {
    "/etc/apache2/apache2.conf", "/etc/apache2/conf.d/*.conf", "/etc/apache2/*-enabled/*.conf",
    "/etc/apache2/sites-enabled/*", "/etc/httpd/conf/*.conf", "/etc/httpd/conf.d/*.conf",
    "/usr/local/apache2/conf/*.conf", "/usr/local/apache2/conf/extra/*.conf", NULL
};

/* What the old system served, as words of its addresses. */
static const char *const ours[] = { "webhook", "cloudflare", "magic", "mt-health", "mt_", NULL };

static int is_ours(const char *line)
{
    int i;

    for (i = 0; ours[i] && !strcasestr(line, ours[i]); i++) {
    }
    return ours[i] != NULL;
}

static int is_local(const char *url)
{
    static const char *const hosts[] = {
        "http://127.", "http://localhost", "http://[::1]", "https://127.", "https://localhost",
        "unix:", NULL
    };
    int i;

    for (i = 0; hosts[i] && strncasecmp(url, hosts[i], strlen(hosts[i])); i++) {
    }
    return hosts[i] != NULL;
}

/* ProxyPass PATH URL; within <Location PATH> without the path. */
static int is_proxy(const char *line, const char **proute, apr_pool_t *p)
{
    char **words;
    int n, i, local = 0;

    *proute = NULL;
    if (apr_tokenize_to_argv(line, &words, p) != APR_SUCCESS) {
        return 0;
    }
    for (n = 0; words[n]; n++) {
        local |= n > 0 && is_local(words[n]);
    }
    i = n && (!strcasecmp(words[0], "ProxyPass") || !strcasecmp(words[0], "ProxyPassReverse")
              || !strcasecmp(words[0], "ProxyPassMatch"));
    if (i && local && *words[1] == '/') {
        *proute = words[1];
    }
    return i && local;
}

static const char *trim(char *line)
{
    size_t len = strlen(line);

    while (len && isspace((unsigned char)line[len - 1])) {
        line[--len] = '\0';
    }
    return line + strspn(line, " \t");
}

static void take_line(apr_array_header_t *found, const char *path, int n, const char *line)
{
    apr_pool_t *p = found->pool;
    const char *route;

    if (!is_proxy(line, &route, p)) {
        return;
    }
    APR_ARRAY_PUSH(found, ctl_proxy_t) = (ctl_proxy_t){
        .path = path, .line = n, .text = apr_pstrdup(p, line), .route = route,
        .sure = is_ours(line),
        .retire = apr_psprintf(p, "sed -i '%ds/^/# /' %s", n, apr_pescape_shell(p, path))
    };
}

static void take_file(apr_array_header_t *found, const char *path)
{
    char line[LINE_MAX_LEN];
    apr_file_t *f;
    int n = 0;

    if (apr_file_open(&f, path, APR_FOPEN_READ | APR_FOPEN_BUFFERED, 0, found->pool)
        != APR_SUCCESS) {
        return;
    }
    while (apr_file_gets(line, sizeof(line), f) == APR_SUCCESS) {
        n += strchr(line, '\n') || apr_file_eof(f) == APR_EOF;
        take_line(found, path, n, trim(line));
    }
    apr_file_close(f);
}

static int has_file(const apr_array_header_t *files, const char *path)
{
    int i;

    for (i = 0; i < files->nelts && strcmp(APR_ARRAY_IDX(files, i, const char *), path); i++) {
    }
    return i < files->nelts;
}

/* Files that are enabled are links: a command must change what they lead to. */
static void take_place(apr_array_header_t *found, apr_array_header_t *files, const char *pattern)
{
    char real[PATH_MAX];
    glob_t names;
    size_t i;

    if (glob(pattern, 0, NULL, &names) == 0) {
        for (i = 0; i < names.gl_pathc; i++) {
            if (realpath(names.gl_pathv[i], real) && !has_file(files, real)) {
                const char *path = apr_pstrdup(found->pool, real);

                APR_ARRAY_PUSH(files, const char *) = path;
                take_file(found, path);
            }
        }
    }
    globfree(&names);
}

apr_array_header_t *ctl_old_proxies(apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(ctl_proxy_t));
    apr_array_header_t *files = apr_array_make(p, 16, sizeof(const char *));
    int i;

    for (i = 0; places[i]; i++) {
        take_place(found, files, places[i]);
    }
    return found;
}
