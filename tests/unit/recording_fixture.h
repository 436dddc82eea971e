/* Recordings made of text, and documents made of them, for the tests of src/profile. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "profile/recording.h"
#include "profile/render.h"

#define HEAD "\"time\":\"2026-11-21T06:57:30.500000Z\",\"host\":\"h\",\"pid\":7,\"comm\":\"srv\""
#define START(top)                                                                          \
	"{\"type\":\"start\"," HEAD ",\"elapsed_s\":0.5,\"schema\":1,\"exe\":\"/bin/srv\"," \
	"\"options\":{\"top\":\"" top "\"}}\n"
#define SAMPLE(s, live)                                                     \
	"{\"type\":\"sample\"," HEAD ",\"elapsed_s\":" s ",\"allocator\":{" \
	"\"live_bytes\":" live ",\"live_count\":9}}\n"
/* stack: JSON of the frames, innermost first */
#define SITE(id, live, stack)                                                                \
	"{\"type\":\"site\"," HEAD ",\"site_id\":\"" id "\",\"kind\":\"heap\",\"class\":"    \
	"\"application\",\"live_bytes\":" live ",\"live_count\":3,\"allocated_bytes\":1000," \
	"\"allocated_count\":10,\"stack_complete\":true,\"stack\":[" stack "]}\n"
#define END "{\"type\":\"end\"," HEAD ",\"verdict\":\"leak\",\"leaks\":[]}\n"
#define FRAME(symbol, module, offset)                                               \
	"{\"module\":\"" module "\",\"build_id\":\"ab\",\"offset\":\"" offset "\"," \
	"\"symbol\":\"" symbol "\",\"inlined\":false,\"kind\":\"native\"}"

static inline int try_reading(const char *text, size_t len, const struct recording_cfg *cfg,
			      struct recording **ret, struct err *e)
{
	static const struct recording_cfg all;
	FILE *f = fmemopen((void *)text, len ? len : 1, "r");
	int r;

	assert_non_null(f);
	if (len == 0)
		fgetc(f);
	r = recording_read(f, cfg ? cfg : &all, ret, e);
	fclose(f);
	return r;
}

static inline struct recording *read_text(const char *text)
{
	struct recording *rec = NULL;
	struct err e = {};

	assert_int_equal(try_reading(text, strlen(text), NULL, &rec, &e), 0);
	return rec;
}

#define auto_recording auto_clean(recording_freep)

typedef int (*render_fn)(FILE *f, const struct profile *p);

/* The document, which the caller frees; *ret_len may be NULL. */
static inline char *rendered(const struct recording *rec, render_fn render, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(render(f, rec->profile), 0);
	fclose(f);
	if (ret_len)
		*ret_len = len;
	return text;
}

static inline int folded_live(FILE *f, const struct profile *p)
{
	return render_folded(f, p, PROFILE_LIVE);
}

static inline int folded_growing(FILE *f, const struct profile *p)
{
	return render_folded(f, p, PROFILE_GROWING);
}

static inline int folded_allocated(FILE *f, const struct profile *p)
{
	return render_folded(f, p, PROFILE_ALLOCATED);
}

static inline int folded_count(FILE *f, const struct profile *p)
{
	return render_folded(f, p, PROFILE_COUNT);
}

static inline void assert_rendered(const struct recording *rec, render_fn render,
				   const char *expected)
{
	auto_free char *text = rendered(rec, render, NULL);

	assert_string_equal(text, expected);
}
