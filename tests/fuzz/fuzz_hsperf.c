/*
 * A Java machine's counters: no byte beyond them is read, texts are clean, and entries that were
 * refused are counted.
 * smoke: 20000
 */
#include "fuzz.h"

#include "decode/fact.h"
#include "runtime/hsperf.h"

static void check_text(const char text[32])
{
	CLAIM(strnlen(text, 32) < 32);
	for (const char *c = text; *c; c++)
		CLAIM(*c > ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hsperf h, again;
	uint8_t *copy = malloc(size ? size : 1); /* so that its end is guarded */
	int r;

	CLAIM(copy);
	memcpy(copy, data, size);
	r = hsperf_parse(copy, size, &h);
	CLAIM(r == hsperf_parse(copy, size, &again));
	free(copy);
	if (r)
		return 0;
	CLAIM(memcmp(&h, &again, sizeof(h)) == 0);
	CLAIM(h.entries <= HSPERF_ENTRIES_MAX && h.entries <= size / 20);
	CLAIM(h.entries || h.used_bytes == FACT_UNKNOWN);
	check_text(h.version);
	return 0;
}
