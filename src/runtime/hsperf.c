#include "runtime/hsperf.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "decode/fact.h"

#define MAGIC 0xc0c0fecau /* the bytes ca fe c0 c0 */
#define LITTLE 1
#define MAJOR 2

/* The header, and the fixed part of an entry, as perfMemory.hpp of OpenJDK declares them. */
struct prologue {
	uint32_t magic;
	uint8_t byte_order, major, minor, accessible;
	int32_t used, overflow;
	int64_t modified;
	int32_t entry_offset, entries;
};

struct entry {
	int32_t length, name, vector; /* bytes, offset, elements of an array or 0 */
	uint8_t type, flags, unit, variability;
	int32_t data; /* offset */
};

/* A text that ends within [text, end), else NULL. */
static const char *text_in(const uint8_t *text, const uint8_t *end)
{
	return memchr(text, 0, end - text) ? (const char *)text : NULL;
}

static void add(uint64_t *sum, int64_t value)
{
	if (value < 0)
		return;
	if (*sum == FACT_UNKNOWN)
		*sum = 0;
	*sum += (uint64_t)value;
}

static bool is_used_of_space(const char *name)
{
	int generation = 0, number = 0, end = 0;

	sscanf(name, "sun.gc.generation.%3d.space.%3d.%n", &generation, &number, &end);
	return end && strcmp(name + end, "used") == 0;
}

/* sun.gc.collector.N.invocations: N is 0 for young generations, in every collector that has some.
 */
static bool is_of_collector(const char *name, int *collector)
{
	int end = 0;

	sscanf(name, "sun.gc.collector.%3d.%n", collector, &end);
	return end && strcmp(name + end, "invocations") == 0;
}

static void take_number(struct hsperf *h, const char *name, int64_t value)
{
	int collector = 0;

	if (is_used_of_space(name))
		add(&h->used_bytes, value);
	else if (is_of_collector(name, &collector))
		add(collector ? &h->other_collections : &h->young_collections, value);
}

static void take_text(struct hsperf *h, const char *name, const uint8_t *text, size_t len)
{
	size_t n = 0;

	if (strcmp(name, "java.property.java.version") != 0)
		return;
	for (; n < len && n < sizeof(h->version) - 1 && text[n] > ' ' && text[n] < 0x7f; n++)
		h->version[n] = (char)text[n];
	h->version[n] = 0;
}

/* One entry of e.length bytes at `at`, all of them there. False when it makes no sense. */
static bool take_entry(struct hsperf *h, const uint8_t *at, const struct entry *e)
{
	const uint8_t *end = at + e->length;
	const char *name;
	int64_t value;

	if (e->name < (int32_t)sizeof(*e) || e->name >= e->length || e->data < 0 ||
	    e->data >= e->length || e->vector < 0 || e->vector > e->length - e->data)
		return false;
	name = text_in(at + e->name, end);
	if (!name)
		return false;
	if (e->vector) {
		if (e->type == 'B')
			take_text(h, name, at + e->data, e->vector);
		return true;
	}
	if (e->type != 'J')
		return true;
	if (e->length - e->data < (int32_t)sizeof(value))
		return false;
	memcpy(&value, at + e->data, sizeof(value));
	take_number(h, name, value);
	return true;
}

int hsperf_parse(const uint8_t *bytes, size_t len, struct hsperf *ret)
{
	struct hsperf h = { FACT_UNKNOWN, FACT_UNKNOWN, FACT_UNKNOWN };
	struct prologue p;
	struct entry e;
	size_t at;

	if (len < sizeof(p))
		return -EBADMSG;
	memcpy(&p, bytes, sizeof(p));
	if (p.magic != MAGIC || p.byte_order != LITTLE || p.major != MAJOR ||
	    p.entry_offset < (int32_t)sizeof(p) || p.entries < 0)
		return -EBADMSG;
	at = (size_t)p.entry_offset;
	for (int32_t i = 0; i < p.entries && i < HSPERF_ENTRIES_MAX; i++) {
		if (at > len || len - at < sizeof(e))
			break;
		memcpy(&e, bytes + at, sizeof(e));
		if (e.length < (int32_t)sizeof(e) || (size_t)e.length > len - at ||
		    !take_entry(&h, bytes + at, &e))
			break;
		h.entries++;
		at += (size_t)e.length;
	}
	h.refused = (uint32_t)p.entries - h.entries;
	*ret = h;
	return 0;
}
