/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>

#include "collect/target.h"

static const char *register_name(uint32_t place)
{
	static const char *const names[] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"
	};

	return place < MT_PLACE_STACK ? names[place] : "the stack";
}

/* What a point inside sees. */
static void format_seen(uint64_t cookie, char *ret, size_t len)
{
	const char *size = register_name(MT_COOKIE_SIZE_PLACE(cookie));
	const char *result = register_name(MT_COOKIE_RESULT_PLACE(cookie));

	switch ((enum mt_point)MT_COOKIE_POINT(cookie)) {
	case MT_POINT_CALL: snprintf(ret, len, "CALL, with its return"); break;
	case MT_POINT_WHOLE:
		snprintf(ret, len, "WHOLE, size in %s, result in %s", size, result);
		break;
	case MT_POINT_SIZE: snprintf(ret, len, "SIZE in %s", size); break;
	case MT_POINT_RESULT: snprintf(ret, len, "RESULT in %s", result); break;
	}
}

static void format_inside(const struct attach_point *point, const char *module, char *ret,
			  size_t len)
{
	static const char *const conditions[] = { "o", "no", "b", "ae", "e", "ne", "be", "a",
						  "s", "ns", "p", "np", "l", "ge", "le", "g" };
	const uint64_t cookie = point->cookie;
	char seen[64];

	format_seen(cookie, seen, sizeof(seen));
	snprintf(ret, len,
		 "%s %s: inside at +%llu '%s'%s%s, %s: %s, guessed for %u of 1000 calls (%s)",
		 module, point->name, (unsigned long long)point->site.offset, point->site.site_text,
		 MT_COOKIE_HAS_IF(cookie) ? " if " : "",
		 MT_COOKIE_HAS_IF(cookie) ? conditions[MT_COOKIE_CONDITION(cookie)] : "",
		 probe_cost_name(point->site.cost), seen, point->weight, point->inside);
}

void target_format_point(const struct attach_point *point, const char *module, char *ret,
			 size_t len)
{
	const struct probe_site *s = &point->site;
	const char *entry = s->entry_text[0] ? s->entry_text : "?";
	const char *not_inside = point->wants_return && point->inside ? point->inside : NULL;

	if (point->weight)
		format_inside(point, module, ret, len);
	else if (!s->offset)
		snprintf(ret, len, "%s %s%s: at the entry '%s', %s (%s%s%s)", module, point->name,
			 point->wants_return ? " +return" : "", entry, probe_cost_name(s->cost),
			 s->why, not_inside ? "; inside: " : "", not_inside ? not_inside : "");
	else
		snprintf(ret, len,
			 "%s %s%s: entry '%s', probed at +%llu '%s', %s, %u bytes pushed (%s%s%s)",
			 module, point->name, point->wants_return ? " +return" : "", entry,
			 (unsigned long long)s->offset, s->site_text, probe_cost_name(s->cost),
			 s->pushed_bytes, s->why, not_inside ? "; inside: " : "",
			 not_inside ? not_inside : "");
}
