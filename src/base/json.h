/*
 * What memtrace needs on top of jansson: fields that are left out when they were not measured,
 * foreign strings made printable, ids as strings, and lines written whole.
 * The put functions return 0 or -ENOMEM. They never take over `object`.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct strbuf;

#define JSON_STRING_MAX 4096 /* bytes; longer foreign strings are cut and end in "..." */

/* Puts a new reference (taken over, even on failure; NULL is -ENOMEM) under key. */
int json_put(json_t *object, const char *key, json_t *value);

/* Foreign bytes as a new JSON string, see str_add_clean_max(); NULL when out of memory. */
json_t *json_clean_string(const void *bytes, size_t len);

/* A C string, cleaned; the field is left out when text is NULL. */
int json_put_string(json_t *object, const char *key, const char *text);

/* Left out when value is NAN or infinite. */
int json_put_double_if_known(json_t *object, const char *key, double value);

/* Left out when value is UINT64_MAX (FACT_UNKNOWN); beyond INT64_MAX it stays there. */
int json_put_u64_if_known(json_t *object, const char *key, uint64_t value);

/* The same two with null in place of absence, for fields that every record must have. */
int json_put_double_or_null(json_t *object, const char *key, double value);
int json_put_u64_or_null(json_t *object, const char *key, uint64_t value);

/* Ids and addresses, which could pass 2^53: 16 hex digits, or decimal. */
int json_put_hex64(json_t *object, const char *key, uint64_t value);
int json_put_decimal64(json_t *object, const char *key, uint64_t value);

/* RFC 3339 in UTC with microseconds. */
int json_put_time(json_t *object, const char *key, uint64_t realtime_ns);

/* One foreign document. 0 with a new reference, -EBADMSG when it is no JSON, -ENOMEM. */
int json_parse(const char *bytes, size_t len, json_t **ret);

/*
 * The same for what other programs write. NaN, Infinity and what no double holds (1e999) are values
 * that are no numbers (empty objects); integers beyond 64 bits are read as doubles; strings may
 * contain NUL. -EBADMSG: why says what is wrong, without foreign bytes.
 */
#define JSON_WHY_BYTES 96
int json_parse_lenient(const char *bytes, size_t len, json_t **ret,
		       char why[static JSON_WHY_BYTES]);

/* The number that the document bytes, an object, has under key, as it is written there; the last
 * one when there are several. How long it is; 0: there is none, or ret has no room for it. */
size_t json_number_text(const char *bytes, size_t len, const char *key, char *ret, size_t size);

/* Adds object as text, with jansson's flags. 0, -ENOMEM or b's earlier failure. */
int json_add_text(struct strbuf *b, const json_t *object, size_t flags);

/*
 * Writes object as one compact line, after what f still held; waits when f is non-blocking and
 * full. 0, -ENOMEM, or why it was refused (-EPIPE when SIGPIPE is ignored, -ENOSPC, ...); part of
 * the line may then have been written.
 */
int json_write_line(FILE *f, const json_t *object);

/* The same with the number `text`, written as it is, as the value of `key` in front. */
int json_write_line_with(FILE *f, const json_t *object, const char *key, const char *text);
