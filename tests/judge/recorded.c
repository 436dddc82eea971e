#include "recorded.h"

#include <errno.h>
#include <jansson.h>
#include <lzma.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX ((size_t)64 << 20) /* unpacked */

static int read_file(const char *path, unsigned char **ret, size_t *ret_size)
{
	FILE *f = fopen(path, "rbe");
	unsigned char *bytes;
	long size;
	int r = 0;

	if (!f)
		return -errno;
	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	bytes = size > 0 ? malloc((size_t)size) : NULL;
	if (!bytes || fread(bytes, 1, (size_t)size, f) != (size_t)size)
		r = bytes ? -EIO : -ENOMEM;
	fclose(f);
	if (r) {
		free(bytes);
		return r;
	}
	*ret = bytes;
	*ret_size = (size_t)size;
	return 0;
}

static int unpack(const unsigned char *packed, size_t size, char **ret)
{
	size_t room = size * 16 + 4096, in, out;
	uint64_t memory;
	char *text = NULL, *larger;
	lzma_ret l = LZMA_BUF_ERROR;

	for (; l == LZMA_BUF_ERROR && room < TEXT_MAX; room *= 2) {
		larger = realloc(text, room);
		if (!larger)
			break;
		text = larger;
		in = out = 0;
		memory = TEXT_MAX * 4;
		l = lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, size, (uint8_t *)text,
					      &out, room - 1);
	}
	if (l != LZMA_OK) {
		free(text);
		return -EINVAL;
	}
	text[out] = 0;
	*ret = text;
	return 0;
}

static int numbers(const json_t *array, size_t n, double **ret)
{
	double *v;

	if (!json_is_array(array) || json_array_size(array) != n || n < 2)
		return -EINVAL;
	v = calloc(n, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		v[i] = json_number_value(json_array_get(array, i));
	*ret = v;
	return 0;
}

static int parse(const char *line, size_t length, struct recorded *ret)
{
	json_t *o = json_loadb(line, length, 0, NULL);
	const char *id = json_string_value(json_object_get(o, "id"));
	const char *unit = json_string_value(json_object_get(o, "unit"));
	struct recorded s = { .leak = json_is_true(json_object_get(o, "leak")) };
	int r = id && unit ? 0 : -EINVAL;

	s.n = json_array_size(json_object_get(o, "t"));
	s.onset_s = s.leak ? json_number_value(json_object_get(o, "onset_s")) : NAN;
	if (r == 0)
		r = numbers(json_object_get(o, "t"), s.n, &s.t_s);
	if (r == 0)
		r = numbers(json_object_get(o, "value"), s.n, &s.value);
	if (r == 0) {
		snprintf(s.id, sizeof(s.id), "%s", id);
		snprintf(s.unit, sizeof(s.unit), "%s", unit);
		*ret = s;
	} else {
		free(s.t_s);
	}
	json_decref(o);
	return r;
}

void recorded_done(struct recorded_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->series[i].t_s);
		free(set->series[i].value);
	}
	free(set->series);
	*set = (struct recorded_set){};
}

static int parse_all(char *text, struct recorded_set *set)
{
	struct recorded *larger;
	size_t length;
	int r;

	for (char *line = text; *line; line += length + 1) {
		length = strcspn(line, "\n");
		larger = realloc(set->series, (set->count + 1) * sizeof(*larger));
		if (!larger)
			return -ENOMEM;
		set->series = larger;
		r = parse(line, length, &set->series[set->count]);
		if (r)
			return r;
		set->count++;
		if (!line[length])
			break;
	}
	return set->count ? 0 : -EINVAL;
}

int recorded_load(const char *path, struct recorded_set *ret)
{
	struct recorded_set set = {};
	unsigned char *packed = NULL;
	size_t size = 0;
	char *text;
	int r;

	r = read_file(path, &packed, &size);
	if (r)
		return r;
	r = unpack(packed, size, &text);
	free(packed);
	if (r)
		return r;
	r = parse_all(text, &set);
	free(text);
	if (r) {
		recorded_done(&set);
		return r;
	}
	*ret = set;
	return 0;
}
