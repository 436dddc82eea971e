/* Counters as a Java machine writes them, for tests. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hsperf_file {
	uint8_t bytes[4096];
	size_t len;
	size_t at[64]; /* of entries */
	int32_t entries;
};

static inline struct hsperf_file hsperf_begin(void)
{
	struct hsperf_file f = { .bytes = { 0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1 }, .len = 32 };

	f.bytes[24] = 32; /* the first entry */
	return f;
}

static inline void hsperf_add(struct hsperf_file *f, const char *name, char type, const void *data,
			      size_t bytes, int32_t vector)
{
	size_t name_len = strlen(name) + 1, data_at = (20 + name_len + 7) / 8 * 8;
	int32_t head[5] = { (int32_t)((data_at + bytes + 7) / 8 * 8), 20, vector, type,
			    (int32_t)data_at };

	memcpy(f->bytes + f->len, head, sizeof(head));
	memcpy(f->bytes + f->len + 20, name, name_len);
	memcpy(f->bytes + f->len + data_at, data, bytes);
	f->at[f->entries++] = f->len;
	f->len += head[0];
	memcpy(f->bytes + 28, &f->entries, 4);
}

static inline void hsperf_number(struct hsperf_file *f, const char *name, int64_t value)
{
	hsperf_add(f, name, 'J', &value, sizeof(value), 0);
}

static inline void hsperf_text(struct hsperf_file *f, const char *name, const char *value)
{
	hsperf_add(f, name, 'B', value, strlen(value) + 1, (int32_t)strlen(value) + 1);
}

static inline size_t hsperf_entry_at(const struct hsperf_file *f, int i)
{
	return f->at[i];
}
