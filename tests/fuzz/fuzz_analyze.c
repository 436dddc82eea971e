/*
 * Lines of whole series, as `memtrace analyze --series` reads them: each line is answered by one
 * record or refused, and what is answered is JSON without a number where there is none.
 * smoke: 4000
 */
#include "fuzz.h"

#include "app/analyze_series.h"
#include "base/log.h"

struct bytes {
	const uint8_t *at;
	size_t left, most; /* most: of one read */
};

static ssize_t read_some(void *ctx, void *buf, size_t size)
{
	struct bytes *b = ctx;

	if (size > b->most)
		size = b->most;
	if (size > b->left)
		size = b->left;
	memcpy(buf, b->at, size);
	b->at += size;
	b->left -= size;
	return size;
}

static void check_share(const json_t *record, const char *key)
{
	const json_t *v = json_object_get(record, key);

	CLAIM(json_is_null(v) || (json_number_value(v) >= 0 && json_number_value(v) <= 1));
}

static void check_record(const char *line, size_t len)
{
	/* ids come back digit by digit, also those beyond 64 bits, and with the NULs they came with
	 */
	json_t *o = json_loadb(line, len, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	const json_t *low, *high;

	CLAIM(json_is_object(o) && json_object_get(o, "id"));
	check_share(o, "confidence");
	check_share(o, "leak_probability");
	low = json_object_get(o, "growth_low_bytes_per_s");
	high = json_object_get(o, "growth_high_bytes_per_s");
	CLAIM(json_is_null(low) || json_is_null(high) ||
	      json_number_value(low) <= json_number_value(high));
	CLAIM(json_is_null(json_object_get(o, "pattern")) == !json_object_get(o, "why"));
	json_decref(o);
}

static uint64_t check_output(const char *text, size_t size)
{
	uint64_t lines = 0;
	const char *end;

	for (; size; lines++) {
		end = memchr(text, '\n', size);
		CLAIM(end);
		check_record(text, end - text);
		size -= end + 1 - text;
		text = end + 1;
	}
	return lines;
}

static uint64_t read_output(FILE *out)
{
	static char text[1 << 20];
	long size;

	CLAIM(fflush(out) == 0);
	size = ftell(out);
	CLAIM(size >= 0 && size <= (long)sizeof(text));
	CLAIM(pread(fileno(out), text, size, 0) == size);
	return check_output(text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *out;
	struct series_cfg cfg = { .severity = severity_defaults() };
	struct analyze_input input = { .name = "input", .fd = -1 };
	struct series_told told;
	struct err err = {};
	uint8_t how = fuzz_take(&data, &size, 1);
	struct bytes bytes = { .at = data, .left = size, .most = how % 64 + 1 };

	log_set_level(LOG_LEVEL_ERROR);
	cfg.limit_bytes = how & 64 ? 1 << 30 : 0;
	if (!out)
		out = fdopen(memfd_create("out", MFD_CLOEXEC), "w+");
	CLAIM(out && ftruncate(fileno(out), 0) == 0);
	rewind(out);
	CLAIM(input_new(how & 128 ? 512 : SERIES_LINE_MAX, read_some, &bytes, &input.lines) == 0);
	CLAIM(analyze_series(&input, out, &cfg, &told, &err) == 0);
	CLAIM(told.answers + input.refused <= input_count(input.lines));
	CLAIM(read_output(out) == told.answers);
	analyze_close(&input);
	return 0;
}
