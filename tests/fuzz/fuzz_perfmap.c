/*
 * Perf maps: the same text in pieces means the same; what is found can be read; names are clean.
 * smoke: 8000
 */
#include "fuzz.h"

#include "symbol/perfmap.h"

#define PIECES 64

static void check_name(const char *text, size_t len, uint64_t pc)
{
	struct perfmap_name name;

	memset(&name, 'x', sizeof(name));
	CLAIM(perfmap_read_line(text, len, pc, &name) == 0);
	CLAIM(strnlen(name.symbol, sizeof(name.symbol)) < sizeof(name.symbol));
	CLAIM(strnlen(name.file, sizeof(name.file)) < sizeof(name.file));
	for (const char *c = name.symbol; *c; c++)
		CLAIM((unsigned char)*c >= ' ' && *c != 0x7f);
	for (const char *c = name.file; *c; c++)
		CLAIM((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void compare(const struct perfmap *whole, const struct perfmap *parts, const char *text,
		    size_t size, uint64_t pc)
{
	uint64_t one = 0, other = 0;
	bool found = perfmap_find(whole, pc, &one);

	CLAIM(perfmap_find(parts, pc, &other) == found);
	if (!found)
		return;
	CLAIM(one == other && one < size);
	check_name(text + one, size - one, pc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t step = fuzz_take(&data, &size, 1) + 1;
	const char *text = (const char *)data;
	struct perfmap *whole = NULL, *parts = NULL;
	struct perfmap_stats a, b;

	CLAIM(perfmap_new(PIECES, &whole) == 0 && perfmap_new(PIECES, &parts) == 0);
	CLAIM(perfmap_feed(whole, text, size) == 0);
	for (size_t at = 0; at < size; at += step)
		CLAIM(perfmap_feed(parts, text + at, size - at < step ? size - at : step) == 0);
	perfmap_get_stats(whole, &a);
	perfmap_get_stats(parts, &b);
	CLAIM(a.pieces <= PIECES && a.pieces == b.pieces);
	CLAIM(a.lines == b.lines && a.invalid == b.invalid && a.refused == b.refused);
	for (const char *line = text; line && line < text + size;) {
		char head[20] = "";
		uint64_t start;

		memcpy(head, line, text + size - line < 19 ? (size_t)(text + size - line) : 19);
		start = strtoull(head, NULL, 16);
		for (uint64_t pc = start - 2; pc != start + 3; pc++)
			compare(whole, parts, text, size, pc);
		compare(whole, parts, text, size, start + 0x100);
		line = memchr(line, '\n', (size_t)(text + size - line));
		line = line ? line + 1 : NULL;
	}
	perfmap_free(whole);
	perfmap_free(parts);
	return 0;
}
