/* The site and leak records, and stacks. Stacks come from the target: frames are bounded here too.
 */
#include "report/report_json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "report/names.h"

#define FRAMES_MAX 512 /* 127 return addresses, and inlined frames between them */

static json_t *frame(const struct snapshot *s, const struct snap_frame *f)
{
	const struct snap_module *m = rank_module(s, f->module);
	json_auto_t *o = json_object();
	char offset[24];
	int r;

	snprintf(offset, sizeof(offset), "0x%llx", (unsigned long long)f->offset);
	r = json_put_string(o, "module", m ? m->name : NULL);
	r |= json_put_string(o, "build_id",
			     m && m->build_id && m->build_id[0] ? m->build_id : NULL);
	r |= json_put_string(o, "offset", offset);
	r |= json_put_string(o, "symbol", f->symbol);
	r |= json_put_string(o, "file", f->file);
	if (f->line)
		r |= json_put_u64_if_known(o, "line", f->line);
	r |= json_put(o, "inlined", json_boolean(f->inlined));
	r |= json_put_string(o, "kind", names_frame_kind(f->kind));
	return r < 0 ? NULL : steal(o);
}

json_t *report_json_stack(const struct snapshot *s, const struct snap_stack *stack)
{
	size_t i, first = rank_allocator_frames(s, stack);
	json_auto_t *list = json_array();

	for (i = first; i < stack->count && i - first < FRAMES_MAX; i++)
		if (json_array_append_new(list, frame(s, &stack->frames[i])))
			return NULL;
	return steal(list);
}

static int put_stack(json_t *o, const struct snapshot *s, const struct snap_stack *stack)
{
	bool complete = !stack->folded && names_stack_complete(stack->end);
	int r;

	r = json_put(o, "stack", report_json_stack(s, stack));
	r |= json_put(o, "stack_complete", json_boolean(complete));
	if (!complete)
		r |= json_put_string(o, "stack_end",
				     stack->folded ? "folded" : names_stack_end(stack->end));
	return r;
}

static int put_ages(json_t *o, const struct snap_site *site, double elapsed_s)
{
	struct site_age age = rank_age(site, elapsed_s);
	json_t *edges = json_array(), *summary = json_object();
	size_t i;
	int r;

	r = json_put(o, "age_edges_s", edges);
	r |= json_put(o, "age", summary);
	for (i = 1; i < MT_AGE_BUCKETS && !r; i++)
		if (json_array_append_new(edges, json_integer((json_int_t)rank_age_edge(i))))
			return -ENOMEM;
	if (r)
		return r;
	r = json_put_double_if_known(summary, "p50_s", age.p50_s);
	r |= json_put_double_if_known(summary, "oldest_s", age.oldest_s);
	r |= json_put_u64_if_known(summary, "over_60s_bytes", age.over_60s_bytes);
	if (!site->ages_known)
		return r;
	r |= json_put(o, "live_by_age", report_json_counts(site->live_by_age, MT_AGE_BUCKETS));
	return r |
	       json_put(o, "freed_by_age", report_json_counts(site->freed_by_age, MT_AGE_BUCKETS));
}

/* Where the owner's frame stands in the stack as report_json_stack() tells it. */
static uint64_t owner_frame(const struct snapshot *s, const struct snap_site *site,
			    const struct owner *owner)
{
	size_t first = rank_allocator_frames(s, &site->stack);
	bool told = owner->frame >= first && owner->frame < site->stack.count &&
		    owner->frame - first < FRAMES_MAX;

	return told ? owner->frame - first : FACT_UNKNOWN;
}

static int put_owner(json_t *o, const struct analysis *a, const struct snap_site *site)
{
	const struct owner *owner = rank_owner(a, site);
	const struct snap_module *m = owner ? rank_module(a->snap, owner->module) : NULL;
	const char *class = owner ? names_class(owner->class) : NULL;
	int r;

	r = json_put_string(o, "class", class ? class : names_class(CLASS_unexplained));
	r |= json_put(o, "module", m ? json_clean_string(m->name, strlen(m->name)) : json_null());
	if (!owner)
		return r;
	if (owner->kind != MODULE_OTHER)
		r |= json_put_string(o, "module_kind", names_module_kind(owner->kind));
	r |= json_put_double_if_known(o, "owner_confidence", owner->confidence);
	r |= json_put_u64_if_known(o, "owner_frame", owner_frame(a->snap, site, owner));
	return r | json_put_string(o, "owner_evidence", owner->evidence);
}

static int put_pattern(json_t *o, const struct finding *f)
{
	const char *pattern = f ? names_pattern(f->pattern) : NULL;
	int r;

	r = json_put(o, "pattern", pattern ? json_string(pattern) : json_null());
	return r | json_put_double_or_null(o, "confidence", f ? f->confidence : NAN);
}

/* Of the site's own curve where it is known, of the leak that it is else. */
static int put_site_pattern(json_t *o, const struct analysis *a, uint64_t site_id,
			    const struct finding *f)
{
	const struct pattern_row *row = rank_site_pattern(a, site_id);

	if (!row)
		return put_pattern(o, f);
	return json_put_string(o, "pattern", names_pattern(row->opinion.shape.pattern)) |
	       json_put_double_or_null(o, "confidence", row->opinion.shape.confidence);
}

/* What the figures of a site rest on where not every block was recorded. */
static int put_estimate(json_t *o, const struct snap_site *site)
{
	double live = snap_error_ratio(site->live_error_bytes, site->live_bytes);
	double ever = snap_error_ratio(site->allocated_error_bytes, site->allocated_bytes);
	int r = json_put(o, "estimated", json_boolean(site->estimated));

	if (!site->estimated)
		return r;
	r |= json_put_double_or_null(o, "error_ratio", live);
	r |= json_put_double_or_null(o, "allocated_error_ratio", ever);
	r |= json_put_u64_if_known(o, "records_count", site->records);
	r |= json_put_u64_if_known(o, "allocated_records_count", site->allocated_records);
	r |= json_put_double_if_known(o, "blocks_per_record", fmax(site->weight, 1));
	if (!site->exposed_count)
		return r;
	r |= json_put_u64_if_known(o, "exposed_count", site->exposed_count);
	return r | json_put_u64_if_known(o, "exposed_left_count", site->left_count);
}

int report_json_site(const struct analysis *a, const struct ranked_site *ranked, json_t **ret)
{
	const struct snap_site *site = &a->snap->sites[ranked->site];
	json_auto_t *o = json_object();
	int r;

	r = json_put_hex64(o, "site_id", site->id);
	r |= put_owner(o, a, site);
	r |= json_put_string(o, "kind", names_site_kind(site->kind));
	r |= json_put_u64_if_known(o, "live_bytes", site->live_bytes);
	r |= json_put_u64_if_known(o, "live_count", site->live_count);
	r |= json_put_u64_if_known(o, "allocated_bytes", site->allocated_bytes);
	r |= json_put_u64_if_known(o, "allocated_count", site->allocated_count);
	r |= json_put_u64_if_known(o, "freed_bytes", site->freed_bytes);
	r |= json_put_u64_if_known(o, "freed_count", site->freed_count);
	if (site->managed_bytes)
		r |= json_put_u64_if_known(o, "managed_bytes", site->managed_bytes);
	r |= json_put_double_or_null(o, "growth_bytes_per_s", ranked->growth_bytes_per_s);
	r |= put_ages(o, site, a->snap->elapsed_s);
	r |= put_estimate(o, site);
	r |= put_site_pattern(o, a, site->id, ranked->finding);
	r |= put_stack(o, a->snap, &site->stack);
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}

static json_t *evidence(const struct finding *f)
{
	json_auto_t *list = json_array();
	size_t i;

	for (i = 0; i < f->evidence_count && i < FINDING_EVIDENCE_MAX; i++)
		if (f->evidence[i] &&
		    json_array_append_new(
			    list, json_clean_string(f->evidence[i], strlen(f->evidence[i]))))
			return NULL;
	return steal(list);
}

static int put_leak_site(json_t *o, const struct analysis *a, const struct finding *f)
{
	const struct snap_site *site = a ? rank_finding_site(a, f) : NULL;
	int r;

	r = f->site_id ? json_put_hex64(o, "site_id", f->site_id)
		       : json_put(o, "site_id", json_null());
	if (!site)
		return r | json_put(o, "stack", json_array());
	r |= put_owner(o, a, site);
	return r | put_stack(o, a->snap, &site->stack);
}

static json_t *path(const struct analysis *a, const struct snap_site *site)
{
	json_auto_t *o = json_object();
	int r;

	r = json_put_hex64(o, "site_id", site->id);
	r |= json_put_u64_if_known(o, "live_bytes", site->live_bytes);
	r |= json_put_u64_if_known(o, "live_count", site->live_count);
	r |= put_stack(o, a->snap, &site->stack);
	return r < 0 ? NULL : steal(o);
}

/* Where several call paths make one leak: how many, and the largest. */
static int put_paths(json_t *o, const struct analysis *a, const struct finding *f)
{
	json_auto_t *list = NULL;
	size_t i;

	if (!a || f->paths < 2)
		return 0;
	list = json_array();
	for (i = 0; i < f->path_count; i++) {
		const struct snap_site *site = rank_path_site(a, f, i);

		if (site && json_array_append_new(list, path(a, site)))
			return -ENOMEM;
	}
	return json_put_u64_if_known(o, "path_count", f->paths) | json_put(o, "paths", steal(list));
}

int report_json_leak(const struct analysis *a, const struct finding *f, json_t **ret)
{
	const char *class = names_class(f->class), *severity = names_severity(f->severity);
	json_auto_t *o = json_object();
	int r;

	r = json_put_hex64(o, "leak_id", f->leak_id);
	if (f->comes_with)
		r |= json_put_hex64(o, "comes_with", f->comes_with);
	r |= put_leak_site(o, a, f);
	r |= put_paths(o, a, f);
	r |= json_put_string(o, "class", class ? class : names_class(CLASS_unexplained));
	r |= json_put_string(o, "leak_type", names_leak_type(f->type));
	r |= json_put_string(o, "severity", severity ? severity : names_severity(SEVERITY_LOW));
	r |= json_put_u64_if_known(o, "size_bytes", f->size_bytes);
	r |= json_put_u64_if_known(o, "count", f->count);
	if (f->peer[0])
		r |= json_put_string(o, "peer", f->peer);
	if (f->native.measured) {
		r |= json_put_u64_if_known(o, "native_bytes", f->native.bytes);
		r |= json_put_u64_if_known(o, "native_measured_count", f->native.measured);
	}
	r |= json_put_double_or_null(o, "growth_bytes_per_s", f->growth_bytes_per_s);
	r |= json_put_double_if_known(o, "growth_count_per_s", f->growth_count_per_s);
	r |= put_pattern(o, f);
	r |= json_put(o, "evidence", evidence(f));
	r |= json_put_string(o, "recommendation", f->recommendation ? f->recommendation : "");
	r |= json_put_double_or_null(o, "first_seen_s", f->first_seen_s);
	r |= json_put(o, "state", json_string(f->active ? "active" : "gone"));
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
