/*
 * Tables from what leaks to what to do (advice.def). Rows are tried in order; a field of value ANY
 * fits all, and the last row fits everything, so there is always a sentence.
 */
#include "analyse/recommend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

#define ANY (-1)
#define TEXT_BYTES (NUM_TEXT_BYTES + 8)

struct type_row {
	int class, kind, module;
	enum leak_type type;
};

static const struct type_row type_table[] = {
	{ CLASS_database_connections, ANY, ANY, LEAK_CONNECTION_POOL },
	{ CLASS_websocket_connections, ANY, ANY, LEAK_WEBSOCKET },
	{ ANY, MT_SITE_SOCKET, ANY, LEAK_SOCKET },
	{ ANY, MT_SITE_FD, ANY, LEAK_FILE_HANDLE },
	{ ANY, MT_SITE_THREAD, ANY, LEAK_THREAD },
	{ CLASS_network_connections, ANY, ANY, LEAK_SOCKET },
	{ CLASS_file_handles, ANY, ANY, LEAK_FILE_HANDLE },
	{ CLASS_thread_stacks, ANY, ANY, LEAK_THREAD },
	{ CLASS_buffers, ANY, ANY, LEAK_BUFFER },
	{ CLASS_mapped_files, ANY, ANY, LEAK_MAPPING },
	{ CLASS_shared_memory, ANY, ANY, LEAK_MAPPING },
	{ CLASS_unexplained, ANY, ANY, LEAK_UNKNOWN },
	{ ANY, ANY, MODULE_CRYPTO, LEAK_CRYPTO_CONTEXT },
	{ CLASS_native_modules, ANY, ANY, LEAK_NATIVE_MODULE },
	{ ANY, MT_SITE_MMAP, ANY, LEAK_MAPPING },
	{ ANY, MT_SITE_HEAP, ANY, LEAK_HEAP },
	{ ANY, MT_SITE_BRK, ANY, LEAK_HEAP },
	{ ANY, ANY, ANY, LEAK_UNKNOWN },
};

struct advice_row {
	int class, type, module;
	const char *runtime, *text;
};

static const struct advice_row advice_table[] = {
#define ADVICE(class, type, module, runtime, text) { class, type, module, runtime, text },
#include "analyse/advice.def"
#undef ADVICE
};

struct whole_row {
	const char *runtime, *text;
};

static const struct whole_row whole_table[] = {
#define WHOLE(runtime, text) { runtime, text },
#include "analyse/advice.def"
#undef WHOLE
};

static const char *const shape_text[PATTERN_MAX] = {
#define SHAPE(pattern, text) [pattern] = text,
#include "analyse/advice.def"
#undef SHAPE
};

static const char *const calm_text[PATTERN_MAX] = {
#define CALM(pattern, text) [pattern] = text,
#include "analyse/advice.def"
#undef CALM
};

static const char slack_text[] =
#define SLACK(text) text
#include "analyse/advice.def"
#undef SLACK
	;

static bool fits(int wanted, int value)
{
	return wanted == ANY || wanted == value;
}

static bool runs_on(const char *wanted, const char *runtime)
{
	return !wanted || (runtime && strcmp(wanted, runtime) == 0);
}

enum leak_type recommend_leak_type(enum resource_class class, enum mt_site_kind kind,
				   enum module_kind module)
{
	const struct type_row *row = type_table;

	while (!fits(row->class, class) || !fits(row->kind, kind) || !fits(row->module, module))
		row++;
	return row->type;
}

/* A figure, or "" when it is not known. */
static const char *bytes_text(double bytes, const char *unit, char buf[static TEXT_BYTES])
{
	char number[NUM_TEXT_BYTES];

	buf[0] = '\0';
	if (bytes >= 1 && bytes < 1e18)
		snprintf(buf, TEXT_BYTES, "%s%s", num_format_bytes((uint64_t)bytes, number), unit);
	return buf;
}

static const char *count_text(double count, char buf[static TEXT_BYTES])
{
	char number[NUM_TEXT_BYTES];

	buf[0] = '\0';
	if (count >= 1 && count < 1e18)
		snprintf(buf, TEXT_BYTES, "%s", num_format_count((uint64_t)count, number));
	return buf;
}

/* What stands for a placeholder; "" when it is not known, NULL when there is no such. */
static const char *value_of(const struct recommend_facts *f, const char *name, size_t len,
			    char buf[static TEXT_BYTES])
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{ "peer", f->peer },	   { "site", f->site },	    { "owner", f->owner },
		{ "through", f->through }, { "caller", f->caller }, { "class", f->class_name }
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i].name) == len && memcmp(texts[i].name, name, len) == 0)
			return texts[i].text ? texts[i].text : "";
	if (len == 4 && memcmp(name, "size", 4) == 0)
		return bytes_text(f->size_bytes, "", buf);
	if (len == 4 && memcmp(name, "rate", 4) == 0)
		return bytes_text(f->bytes_per_s, "/s", buf);
	if (len == 5 && memcmp(name, "ended", 5) == 0)
		return count_text(f->ended, buf);
	if (len == 5 && memcmp(name, "count", 5) == 0)
		return count_text(f->count, buf);
	return NULL;
}

/* The next placeholder of a text, NULL when there is none; *ret_end: behind it. */
static const char *next_placeholder(const char *text, const char **ret_end)
{
	const char *open = strchr(text, '{'), *close = open ? strchr(open, '}') : NULL;

	if (!close)
		return NULL;
	*ret_end = close + 1;
	return open;
}

static const char *value_at(const struct recommend_facts *f, const char *open, const char *end,
			    char buf[static TEXT_BYTES])
{
	return value_of(f, open + 1, (size_t)(end - open - 2), buf);
}

static bool all_known(const struct recommend_facts *f, const char *text)
{
	const char *open, *end, *value;
	char buf[TEXT_BYTES];

	for (; (open = next_placeholder(text, &end)); text = end) {
		value = value_at(f, open, end, buf);
		if (!value || !*value)
			return false;
	}
	return true;
}

/* Adds text with its placeholders filled in; false, with nothing added, when one is not known. */
static bool fill(const struct recommend_facts *f, const char *text, struct strbuf *b)
{
	const char *open, *end;
	char buf[TEXT_BYTES];

	if (!all_known(f, text))
		return false;
	for (; (open = next_placeholder(text, &end)); text = end) {
		strbuf_add_bytes(b, text, (size_t)(open - text));
		strbuf_add(b, value_at(f, open, end, buf));
	}
	strbuf_add(b, text);
	return true;
}

static void add_advice(const struct recommend_facts *f, struct strbuf *b)
{
	for (const struct advice_row *row = advice_table;; row++)
		if (fits(row->class, f->class) && fits(row->type, f->type) &&
		    fits(row->module, f->module) && runs_on(row->runtime, f->runtime) &&
		    fill(f, row->text, b))
			return;
}

static void add_whole(const struct recommend_facts *f, struct strbuf *b)
{
	for (const struct whole_row *row = whole_table;; row++)
		if (runs_on(row->runtime, f->runtime) && fill(f, row->text, b))
			return;
}

int recommend_write(const struct recommend_facts *f, char **ret)
{
	enum pattern pattern = f->pattern < PATTERN_MAX ? f->pattern : PATTERN_NONE;
	auto_strbuf struct strbuf b = {};

	if (f->subject && calm_text[pattern]) {
		strbuf_add(&b, calm_text[pattern]);
		return strbuf_take(&b, ret);
	}
	if (f->subject == SUBJECT_PROCESS)
		add_whole(f, &b);
	else
		add_advice(f, &b);
	if (shape_text[pattern]) {
		strbuf_add(&b, " ");
		strbuf_add(&b, shape_text[pattern]);
	}
	return strbuf_take(&b, ret);
}

int recommend_slack(const struct recommend_facts *f, char **ret)
{
	auto_strbuf struct strbuf b = {};

	if (!fill(f, slack_text, &b))
		return -ENODATA;
	return strbuf_take(&b, ret);
}
