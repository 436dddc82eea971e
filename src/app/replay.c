/* Life of a replay, its start and sample records, and the view of a tick. Sites: replay_site.c. */
#include "app/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/attrib.h"
#include "app/replay_impl.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "base/str.h"
#include "base/vec.h"
#include "report/names.h"

#define EXTERNAL_POINTS 512
#define NAME_MAX_BYTES 512 /* longer names are no names */

void replay_store_init(struct replay_store *s)
{
	*s = (struct replay_store){ .texts = { .limit = REPLAY_TEXTS_BYTES },
				    .sites_max = REPLAY_SITES_MAX,
				    .frames_max = REPLAY_FRAMES_MAX };
}

void replay_store_done(struct replay_store *s)
{
	intern_done(&s->texts);
}

void replay_free(struct replay *p)
{
	if (!p)
		return;
	replay_sites_done(p);
	free(p->modules);
	free(p->ledger.modules);
	series_free(p->external);
	free(p->external_points);
	free(p);
}

static void replay_freep(struct replay **p)
{
	replay_free(*p);
}

int replay_new(struct replay_store *store, uint32_t pid, uint64_t limit_bytes, struct replay **ret)
{
	auto_clean(replay_freep) struct replay *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->store = store;
	p->pid = pid;
	p->top = UINT64_MAX;
	p->limits = (struct judge_limits){ NAN, NULL, NAN };
	if (limit_bytes) {
		p->limits = (struct judge_limits){ (double)limit_bytes, "given", NAN };
		p->limit_given = true;
	}
	p->external_points = calloc(2 * EXTERNAL_POINTS, sizeof(*p->external_points));
	if (!p->external_points || series_new(EXTERNAL_POINTS, &p->external) < 0)
		return -ENOMEM;
	*ret = steal(p);
	return 0;
}

const char *replay_text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

uint64_t replay_number(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	if (!json_is_integer(n) || json_integer_value(n) < 0)
		return FACT_UNKNOWN;
	return (uint64_t)json_integer_value(n);
}

double replay_decimal(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);
	double v = json_is_number(n) ? json_number_value(n) : NAN;

	return isfinite(v) ? v : NAN;
}

int replay_intern(struct replay *p, const char *text, uint32_t *ret)
{
	int r;

	*ret = 0;
	if (!text || !*text)
		return 0;
	r = intern_add(&p->store->texts, text, strnlen(text, NAME_MAX_BYTES), ret);
	if (r == -ENOSPC)
		p->store->refused_texts++;
	return r == -ENOSPC ? 0 : r;
}

int replay_module(struct replay *p, const char *name, const char *build_id, uint32_t *ret)
{
	struct replay_module m = {};
	size_t i;
	int r;

	*ret = SNAP_NO_MODULE;
	r = replay_intern(p, name, &m.name);
	if (r == 0)
		r = replay_intern(p, build_id, &m.build_id);
	if (r < 0 || !m.name)
		return r;
	for (i = 0; i < p->module_count; i++) {
		if (p->modules[i].name != m.name)
			continue;
		if (m.build_id && p->modules[i].build_id && m.build_id != p->modules[i].build_id)
			continue;
		p->modules[i].build_id = m.build_id ? m.build_id : p->modules[i].build_id;
		*ret = (uint32_t)i;
		return 0;
	}
	r = vec_reserve(&p->modules, sizeof(m), p->module_count, &p->module_cap,
			REPLAY_MODULES_MAX);
	if (r == -ENOSPC)
		p->store->refused_modules++;
	if (r < 0)
		return r == -ENOSPC ? 0 : r;
	m.main_exe = m.name == p->exe;
	*ret = (uint32_t)p->module_count;
	p->modules[p->module_count++] = m;
	return 0;
}

static void take_limits(struct replay *p, const json_t *limits)
{
	static const char *const kinds[] = { "cgroup", "rlimit", "machine" };
	const char *kind = replay_text_of(limits, "kind");
	double bytes = replay_decimal(limits, "memory_bytes");

	if (p->limit_given || !kind || !(bytes > 0))
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i], kind))
			p->limits = (struct judge_limits){ bytes, kinds[i], NAN };
}

static int take_allocators(struct replay *p, const json_t *list)
{
	uint32_t module;
	int r = 0;

	for (size_t i = 0; i < json_array_size(list) && i < 64 && r == 0; i++) {
		r = replay_module(p, replay_text_of(json_array_get(list, i), "module"), NULL,
				  &module);
		if (r == 0 && module != SNAP_NO_MODULE)
			p->modules[module].allocator = true;
	}
	return r;
}

int replay_start(struct replay *p, const json_t *record, const char **why)
{
	const char *top = replay_text_of(json_object_get(record, "options"), "top");
	const char *exe = replay_text_of(record, "exe");
	uint64_t number;
	int r;

	(void)why;
	if (top && num_parse_u64(top, 0, INT32_MAX, &number) == 0)
		p->top = number;
	take_limits(p, json_object_get(record, "limits"));
	p->age_s = fmax(replay_decimal(record, "process_age_s"), 0);
	r = replay_intern(p, exe ? str_file_name(exe) : NULL, &p->exe);
	if (r == 0)
		r = replay_intern(p, replay_text_of(json_object_get(record, "runtime"), "name"),
				  &p->runtime);
	return r < 0 ? r : take_allocators(p, json_object_get(record, "allocators"));
}

int replay_executed(struct replay *p)
{
	struct series *fresh;
	int r = series_new(EXTERNAL_POINTS, &fresh);

	if (r < 0)
		return r;
	series_free(p->external);
	p->external = fresh;
	p->external_count = 0;
	replay_sites_done(p);
	p->tick = 0;
	p->told = p->told_before = 0;
	return 0;
}

/* --- sample --------------------------------------------------------------------------------- */

static enum how_known how_of(const char *text)
{
	for (int how = HOW_EXACT; text && how <= HOW_UNAVAILABLE; how++)
		if (!strcmp(names_how(how), text))
			return how;
	return HOW_ESTIMATE;
}

enum module_kind replay_kind(const json_t *o, const char *key, const char *file_name)
{
	const char *told = replay_text_of(o, key);

	for (int kind = 0; told && kind < MODULE_KINDS; kind++)
		if (!strcmp(names_module_kind((enum module_kind)kind), told))
			return (enum module_kind)kind;
	return attrib_find_kind(NULL, file_name ? file_name : "");
}

static int take_modules(struct replay *p, const json_t *list, struct ledger *l)
{
	size_t i, n = json_array_size(list);
	int r = 0;

	n = n < 64 ? n : 64;
	l->modules = calloc(n + 1, sizeof(*l->modules));
	if (!l->modules)
		return -ENOMEM;
	for (i = 0; i < n && r == 0; i++) {
		const json_t *o = json_array_get(list, i);
		const char *file = replay_text_of(o, "file");
		const char *name = file ? file : replay_text_of(o, "name");
		struct module_row row = { .bytes = replay_number(o, "bytes"),
					  .count = replay_number(o, "count"),
					  .kind = replay_kind(o, "kind", name),
					  .live_bytes = replay_number(o, "live_bytes"),
					  .allocated_count = replay_number(o, "allocated_count"),
					  .freed_count = replay_number(o, "freed_count"),
					  .holder = SNAP_NO_MODULE,
					  .confidence = replay_decimal(o, "confidence") };

		r = replay_module(p, name, NULL, &row.module);
		if (r == 0 && row.module != SNAP_NO_MODULE && row.bytes != FACT_UNKNOWN)
			l->modules[l->module_count++] = row;
	}
	return r;
}

static int take_classes(struct replay *p, const json_t *classes, struct ledger *l)
{
	int r = 0;

	for (int class = 1; class < CLASS_MAX && r == 0; class ++) {
		const json_t *o =
			names_class(class) ? json_object_get(classes, names_class(class)) : NULL;

		p->why[class] = 0;
		if (!json_is_object(o))
			continue;
		l->rows[class] = (struct class_row){
			.bytes = replay_number(o, "bytes"),
			.count = replay_number(o, "count"),
			.growth_bytes_per_s = replay_decimal(o, "growth_bytes_per_s"),
			.confidence = replay_decimal(o, "confidence"),
			.how = how_of(replay_text_of(o, "how")),
		};
		r = replay_intern(p, replay_text_of(o, "why"), &p->why[class]);
	}
	return r < 0 ? r
		     : take_modules(p,
				    json_object_get(json_object_get(classes, "native_modules"),
						    "modules"),
				    l);
}

static int take_ledger(struct replay *p, const json_t *record, uint64_t external)
{
	const json_t *allocator = json_object_get(record, "allocator");
	struct ledger l = {
		.external_bytes = external,
		.coverage_ratio = replay_decimal(record, "coverage_ratio"),
		.live_bytes = replay_number(allocator, "live_bytes"),
		.live_count = replay_number(allocator, "live_count"),
		.slack_bytes = replay_number(allocator, "slack_bytes"),
		.alloc_per_s = replay_decimal(allocator, "alloc_per_s"),
		.free_per_s = replay_decimal(allocator, "free_per_s"),
	};
	int r = take_classes(p, json_object_get(record, "classes"), &l);

	if (r < 0) {
		free(l.modules);
		return r;
	}
	free(p->ledger.modules);
	p->ledger = l;
	return 0;
}

static struct snap_turnover turnover_of(const json_t *allocator)
{
	struct snap_turnover t = { .born = replay_number(allocator, "allocated_count"),
				   .freed = replay_number(allocator, "freed_count") };

	t.known = t.born != FACT_UNKNOWN && t.freed != FACT_UNKNOWN;
	return t.known ? t : (struct snap_turnover){ .known = false };
}

static uint64_t windows_of(const json_t *allocator)
{
	uint64_t n = replay_number(allocator, "window_count");

	return n == FACT_UNKNOWN ? 0 : n;
}

static int add_external(struct replay *p, uint64_t external)
{
	const struct series_point *point;
	double *t = p->external_points, *v = t + EXTERNAL_POINTS;
	size_t i;
	int r;

	r = series_add(p->external, (uint64_t)(p->now_s * 1e9), external, 0);
	if (r < 0)
		return r;
	point = series_points(p->external);
	p->external_count = series_count(p->external);
	for (i = 0; i < p->external_count; i++) {
		t[i] = point[i].t_cs / 100.0;
		v[i] = (double)point[i].bytes;
	}
	return 0;
}

struct snap_series replay_external(const struct replay *p)
{
	return (struct snap_series){ p->external_points, p->external_points + EXTERNAL_POINTS,
				     p->external_count };
}

/* Where it is not told, as in older recordings: others may use the limit too, so what is left is at
 * most this. Of a whole machine it says nothing. */
static void note_use(struct replay *p, const json_t *record)
{
	uint64_t rss = p->snap.proc.rss_bytes, swap = p->snap.proc.swap_bytes;
	bool alone = p->limits.kind && strcmp(p->limits.kind, "machine") != 0;
	double told = p->limit_given ? NAN : replay_decimal(record, "limit_used_bytes");

	p->limits.used_bytes = told;
	if (isfinite(told))
		return;
	if (alone && rss != FACT_UNKNOWN)
		p->limits.used_bytes = (double)rss + (swap != FACT_UNKNOWN ? (double)swap : 0);
}

int replay_sample(struct replay *p, const json_t *record, double t_s, const char **why)
{
	uint64_t rss = replay_number(record, "rss_bytes");
	uint64_t external = replay_number(record, "external_bytes");
	int r;

	external = external == FACT_UNKNOWN ? rss : external;
	if (external == FACT_UNKNOWN) {
		*why = "a sample without external_bytes and rss_bytes";
		return -EBADMSG;
	}
	r = p->tick ? replay_sites_settle(p) : 0;
	if (r == 0)
		r = take_ledger(p, record, external);
	if (r < 0)
		return r;
	p->before_s = p->tick ? p->now_s : -1;
	p->told_before = p->told;
	p->now_s = t_s;
	p->told = 0;
	p->tick++;
	p->snap = (struct snapshot){
		.pid = p->pid,
		.elapsed_s = t_s,
		.lived_s = p->age_s > 0 ? p->age_s + t_s : 0,
		.seq = replay_number(record, "seq"),
		.alive = true,
		.proc = { .pid = p->pid,
			  .rss_bytes = rss,
			  .swap_bytes = replay_number(record, "swap_bytes") },
		.residency_known = isfinite(p->ledger.coverage_ratio),
		.heap_traced = p->ledger.live_bytes != FACT_UNKNOWN,
		.rss_at_attach_bytes = FACT_UNKNOWN,
		.allocator_at_attach_bytes = FACT_UNKNOWN,
		.turnover = turnover_of(json_object_get(record, "allocator")),
		.windows = windows_of(json_object_get(record, "allocator")),
	};
	note_use(p, record);
	return add_external(p, external);
}

/* --- view ----------------------------------------------------------------------------------- */

void replay_view_done(struct replay_view *v)
{
	free(v->owners);
	free(v->modules);
	free(v->sites);
	free(v->frames);
	free(v->points);
	free(v->ledger.modules);
	*v = (struct replay_view){};
}

static int view_modules(const struct replay *p, struct replay_view *v)
{
	const struct intern *texts = &p->store->texts;

	v->modules = calloc(p->module_count + 1, sizeof(*v->modules));
	if (!v->modules)
		return -ENOMEM;
	for (size_t i = 0; i < p->module_count; i++)
		v->modules[i] = (struct snap_module){
			.name = intern_text(texts, p->modules[i].name),
			.path = intern_text(texts, p->modules[i].name),
			.build_id = intern_text(texts, p->modules[i].build_id),
			.main_exe = p->modules[i].main_exe,
			.allocator = p->modules[i].allocator,
		};
	v->snap.modules = v->modules;
	v->snap.module_count = p->module_count;
	return 0;
}

static int view_ledger(const struct replay *p, struct replay_view *v)
{
	size_t bytes = (p->ledger.module_count + 1) * sizeof(*v->ledger.modules);

	v->ledger = p->ledger;
	v->ledger.modules = malloc(bytes);
	if (!v->ledger.modules)
		return -ENOMEM;
	memcpy(v->ledger.modules, p->ledger.modules,
	       p->ledger.module_count * sizeof(*v->ledger.modules));
	for (int class = 1; class < CLASS_MAX; class ++)
		if (p->why[class])
			v->ledger.rows[class].why = intern_text(&p->store->texts, p->why[class]);
	return 0;
}

int replay_view(struct replay *p, bool complete, struct replay_view *ret)
{
	auto_clean(replay_view_done) struct replay_view v = { .snap = p->snap };
	int r;

	if (!p->tick)
		return -EAGAIN;
	r = complete ? replay_sites_settle(p) : 0;
	if (r == 0)
		r = view_modules(p, &v);
	if (r == 0)
		r = replay_sites_view(p, complete, &v);
	if (r == 0)
		r = view_ledger(p, &v);
	if (r < 0)
		return r;
	v.snap.external_series = replay_external(p);
	v.snap.counters.sites_refused = p->store->refused_sites;
	v.snap.counters.symbols_refused = p->store->refused_texts + p->store->refused_frames;
	*ret = v;
	v = (struct replay_view){};
	ret->input = (struct judge_input){
		.snap = &ret->snap,
		.owners = ret->owners,
		.ledger = &ret->ledger,
		.limits = p->limits,
		.runtime = p->runtime ? intern_text(&p->store->texts, p->runtime) : NULL,
	};
	return 0;
}
