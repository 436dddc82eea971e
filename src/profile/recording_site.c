/* From JSON to a site and its frames. Every field may be missing or of another type. */
#include "profile/recording_site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

uint64_t recording_number(const json_t *record, const char *key)
{
	const json_t *n = json_object_get(record, key);

	if (!json_is_integer(n) || json_integer_value(n) < 0)
		return PROFILE_UNKNOWN;
	return (uint64_t)json_integer_value(n);
}

/* "0x75ac" or "758cc": an offset that is no number is 0. */
static uint64_t offset_of(const json_t *o)
{
	const char *text = text_of(o, "offset");

	return text ? strtoull(text, NULL, 16) : 0;
}

static uint16_t kind_of(const json_t *o)
{
	const char *kind = text_of(o, "kind");

	if (kind && !strcmp(kind, "jit"))
		return PROFILE_JIT;
	if (kind && !strcmp(kind, "interpreted"))
		return PROFILE_INTERPRETED;
	return kind && !strcmp(kind, "kernel") ? PROFILE_KERNEL : PROFILE_NATIVE;
}

static int add_frame(struct profile *p, const json_t *o, uint32_t *ret)
{
	struct profile_frame f = { .offset = offset_of(o),
				   .kind = kind_of(o),
				   .inlined = json_is_true(json_object_get(o, "inlined")) };
	uint64_t line = recording_number(o, "line");
	int r;

	f.line = line < UINT32_MAX ? (uint32_t)line : 0;
	r = profile_text(p, text_of(o, "module"), &f.module);
	if (r == 0)
		r = profile_text(p, text_of(o, "build_id"), &f.build_id);
	if (r == 0)
		r = profile_text(p, text_of(o, "symbol"), &f.symbol);
	if (r == 0)
		r = profile_text(p, text_of(o, "file"), &f.file);
	return r < 0 ? r : profile_add_frame(p, &f, ret);
}

static int fail(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

int recording_site(struct profile *p, size_t process, const json_t *record, const char **why)
{
	uint32_t frames[PROFILE_FRAMES_MAX + 1];
	const json_t *stack = json_object_get(record, "stack");
	struct profile_site_told told = {
		.id = text_of(record, "site_id"),
		.class = text_of(record, "class"),
		.kind = text_of(record, "kind"),
		.estimated = json_is_true(json_object_get(record, "estimated")),
		.live_bytes = recording_number(record, "live_bytes"),
		.live_count = recording_number(record, "live_count"),
		.allocated_bytes = recording_number(record, "allocated_bytes"),
		.allocated_count = recording_number(record, "allocated_count"),
		.owner = recording_number(record, "owner_frame"),
		.frames = frames,
	};

	if (!told.id || !*told.id)
		return fail(why, "a site record without site_id");
	if (!told.kind || !json_is_array(stack))
		return fail(why, "a site record without kind or stack");
	if (!json_is_true(json_object_get(record, "stack_complete"))) {
		told.end = text_of(record, "stack_end");
		told.end = told.end && *told.end ? told.end : "unknown";
	}
	for (size_t i = 0; i < json_array_size(stack) && i <= PROFILE_FRAMES_MAX; i++) {
		const json_t *frame = json_array_get(stack, i);
		int r;

		if (!json_is_object(frame))
			return fail(why, "a stack of something else than frames");
		r = add_frame(p, frame, &frames[told.frame_count++]);
		if (r == -ENOSPC)
			p->refused++;
		if (r < 0)
			return r;
	}
	return profile_add_site(p, process, &told);
}
