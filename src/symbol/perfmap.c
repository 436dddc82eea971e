/*
 * See perfmap.h. Pieces are disjoint and sorted. New lines gather in a small table, where entering
 * one is cheap, and are laid over the large one when that is full.
 */
#include "symbol/perfmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "base/str.h"
#include "sys/scan.h"

#define HEAD_BYTES 64		/* of a line: two numbers and the beginning of a name */
#define RECENT_MAX 1024		/* pieces gathered before they are laid over the others */
#define SIZE_LIMIT (1ull << 32) /* of one piece of code; more is nonsense */

struct piece {
	uint64_t start, end;
	uint64_t offset; /* of its line */
};

struct perfmap {
	struct piece *piece; /* owned */
	size_t n, limit;
	struct piece recent[RECENT_MAX + 2]; /* newer than the above; entering one may add two */
	size_t recents, recent_lines;
	uint64_t offset; /* of the next byte */
	uint64_t line;	 /* offset at which the current line began */
	char head[HEAD_BYTES];
	size_t head_len;
	struct perfmap_stats stats;
};

int perfmap_new(size_t limit, struct perfmap **ret)
{
	struct perfmap *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->limit = limit;
	*ret = m;
	return 0;
}

void perfmap_free(struct perfmap *m)
{
	if (!m)
		return;
	free(m->piece);
	free(m);
}

void perfmap_clear(struct perfmap *m)
{
	free(m->piece);
	m->piece = NULL;
	m->n = m->recents = m->recent_lines = m->head_len = 0;
	m->offset = m->line = 0;
}

void perfmap_get_stats(const struct perfmap *m, struct perfmap_stats *ret)
{
	*ret = m->stats;
	ret->pieces = m->n + m->recents;
}

/* Index of the first piece that ends after addr. */
static size_t first_after(const struct piece *piece, size_t n, uint64_t addr)
{
	return search_first(n, i, piece[i].end <= addr);
}

static const struct piece *piece_at(const struct piece *piece, size_t n, uint64_t pc)
{
	size_t i = first_after(piece, n, pc);

	return i < n && piece[i].start <= pc ? &piece[i] : NULL;
}

bool perfmap_find(const struct perfmap *m, uint64_t pc, uint64_t *ret_offset)
{
	const struct piece *p = piece_at(m->recent, m->recents, pc);

	if (!p)
		p = piece_at(m->piece, m->n, pc);
	if (!p)
		return false;
	*ret_offset = p->offset;
	return true;
}

/* The part of an old piece in [from, to), if there is one. */
static size_t keep_part(const struct piece *old, uint64_t from, uint64_t to, struct piece *out)
{
	from = from > old->start ? from : old->start;
	to = to < old->end ? to : old->end;
	if (from >= to)
		return 0;
	*out = (struct piece){ from, to, old->offset };
	return 1;
}

/* Lays the recent pieces over the others; out has room for all. Returns how many it holds then. */
static size_t lay_over(const struct perfmap *m, struct piece *out)
{
	const struct piece *old = m->piece, *old_end = m->piece + m->n;
	uint64_t from = 0; /* what of *old lies before was told or replaced */
	size_t n = 0;

	for (size_t i = 0; i < m->recents; i++) {
		const struct piece *now = &m->recent[i];

		for (; old < old_end && old->start < now->start; old++) {
			n += keep_part(old, from, now->start, &out[n]);
			if (old->end > now->start)
				break;
		}
		while (old < old_end && old->end <= now->end)
			old++;
		from = now->end;
		out[n++] = *now;
	}
	for (; old < old_end; old++)
		n += keep_part(old, from, UINT64_MAX, &out[n]);
	return n;
}

static int merge_recent(struct perfmap *m)
{
	auto_free struct piece *out = calloc(m->n + 2 * m->recents + 1, sizeof(*out));
	size_t n;

	if (!out)
		return -ENOMEM;
	n = lay_over(m, out);
	if (n > m->limit) {
		m->stats.refused += m->recent_lines;
	} else {
		free(m->piece);
		m->piece = steal(out);
		m->n = n;
	}
	m->recents = m->recent_lines = 0;
	return 0;
}

/* Enters a piece among the recent ones, in place of what it overlaps. There is room. */
static void enter_recent(struct perfmap *m, struct piece now)
{
	struct piece with[3], *at = m->recent;
	size_t i = first_after(at, m->recents, now.start), j = i, n = 0;

	while (j < m->recents && at[j].start < now.end)
		j++;
	if (i < j && at[i].start < now.start)
		with[n++] = (struct piece){ at[i].start, now.start, at[i].offset };
	with[n++] = now;
	if (i < j && at[j - 1].end > now.end)
		with[n++] = (struct piece){ now.end, at[j - 1].end, at[j - 1].offset };
	memmove(&at[i + n], &at[j], (m->recents - j) * sizeof(*at));
	memcpy(&at[i], with, n * sizeof(*at));
	m->recents = m->recents - (j - i) + n;
}

static void skip_0x(const char **at, const char *end)
{
	if (end - *at > 2 && (*at)[0] == '0' && ((*at)[1] | 0x20) == 'x')
		*at += 2;
}

/* The numbers of a line; *at is moved to its name. */
static bool scan_code(const char **at, const char *end, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t start, size;

	skip_0x(at, end);
	if (!scan_u64(at, end, 16, &start) || !scan_char(at, end, ' '))
		return false;
	skip_0x(at, end);
	if (!scan_u64(at, end, 16, &size) || !scan_char(at, end, ' ') || *at == end)
		return false;
	if (size == 0 || size > SIZE_LIMIT || start + size < start)
		return false;
	*ret_start = start;
	*ret_end = start + size;
	return true;
}

static int end_line(struct perfmap *m)
{
	const char *at = m->head;
	struct piece now = { .offset = m->line };

	m->stats.lines++;
	if (!scan_code(&at, m->head + m->head_len, &now.start, &now.end)) {
		m->stats.invalid++;
		return 0;
	}
	enter_recent(m, now);
	m->recent_lines++;
	return m->recents >= RECENT_MAX ? merge_recent(m) : 0;
}

int perfmap_feed(struct perfmap *m, const char *bytes, size_t len)
{
	const char *end = bytes + len;

	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', end - bytes);
		size_t n = (newline ? newline : end) - bytes, room = HEAD_BYTES - m->head_len;
		int r;

		memcpy(m->head + m->head_len, bytes, n < room ? n : room);
		m->head_len += n < room ? n : room;
		m->offset += n;
		if (!newline)
			return 0;
		r = end_line(m);
		m->line = ++m->offset;
		m->head_len = 0;
		if (r < 0)
			return r;
		bytes = newline + 1;
	}
	return 0;
}

struct view {
	const char *text;
	size_t len;
};

static void clean_into(struct view v, char *ret, size_t size)
{
	auto_strbuf struct strbuf b = {};

	ret[0] = '\0';
	if (str_add_clean_max(&b, v.text, v.len, size - 1) == 0 && b.text)
		memcpy(ret, b.text, b.len + 1);
}

/* Cuts ":number" off the end. */
static bool cut_number(struct view *v, uint64_t *ret)
{
	size_t n = v->len;
	const char *at;

	while (n && v->text[n - 1] >= '0' && v->text[n - 1] <= '9')
		n--;
	at = v->text + n;
	if (n == 0 || v->text[n - 1] != ':' || !scan_u64(&at, v->text + v->len, 10, ret))
		return false;
	v->len = n - 1;
	return true;
}

static bool begins_place(const char *text, size_t len)
{
	return scan_begins(text, len, "/") || scan_begins(text, len, "file:") ||
	       scan_begins(text, len, "node:") || scan_begins(text, len, "wasm:");
}

/* The blank in "name place". Both may hold others: what looks like a path is sought first. */
static const char *blank_before_place(struct view v)
{
	const char *last = NULL;

	for (size_t i = 0; i < v.len; i++) {
		if (v.text[i] != ' ')
			continue;
		last = v.text + i;
		if (begins_place(last + 1, v.len - i - 1))
			return last;
	}
	return last;
}

/* A function of JavaScript: "name file:line:column". */
static void read_script_name(struct view v, const char *nameless, struct perfmap_name *ret)
{
	const char *blank = NULL, *end;
	uint64_t line = 0, column;
	struct view place = v;

	if (cut_number(&place, &column) && cut_number(&place, &line) && line <= UINT32_MAX)
		blank = blank_before_place(place);
	if (blank) {
		end = place.text + place.len;
		v.len = blank - v.text;
		blank += scan_begins(blank + 1, end - blank - 1, "file://") ? 8 : 1;
		clean_into((struct view){ blank, end - blank }, ret->file, sizeof(ret->file));
		ret->line = ret->file[0] ? (uint32_t)line : 0;
	}
	if (v.len == 0)
		v = (struct view){ nameless, strlen(nameless) };
	clean_into(v, ret->symbol, sizeof(ret->symbol));
}

/* V8: a tag, a mark of the tier (~ interpreted, ^ + * compiled better and better), the function. */
static bool read_v8_name(struct view v, struct perfmap_name *ret)
{
	static const struct {
		const char *tag, *nameless;
	} tags[] = {
		{ "JS:", "(anonymous)" },	{ "LazyCompile:", "(anonymous)" },
		{ "Function:", "(anonymous)" }, { "Script:", "(top level)" },
		{ "Eval:", "(top level)" },
	};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (!scan_begins(v.text, v.len, tags[i].tag))
			continue;
		v.text += strlen(tags[i].tag);
		v.len -= strlen(tags[i].tag);
		ret->interpreted = v.len && v.text[0] == '~';
		if (v.len && strchr("~^+*", v.text[0]))
			v = (struct view){ v.text + 1, v.len - 1 };
		read_script_name(v, tags[i].nameless, ret);
		return true;
	}
	return false;
}

/* CPython with -X perf: "py::function:file". */
static bool read_python_name(struct view v, struct perfmap_name *ret)
{
	const char *colon;

	if (!scan_begins(v.text, v.len, "py::"))
		return false;
	v = (struct view){ v.text + 4, v.len - 4 };
	colon = memchr(v.text, ':', v.len);
	if (!colon || colon == v.text)
		return false;
	clean_into((struct view){ v.text, colon - v.text }, ret->symbol, sizeof(ret->symbol));
	clean_into((struct view){ colon + 1, v.text + v.len - colon - 1 }, ret->file,
		   sizeof(ret->file));
	ret->interpreted = true;
	return true;
}

int perfmap_read_line(const char *text, size_t len, uint64_t pc, struct perfmap_name *ret)
{
	const char *newline = memchr(text, '\n', len), *end = newline ? newline : text + len;
	struct perfmap_name name = {};
	uint64_t from, to;
	struct view v;

	if (!scan_code(&text, end, &from, &to) || pc < from || pc >= to)
		return -EINVAL;
	v = (struct view){ text, end - text };
	if (!read_v8_name(v, &name) && !read_python_name(v, &name)) {
		clean_into(v, name.symbol, sizeof(name.symbol));
		/* HotSpot's name for all of its interpreter */
		name.interpreted = strcmp(name.symbol, "Interpreter") == 0;
	}
	if (!name.symbol[0])
		return -ENOMEM;
	*ret = name;
	return 0;
}
