/* The sites of a replay: a table sorted by id, in which each has its last figures and history. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/attrib.h"
#include "app/replay_impl.h"
#include "base/search.h"
#include "base/vec.h"
#include "report/names.h"

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EBADMSG;
}

/* 16 hex digits, not all 0. */
static bool parse_id(const char *text, uint64_t *ret)
{
	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return false;
	*ret = strtoull(text, NULL, 16);
	return *ret != 0;
}

static enum mt_site_kind kind_of(const char *text)
{
	for (int kind = MT_SITE_HEAP; text && kind <= MT_SITE_THREAD; kind++)
		if (!strcmp(names_site_kind(kind), text))
			return kind;
	return 0;
}

static enum resource_class class_of(const char *text)
{
	for (int class = 1; text && class < CLASS_MAX; class ++)
		if (names_class(class) && !strcmp(names_class(class), text))
			return class;
	return CLASS_unexplained;
}

static enum mt_stack_end end_of(const char *text)
{
	for (int end = 0; text && end < MT_END_MAX; end++)
		if (!strcmp(names_stack_end(end), text))
			return end;
	return MT_END_unknown;
}

static enum frame_kind frame_kind_of(const char *text)
{
	for (int kind = FRAME_NATIVE; text && kind <= FRAME_KERNEL; kind++)
		if (!strcmp(names_frame_kind(kind), text))
			return kind;
	return FRAME_NATIVE;
}

static size_t find_place(const struct replay *p, uint64_t id)
{
	return search_first(p->site_count, i, p->sites[i]->id < id);
}

/* When a site that is told for the first time cannot be older than the report before: that one had
 * room for it. Without such a report nothing is known of its past. */
static double born(const struct replay *p)
{
	return p->before_s >= 0 && p->told_before < p->top && p->top != UINT64_MAX ? p->before_s
										   : 0;
}

static int add_point(struct replay_site *s, double t_s)
{
	int r;

	if (!(t_s > s->fed_s))
		return 0;
	r = series_add(s->series, (uint64_t)(t_s * 1e9), s->told.live_bytes, s->told.live_count);
	if (r == 0)
		s->fed_s = t_s;
	return r;
}

static void free_site(struct replay_site *s)
{
	series_free(s->series);
	free(s->frames);
	free(s);
}

static int new_site(const struct replay *p, uint64_t id, struct replay_site **ret)
{
	struct replay_site *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->id = id;
	s->fed_s = -1;
	s->told.first_seen_s = born(p);
	r = series_new(REPLAY_POINTS, &s->series);
	if (r == 0 && s->told.first_seen_s > 0)
		r = add_point(s, s->told.first_seen_s);
	if (r < 0) {
		free_site(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* -ENOSPC: the tables are full; counted. */
static int add_site(struct replay *p, uint64_t id, struct replay_site **ret)
{
	size_t at = find_place(p, id);
	int r;

	if (at < p->site_count && p->sites[at]->id == id) {
		*ret = p->sites[at];
		return 0;
	}
	if (p->store->sites >= p->store->sites_max) {
		p->store->refused_sites++;
		return -ENOSPC;
	}
	r = vec_reserve(&p->sites, sizeof(struct replay_site *), p->site_count, &p->site_cap,
			p->store->sites_max);
	if (r == 0)
		r = new_site(p, id, ret);
	if (r < 0)
		return r;
	vec_open(&p->sites, sizeof(struct replay_site *), p->site_count, at);
	p->sites[at] = *ret;
	p->site_count++;
	p->store->sites++;
	return 0;
}

/* --- a record ------------------------------------------------------------------------------- */

static bool take_ages(const json_t *list, uint64_t ret[static MT_AGE_BUCKETS])
{
	if (json_array_size(list) != MT_AGE_BUCKETS)
		return false;
	for (size_t i = 0; i < MT_AGE_BUCKETS; i++) {
		const json_t *n = json_array_get(list, i);

		if (!json_is_integer(n) || json_integer_value(n) < 0)
			return false;
		ret[i] = (uint64_t)json_integer_value(n);
	}
	return true;
}

/* NAN: not known. */
static double error_of(const json_t *record, const char *key, uint64_t bytes)
{
	double error = replay_decimal(record, key) * (double)bytes;

	return bytes != FACT_UNKNOWN && error > 0 && isfinite(error) ? error : NAN;
}

/* A recording of before tells nothing of it: its figures are exact. */
static void take_estimate(const json_t *record, struct snap_site *s)
{
	double weight = replay_decimal(record, "blocks_per_record");
	uint64_t live = replay_number(record, "records_count");
	uint64_t ever = replay_number(record, "allocated_records_count");

	s->estimated = json_is_true(json_object_get(record, "estimated"));
	if (!s->estimated)
		return;
	s->weight = weight >= 1 && isfinite(weight) ? weight : 1;
	s->records = live != FACT_UNKNOWN ? live : s->live_count;
	s->allocated_records = ever != FACT_UNKNOWN ? ever : s->allocated_count;
	s->exposed_count = replay_number(record, "exposed_count");
	s->left_count = replay_number(record, "exposed_left_count");
	if (s->exposed_count == FACT_UNKNOWN || s->left_count > s->exposed_count)
		s->exposed_count = s->left_count = 0;
	s->live_error_bytes = error_of(record, "error_ratio", s->live_bytes);
	s->allocated_error_bytes = error_of(record, "allocated_error_ratio", s->allocated_bytes);
}

/* What must be there of figures; the rest is zero when it was not told. */
static int parse_figures(const json_t *record, struct snap_site *ret, const char **why)
{
	struct snap_site s = {
		.id_final = true,
		.kind = kind_of(replay_text_of(record, "kind")),
		.live_bytes = replay_number(record, "live_bytes"),
		.live_count = replay_number(record, "live_count"),
		.allocated_bytes = replay_number(record, "allocated_bytes"),
		.allocated_count = replay_number(record, "allocated_count"),
		.freed_bytes = replay_number(record, "freed_bytes"),
		.freed_count = replay_number(record, "freed_count"),
		.managed_bytes = replay_number(record, "managed_bytes"),
	};

	if (!parse_id(replay_text_of(record, "site_id"), &s.id))
		return refuse(why, "a site without a site_id");
	if (!s.kind)
		return refuse(why, "a site of no known kind");
	if (s.live_bytes == FACT_UNKNOWN || s.live_count == FACT_UNKNOWN)
		return refuse(why, "a site without live_bytes and live_count");
	if (s.allocated_count == FACT_UNKNOWN)
		s.allocated_count = s.live_count;
	if (s.freed_count == FACT_UNKNOWN)
		s.freed_count =
			s.allocated_count > s.live_count ? s.allocated_count - s.live_count : 0;
	if (s.managed_bytes == FACT_UNKNOWN)
		s.managed_bytes = 0;
	take_estimate(record, &s);
	s.ages_known = take_ages(json_object_get(record, "live_by_age"), s.live_by_age) &&
		       take_ages(json_object_get(record, "freed_by_age"), s.freed_by_age);
	*ret = s;
	return 0;
}

static int take_frame(struct replay *p, const json_t *o, struct replay_frame *ret)
{
	const char *offset = replay_text_of(o, "offset");
	uint64_t line = replay_number(o, "line");
	struct replay_frame f = {
		.offset = offset ? strtoull(offset, NULL, 16) : 0,
		.line = line < UINT32_MAX ? (uint32_t)line : 0,
		.kind = frame_kind_of(replay_text_of(o, "kind")),
		.inlined = json_is_true(json_object_get(o, "inlined")),
	};
	int r;

	r = replay_module(p, replay_text_of(o, "module"), replay_text_of(o, "build_id"), &f.module);
	if (r == 0)
		r = replay_intern(p, replay_text_of(o, "symbol"), &f.symbol);
	if (r == 0)
		r = replay_intern(p, replay_text_of(o, "file"), &f.file);
	*ret = f;
	return r;
}

static int make_frames(struct replay *p, struct replay_site *s, size_t count)
{
	struct replay_frame *frames;

	if (count > s->frame_count &&
	    p->store->frames + count - s->frame_count > p->store->frames_max) {
		p->store->refused_frames++;
		count = s->frame_count;
	}
	frames = reallocarray(s->frames, count + 1, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	p->store->frames += count;
	p->store->frames -= s->frame_count;
	s->frames = frames;
	s->frame_count = count;
	return 0;
}

/* Names may come later than the site, so each record's stack takes the place of the last. */
static int take_stack(struct replay *p, struct replay_site *s, const json_t *record)
{
	const json_t *stack = json_object_get(record, "stack");
	const char *end = replay_text_of(record, "stack_end");
	size_t count = json_array_size(stack);
	int r;

	r = make_frames(p, s, count < REPLAY_STACK_MAX ? count : REPLAY_STACK_MAX);
	if (r == 0 && s->frame_count)
		memset(s->frames, 0, s->frame_count * sizeof(*s->frames));
	for (size_t i = 0; i < s->frame_count && r == 0; i++)
		r = take_frame(p, json_array_get(stack, i), &s->frames[i]);
	s->folded = end && !strcmp(end, "folded");
	s->end = json_is_true(json_object_get(record, "stack_complete")) ? MT_END_start
									 : end_of(end);
	return r;
}

static double share(double v)
{
	return isfinite(v) ? fmin(fmax(v, 0), 1) : 0;
}

static int take_owner(struct replay *p, struct replay_site *s, const json_t *record)
{
	const char *name = replay_text_of(record, "module");
	uint64_t frame = replay_number(record, "owner_frame");
	struct owner o = {
		.class = class_of(replay_text_of(record, "class")),
		.kind = replay_kind(record, "module_kind", name),
		.confidence = share(replay_decimal(record, "owner_confidence")),
		.frame = frame < s->frame_count ? (uint32_t)frame : UINT32_MAX,
		.module = SNAP_NO_MODULE,
	};
	int r = 0;

	if (o.frame != UINT32_MAX)
		o.module = s->frames[o.frame].module;
	else
		r = replay_module(p, name, NULL, &o.module);
	if (r == 0)
		r = replay_intern(p, replay_text_of(record, "owner_evidence"), &s->evidence);
	if (r == 0 && o.class == CLASS_application && o.module != SNAP_NO_MODULE)
		p->modules[o.module].main_exe = true;
	s->owner = o;
	return r;
}

static void renew_figures(struct replay *p, struct replay_site *s, const struct snap_site *now)
{
	double first_seen_s = s->told.first_seen_s, last_alloc_s = s->told.last_alloc_s;

	if (now->allocated_count > s->told.allocated_count || !s->tick)
		last_alloc_s = p->now_s;
	s->told = *now;
	s->told.first_seen_s = first_seen_s;
	s->told.last_alloc_s = last_alloc_s;
	p->snap.heap_traced |= now->kind == MT_SITE_HEAP;
}

int replay_site(struct replay *p, const json_t *record, const char **why)
{
	struct snap_site now;
	struct replay_site *s;
	int r;

	if (!p->tick)
		return refuse(why, "a site before the first sample");
	r = parse_figures(record, &now, why);
	if (r == 0)
		r = add_site(p, now.id, &s);
	if (r == -ENOSPC) {
		p->told++;
		return 0;
	}
	if (r < 0)
		return r;
	renew_figures(p, s, &now);
	p->told += s->tick != p->tick;
	s->tick = s->known = p->tick;
	r = take_stack(p, s, record);
	if (r == 0)
		r = take_owner(p, s, record);
	return r < 0 ? r : add_point(s, p->now_s);
}

/* --- a tick --------------------------------------------------------------------------------- */

int replay_sites_settle(struct replay *p)
{
	int r = 0;

	if (p->told >= p->top || p->top == UINT64_MAX)
		return 0;
	for (size_t i = 0; i < p->site_count && r == 0; i++) {
		struct replay_site *s = p->sites[i];

		if (s->tick == p->tick)
			continue;
		s->told.live_bytes = s->told.live_count = 0;
		s->told.freed_count = s->told.allocated_count;
		s->told.freed_bytes = s->told.allocated_bytes;
		s->told.ages_known = false;
		s->known = p->tick;
		r = add_point(s, p->now_s);
	}
	return r;
}

void replay_sites_done(struct replay *p)
{
	for (size_t i = 0; i < p->site_count; i++) {
		p->store->frames -= p->sites[i]->frame_count;
		free_site(p->sites[i]);
	}
	p->store->sites -= p->site_count;
	free(p->sites);
	p->sites = NULL;
	p->site_count = p->site_cap = 0;
}

static void view_stack(const struct replay *p, const struct replay_site *s,
		       struct snap_frame *frames, struct snap_stack *ret)
{
	const struct intern *texts = &p->store->texts;

	for (size_t i = 0; i < s->frame_count; i++) {
		const struct replay_frame *f = &s->frames[i];

		frames[i] = (struct snap_frame){
			.pc = f->offset,
			.offset = f->offset,
			.module = f->module < p->module_count ? f->module : SNAP_NO_MODULE,
			.kind = f->kind ? f->kind : FRAME_NATIVE,
			.symbol = f->symbol ? intern_text(texts, f->symbol) : NULL,
			.file = f->file ? intern_text(texts, f->file) : NULL,
			.line = f->line,
			.inlined = f->inlined && i + 1 < s->frame_count,
		};
	}
	*ret = (struct snap_stack){ frames, s->frame_count, s->end, s->folded };
}

static void view_series(const struct replay_site *s, double *points, struct snap_site *ret)
{
	const struct series_point *point = series_points(s->series);
	size_t n = series_count(s->series);
	double *t = points, *bytes = t + n, *count = bytes + n;

	for (size_t i = 0; i < n; i++) {
		t[i] = point[i].t_cs / 100.0;
		bytes[i] = (double)point[i].bytes;
		count[i] = point[i].count;
	}
	ret->live_bytes_series = (struct snap_series){ t, bytes, n };
	ret->live_count_series = (struct snap_series){ t, count, n };
}

/* Old figures would stand still while the process goes on: they would look like survivors. */
static bool is_known(const struct replay *p, bool complete, const struct replay_site *s)
{
	return s->known == p->tick || (!complete && s->known + 1 == p->tick);
}

int replay_sites_view(const struct replay *p, bool complete, struct replay_view *v)
{
	size_t points = 0, frames = 0, n = 0;

	for (size_t i = 0; i < p->site_count; i++) {
		points += 3 * series_count(p->sites[i]->series);
		frames += p->sites[i]->frame_count;
	}
	v->sites = calloc(p->site_count + 1, sizeof(*v->sites));
	v->owners = calloc(p->site_count + 1, sizeof(*v->owners));
	v->points = calloc(points + 1, sizeof(*v->points));
	v->frames = calloc(frames + 1, sizeof(*v->frames));
	if (!v->sites || !v->owners || !v->points || !v->frames)
		return -ENOMEM;
	points = frames = 0;
	for (size_t i = 0; i < p->site_count; i++) {
		const struct replay_site *s = p->sites[i];
		struct snap_site *out = &v->sites[n];

		if (!is_known(p, complete, s))
			continue;
		*out = s->told;
		out->id = s->id;
		out->site = (uint32_t)n + 1;
		view_series(s, v->points + points, out);
		view_stack(p, s, v->frames + frames, &out->stack);
		v->owners[n] = s->owner;
		if (s->evidence)
			v->owners[n].evidence = intern_text(&p->store->texts, s->evidence);
		n++;
		points += 3 * series_count(s->series);
		frames += s->frame_count;
	}
	v->snap.sites = v->sites;
	v->snap.site_count = n;
	return 0;
}
