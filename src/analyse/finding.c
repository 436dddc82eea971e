/* See finding.h. Figures first, then what they mean, then the words. */
#include "analyse/finding.h"

#include <math.h>
#include <string.h>

#include "analyse/descriptors.h"
#include "analyse/evidence.h"
#include "analyse/recommend.h"
#include "analyse/records.h"
#include "analyse/thread_stack.h"
#include "base/cleanup.h"

#define SURE_OF_SHAPE 0.5

/* Mappings are as large as was asked for: a thread's stack is 8 MB of which 10 kB are there. No
 * more than what became resident is held against them. */
static void count_resident(struct suspicion *s, double external)
{
	double share = fmax(external, 0) / s->growth_bytes;

	s->size_bytes *= share;
	s->bytes_per_s *= share;
}

/* Who asked: the largest site stands for all. Its owner; NULL when nobody knows owners. */
static const struct owner *set_paths(const struct finding_input *in, struct finding *f)
{
	for (size_t i = 0; i < in->largest_count; i++)
		f->path[i] = (struct finding_path){ in->in->snap->sites[in->largest[i]].id,
						    in->largest[i] };
	f->path_count = in->largest_count;
	f->paths = in->paths;
	f->site = f->path[0].site;
	f->site_id = f->path[0].site_id;
	return in->in->owners ? &in->in->owners[f->site] : NULL;
}

/* What its growth looks like, where that is clearer than the windows of suspect.h saw it. */
static int set_pattern(const struct finding_input *in, struct finding *f)
{
	const struct growth_opinion *o;
	int r = subjects_site(in->subjects, in->in->snap, f->site, &o);

	if (r < 0)
		return r;
	f->pattern = in->s->pattern;
	if (!o || o->shape.confidence < SURE_OF_SHAPE)
		return 0;
	if (pattern_grows(o->shape.pattern)) /* else: of all its memory, which this is a part of */
		f->pattern = o->shape.pattern;
	return 0;
}

/* Of the stacks that the finding is about, those whose threads have ended; 0 where most run. */
static double ended_threads(const struct finding_input *in, const struct finding *f)
{
	struct thread_stack_use use;

	if (f->class != CLASS_thread_stacks || in->kind == MT_SITE_THREAD ||
	    f->site >= in->in->snap->site_count ||
	    !thread_stack_find_use(in->in->snap, &in->in->snap->sites[f->site], &use) ||
	    use.running * 2 > f->count)
		return 0;
	return (double)(f->count - use.running);
}

/* Pages that were touched in anonymous memory: malloc() serves from such mappings more often than
 * programs make them. */
static enum mt_site_kind asked_as(const struct finding_input *in)
{
	return in->in->snap->sites[in->largest[0]].touched == TOUCHED_ANON ? MT_SITE_HEAP
									   : in->kind;
}

/* Kind, severity and advice, from the figures that f has. */
static int set_words(const struct finding_input *in, const struct owner *owner, struct finding *f)
{
	enum module_kind module = owner ? owner->kind : MODULE_OTHER;
	bool things = suspect_counts_things(in->kind);
	struct recommend_who who;
	struct recommend_facts facts = {
		.class = f->class,
		.module = module,
		.pattern = f->pattern,
		.runtime = in->in->runtime,
		.peer = who.peer,
		.site = who.site,
		.owner = who.owner,
		.through = who.through,
		.caller = who.caller,
		.size_bytes = (double)f->size_bytes,
		.bytes_per_s = f->growth_bytes_per_s,
		.count = (double)f->count,
	};

	recommend_find_who(in->in->snap, f->site, owner, &who);
	facts.ended = ended_threads(in, f);
	f->type = recommend_leak_type(f->class, in->largest_count ? asked_as(in) : 0, module);
	facts.type = f->type;
	f->severity = severity_judge(
		&in->cfg->severity,
		&(struct severity_figures){ (double)f->size_bytes, f->growth_bytes_per_s,
					    things ? (double)f->count : 0,
					    things ? f->growth_count_per_s : 0, f->confidence });
	return recommend_write(&facts, &f->recommendation);
}

/* What the process, and the class, say of it. */
static struct fusion fuse(const struct finding_input *in, const struct finding *f,
			  struct evidence *e)
{
	struct fusion_input about = {
		.s = in->s,
		.kind = in->kind,
		.process = in->process,
		.residency_known = in->in->snap->residency_known &&
				   (!in->in->ledger || isfinite(in->in->ledger->coverage_ratio)),
		.external_growth_bytes = in->external_growth_bytes,
		.class_bytes_per_s = subjects_class_rate(in->subjects, f->class, in->s->window_s),
	};
	struct fusion fusion = fusion_judge(&in->cfg->fusion, &about);

	e->fusion = fusion.kind;
	e->external_growth_bytes = about.external_growth_bytes;
	e->class_bytes_per_s = about.class_bytes_per_s;
	return fusion;
}

int finding_write(const struct finding_input *in, struct finding *ret)
{
	const struct owner *owner = NULL;
	struct suspicion s = *in->s;
	struct descriptors_held held;
	struct evidence e = {
		.s = in->s,
		.kind = in->kind,
		.touched = in->largest_count &&
			   in->in->snap->sites[in->largest[0]].touched != TOUCHED_NONE,
		.allocated_count = in->totals->allocated_count,
		.freed_count = in->totals->freed_count,
		.paths = in->paths,
		.process_level = in->largest_count == 0,
		.process = in->process,
		.lived_s = in->in->snap->lived_s,
	};
	auto_clean(finding_done) struct finding f = {
		.leak_id = in->key,
		.site = SIZE_MAX,
		.class = in->largest_count ? CLASS_unexplained : in->class,
		.active = true,
		.confirmed = s.opinion == SUSPECT_SURVIVES,
		.count = finding_figure(s.count),
		.growth_count_per_s = s.count_per_s,
		.confidence = s.confidence,
		.first_seen_s = in->first_seen_s,
	};
	int r;

	if (in->largest_count)
		owner = set_paths(in, &f);
	if (owner)
		f.class = owner->class;
	if (in->largest_count)
		f.confidence = fuse(in, &f, &e).confidence;
	if (e.fusion == FUSION_UNTOUCHED && in->kind != MT_SITE_HEAP)
		count_resident(&s, e.external_growth_bytes);
	f.size_bytes = finding_figure(s.size_bytes);
	f.growth_bytes_per_s = s.bytes_per_s;
	e.ended_threads = ended_threads(in, &f);
	if (in->largest_count && (in->kind == MT_SITE_FD || in->kind == MT_SITE_SOCKET)) {
		descriptors_of_sites(in->in->snap, f.path, f.path_count, &held);
		e.held = &held;
		memcpy(f.peer, held.peer, sizeof(f.peer));
		f.native = held.native;
		if (held.kernel_bytes != FACT_UNKNOWN) /* what they pin */
			f.size_bytes = held.kernel_bytes;
	}
	r = set_pattern(in, &f);
	if (r == 0)
		r = set_words(in, owner, &f);
	if (r == 0)
		r = evidence_write(&e, &f);
	if (r < 0)
		return r;
	*ret = f;
	f = (struct finding){};
	return 0;
}
