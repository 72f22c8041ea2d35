/*
 * Runs every suite, or those named on the command line; --list names them. Exit status 0 when all
 * passed.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>

#include "unit.h"

apr_pool_t *unit_pool;
static char tmpdir[256];

void unit_setup(void)
{
    tmpdir[0] = '\0';
    apr_pool_create(&unit_pool, NULL);
}

static int remove_one(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
    (void)sb, (void)type, (void)ftw;
    return remove(path);
}

void unit_teardown(void)
{
    apr_pool_destroy(unit_pool);
    unit_pool = NULL;
    if (tmpdir[0]) {
        nftw(tmpdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

const char *unit_tmpdir(void)
{
    if (!tmpdir[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(tmpdir, sizeof(tmpdir), "%s/cfmt-unit-XXXXXX", base ? base : "/tmp");
        ck_assert_msg(mkdtemp(tmpdir) != NULL, "mkdtemp %s", tmpdir);
    }
    return tmpdir;
}

const char *unit_path(const char *name)
{
    return apr_pstrcat(unit_pool, unit_tmpdir(), "/", name, NULL);
}

char *unit_read(const char *path, apr_size_t *plen)
{
    apr_file_t *f;
    apr_finfo_t info;
    char *buf;
    apr_size_t len;

    ck_assert_msg(apr_file_open(&f, path, APR_READ, 0, unit_pool) == APR_SUCCESS, "open %s", path);
    apr_file_info_get(&info, APR_FINFO_SIZE, f);
    len = (apr_size_t)info.size;
    buf = apr_palloc(unit_pool, len + 1);
    ck_assert(apr_file_read_full(f, buf, len, &len) == APR_SUCCESS || len == 0);
    buf[len] = '\0';
    if (plen) {
        *plen = len;
    }
    return buf;
}

const char *unit_shared(const char *name)
{
    const char *src = getenv("srcdir");
    const char *path = apr_pstrcat(unit_pool, src ? src : ".", "/../shared/cloudflare/", name,
                                   NULL);

    return access(path, R_OK) == 0 ? path : NULL;
}

/* ---- time that passes without a wait: the program is linked with --wrap=cfmt_monotonic --------- */

apr_time_t __real_cfmt_monotonic(void);
apr_time_t __wrap_cfmt_monotonic(void);
static apr_time_t skipped; /* read by threads */

apr_time_t __wrap_cfmt_monotonic(void)
{
    return __real_cfmt_monotonic() + __atomic_load_n(&skipped, __ATOMIC_RELAXED);
}

void unit_skip(apr_interval_time_t d)
{
    __atomic_add_fetch(&skipped, d, __ATOMIC_RELAXED);
}

/* ---- suites ---------------------------------------------------------------------------------- */

static int is_wanted(const char *name, int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strcmp(argv[i], name); i++) {
    }
    return argc == 1 || i < argc;
}

static int list(void)
{
#define X(name) puts(#name);
    SUITES(X)
#undef X
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    SRunner *sr;
    int failed;

    if (argc == 2 && !strcmp(argv[1], "--list")) {
        return list();
    }
    sr = srunner_create(NULL);
#define X(name) \
    if (is_wanted(#name, argc, argv)) { \
        srunner_add_suite(sr, suite_##name()); \
    }
    SUITES(X)
#undef X
    apr_initialize();
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    apr_terminate();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
