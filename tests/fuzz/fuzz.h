/*
 * What the fuzz targets share. A target is one function, fuzz_one(); libFuzzer or replay.c calls it
 * by way of fuzz.c.
 */
#ifndef CFMT_FUZZ_H
#define CFMT_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "cfmt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * One input. data lies in a block of exactly len bytes. Memory from p is gone afterwards; every
 * apr_palloc() of a run is a block of its own, so that AddressSanitizer sees its end.
 */
void fuzz_one(const char *data, apr_size_t len, apr_pool_t *p);

/* A property that does not hold ends the run: the input is the reproducer. */
#define FUZZ_CHECK(holds) ((holds) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #holds))
void fuzz_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* NUL-terminated copy; what follows a NUL in the input is cut. */
const char *fuzz_text(const char *data, apr_size_t len, apr_pool_t *p);
/* The same for one line of the input: *pdata and *plen move behind its end. */
const char *fuzz_line(const char **pdata, apr_size_t *plen, apr_pool_t *p);
/* Takes one byte off the front, 0 when there is none. */
unsigned fuzz_byte(const char **pdata, apr_size_t *plen);

/* Both NULL or equal. */
int fuzz_same(const char *a, const char *b);
/* By code points, without the tables of src/base/text.c: a second opinion. */
int fuzz_is_utf8(const char *s, apr_size_t len);
/* A single line that may go to a terminal, of at most max bytes. */
int fuzz_printable(const char *s, apr_size_t max);

#endif
