/*
 * Numbers typed by people, and numbers printed for people. Parsing takes the whole string, only
 * digits of base 10, no signs and no blanks: -EINVAL when it has another form, -ERANGE when it
 * has the form and the value does not fit. *ret is written only on success.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define NUM_TEXT_BYTES 32 /* enough for every num_format function */

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

/*
 * Bytes. K, M, G, T (KiB, MiB, ...) are powers of 1024, as for buffers; KB, MB, ... and kB are
 * powers of 1000, as printed by num_format_bytes(). Decimals are fine; the result is rounded to
 * whole bytes. Case does not matter.
 */
int num_parse_bytes(const char *text, uint64_t *ret);

/* Seconds: a decimal number, bare or followed by us, ms, s, m (minutes), h or d. */
int num_parse_seconds(const char *text, double *ret);

/* Percent: a decimal number, with or without %. */
int num_parse_percent(const char *text, double *ret);

/*
 * Texts for people, into buf; each returns buf. UINT64_MAX (FACT_UNKNOWN) and NAN were not
 * measured and print as "n/a".
 */

/* "512 B", "1.9 MB": powers of 1000, since limits and disks are sold so. */
const char *num_format_bytes(uint64_t bytes, char buf[static NUM_TEXT_BYTES]);

/* "+1.9 MB/s", "-12 B/s", "+0.4 B/s", "0 B/s": always signed unless zero. */
const char *num_format_rate(double bytes_per_s, char buf[static NUM_TEXT_BYTES]);

/* "999,999", then "1.2 M". */
const char *num_format_count(uint64_t count, char buf[static NUM_TEXT_BYTES]);

/* "0.25 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
const char *num_format_seconds(double seconds, char buf[static NUM_TEXT_BYTES]);
