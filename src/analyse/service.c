/*
 * See service.h. From the innermost frame outward, frames of a known kind follow each other: the
 * last of them is the entrance that somebody else called. Functions linked into a program are known
 * one by one, so a few unknown ones of the same file may stand between them.
 */
#include "analyse/service.h"

#include <math.h>

#include "analyse/plumbing.h"
#include "analyse/rules.h"

#define GAP_MAX                                                                           \
	6 /* unknown functions in a row: OpenSSL's own ones below SSL_CTX_new are up to 5 \
	   */

struct chain {
	uint32_t first, last;	 /* of the outermost module of a kind: innermost, outermost frame */
	const struct rule *rule; /* of the last */
	uint32_t asker; /* frame in a library of no kind that called it; UINT32_MAX: none */
	bool open;	/* the stack ended first: a thread of the library's own */
};

enum module_kind service_rule_kind(const struct rule *rule)
{
	if (rule->kind != RULE_NO_KIND)
		return (enum module_kind)rule->kind;
	switch (rule->what) {
	case RULE_database: return MODULE_DATABASE;
	case RULE_crypto: return MODULE_CRYPTO;
	case RULE_network: return MODULE_NETWORK;
	case RULE_compression: return MODULE_COMPRESSION;
	case RULE_image: return MODULE_IMAGE;
	default: return MODULE_OTHER;
	}
}

static const struct snap_module *module_of(const struct snapshot *s, const struct snap_frame *f)
{
	return f->module < s->module_count ? &s->modules[f->module] : NULL;
}

static const struct rule *kind_of(const struct snapshot *s, const struct snap_frame *f)
{
	const struct rule *r = plumbing_find_kind(s->rules, module_of(s, f), f->symbol);

	return r && service_rule_kind(r) != MODULE_OTHER ? r : NULL;
}

/*
 * A function of no kind may be one of OpenSSL's or zlib's own, linked into the program: then a
 * known one is near. Other libraries call functions of the program too often to say so of them.
 */
static const struct rule *kind_nearby(const struct snapshot *s, const struct snap_stack *stack,
				      uint32_t at)
{
	uint32_t gap = 0;

	for (uint32_t i = at + 1; i < stack->count && gap < GAP_MAX; i++) {
		const struct snap_frame *f = &stack->frames[i];
		const struct rule *r;

		if (f->module != stack->frames[at].module || f->kind != FRAME_NATIVE)
			return NULL;
		r = kind_of(s, f);
		if (r && (r->what == RULE_crypto || r->what == RULE_compression))
			return r;
		gap += plumbing_find(s->rules, module_of(s, f), f->symbol, false, NULL) ==
		       PLUMBING_NONE;
	}
	return NULL;
}

/* A library that uses others, as opposed to the program and to what runs other people's code. */
static bool may_ask(const struct snapshot *s, const struct snap_frame *f)
{
	const struct snap_module *m = module_of(s, f);

	return !m->main_exe && !plumbing_is_language(s->rules, m);
}

/* Frames from `at` outward, until one is neither of a kind nor between two that are. */
static struct chain follow(const struct snapshot *s, const struct snap_stack *stack, uint32_t at,
			   const struct rule *rule)
{
	struct chain c = { .first = at, .last = at, .rule = rule, .asker = UINT32_MAX };
	uint32_t gap = 0;

	for (uint32_t i = at + 1; i < stack->count; i++) {
		const struct snap_frame *f = &stack->frames[i];
		const struct snap_module *m = module_of(s, f);
		const struct rule *r;

		if (f->kind == FRAME_KERNEL)
			continue;
		if (plumbing_find(s->rules, m, f->symbol, false, &r) != PLUMBING_NONE &&
		    !(r && r->what == RULE_language))
			continue;
		if (!m || f->kind != FRAME_NATIVE || (r && r->what == RULE_language))
			return c; /* somebody of another language asked */
		r = kind_of(s, f);
		if (r) {
			if (f->module != stack->frames[c.last].module)
				c.first = i;
			c.last = i;
			c.rule = r;
			gap = 0;
		} else if (f->module == stack->frames[c.last].module) {
			if (++gap > GAP_MAX)
				return c;
		} else {
			if (may_ask(s, f))
				c.asker = i;
			return c;
		}
	}
	c.open = gap == 0;
	return c;
}

/* Loops run in network libraries, and threads of their own: there the entrance says nothing. */
static uint32_t entrance(const struct chain *c)
{
	return c->open || service_rule_kind(c->rule) == MODULE_NETWORK ? c->first : c->last;
}

void service_find(const struct snapshot *s, const struct snap_stack *stack,
		  const struct rule *passed, struct owner *o)
{
	const struct snap_frame *holder = &stack->frames[o->frame];
	const struct rule *rule = module_of(s, holder) ? kind_of(s, holder) : NULL;
	struct chain c;

	if (holder->kind != FRAME_NATIVE || !module_of(s, holder))
		return;
	if (!rule)
		rule = passed;
	if (!rule) {
		rule = kind_nearby(s, stack, o->frame);
		o->confidence = rule ? fmin(o->confidence, 0.7) : o->confidence;
	}
	if (!rule)
		return;
	c = follow(s, stack, o->frame, rule);
	o->rule = c.rule;
	o->kind = service_rule_kind(c.rule);
	o->frame = c.asker != UINT32_MAX ? c.asker : entrance(&c);
	o->module = stack->frames[o->frame].module;
	if (c.rule->confidence > 0)
		o->confidence = fmin(o->confidence, c.rule->confidence);
	if (o->module != holder->module)
		o->evidence = "the library that asked for it, of another that holds it";
	else if (o->frame != o->holder)
		o->evidence = "the function of the library that was called";
}
