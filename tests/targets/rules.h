/*
 * The books of the target rules: what each function made and gave up, by kind of site. They live
 * in static memory, so that keeping them asks nothing of an allocator.
 */
#pragma once
#include "target.h"

struct row {
	const char *kind, *function;
	int64_t live, live_bytes, made, made_bytes;
};

#define ROWS_MAX 64

static struct row rows[ROWS_MAX];

static inline struct row *row_of(const char *kind, const char *function)
{
	int i = 0;

	while (rows[i].kind && (strcmp(rows[i].kind, kind) || strcmp(rows[i].function, function)))
		i++;
	if (i == ROWS_MAX - 1)
		abort();
	rows[i].kind = kind;
	rows[i].function = function;
	return &rows[i];
}

static inline void made(const char *kind, const char *function, size_t bytes)
{
	struct row *r = row_of(kind, function);

	r->live++;
	r->live_bytes += bytes;
	r->made++;
	r->made_bytes += bytes;
}

static inline void gone(const char *kind, const char *function, size_t bytes)
{
	struct row *r = row_of(kind, function);

	r->live--;
	r->live_bytes -= bytes;
}

/* A thing changed its size and stayed what it was. */
static inline void resized(const char *kind, const char *function, int64_t by)
{
	struct row *r = row_of(kind, function);

	r->live_bytes += by;
	if (by > 0)
		r->made_bytes += by;
}

/* Totals of a thread that kept its own. */
static inline void made_many(const char *kind, const char *function, int64_t count, int64_t freed,
			     size_t bytes)
{
	struct row *r = row_of(kind, function);

	r->live += count - freed;
	r->live_bytes += (count - freed) * (int64_t)bytes;
	r->made += count;
	r->made_bytes += count * (int64_t)bytes;
}

/* One line: the rows, and a number of the mode's own. */
static inline void tell(int64_t number)
{
	printf("{\"pid\": %d, \"number\": %ld, \"sites\": [", getpid(), (long)number);
	for (int i = 0; rows[i].kind; i++)
		printf("%s{\"kind\": \"%s\", \"function\": \"%s\", \"live\": %ld, \"live_bytes\": "
		       "%ld, "
		       "\"made\": %ld, \"made_bytes\": %ld}",
		       i ? ", " : "", rows[i].kind, rows[i].function, (long)rows[i].live,
		       (long)rows[i].live_bytes, (long)rows[i].made, (long)rows[i].made_bytes);
	printf("]}\n");
	await_line("done");
}

/* Functions that look alike stay two: the compiler would give them one address and one name. */
#define DISTINCT __attribute__((no_icf))

/* A function of its own that asks for memory; the call is never a jump, so the name is on the
 * stack. */
#define MAKER(name, make)                                \
	static NOINLINE DISTINCT void *name(size_t size) \
	{                                                \
		void *p = make;                          \
                                                         \
		forget(p);                               \
		return p;                                \
	}
