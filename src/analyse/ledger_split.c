/*
 * What lies in allocators' memory, and what nobody was seen to ask for, given to classes and
 * owners; the rules are in ledger.h. As ledger_sums.c: no number is believed, parts add up to their
 * whole.
 */
#include "analyse/ledger_split.h"

#include <math.h>

#include "analyse/attrib.h"
#include "analyse/ledger_state.h"

/*
 * Live memory that nobody saw being asked for is given to those who were seen, at most so many
 * times what was seen of them: probes in windows, and pages followed once growth was noticed, see a
 * share of it, not a trace.
 */
#define UNSEEN_TIMES 4
#define UNOWNED_CONFIDENCE 0.3 /* that what nobody asked for visibly is the program's own */

static uint64_t min_bytes(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

enum sharing {
	SHARE_HEAP,    /* by what heap sites hold */
	SHARE_UNSEEN,  /* the same, but for buffers that the runtime counts itself */
	SHARE_TOUCHED, /* by what was touched first and nobody else accounts for, but for those */
	SHARE_MAPPED,  /* by what allocators asked the kernel for on behalf of a site */
};

static uint64_t share_weight(const struct snapshot *s, const struct owner *o, size_t site,
			     enum sharing how)
{
	const struct snap_site *x = &s->sites[site];
	bool counted = o->class == CLASS_buffers && s->runtime && s->runtime->buffers.known.how;

	if (how != SHARE_HEAP && counted)
		return 0;
	if (how == SHARE_MAPPED)
		return !x->touched && (x->kind == MT_SITE_BRK || attrib_is_through_allocator(s, x))
			       ? ledger_sums_plus(0, x->live_bytes)
			       : 0;
	if (how == SHARE_TOUCHED)
		return x->touched ? ledger_sums_plus(0, x->unplaced_bytes) : 0;
	return x->kind == MT_SITE_HEAP && !x->touched ? ledger_sums_plus(0, x->live_bytes) : 0;
}

static uint64_t share_total(const struct snapshot *s, const struct owner *owners, enum sharing how)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->site_count; i++)
		total = ledger_sums_plus(total, share_weight(s, &owners[i], i, how));
	return total;
}

/* Gives `bytes` to the owners of sites, in proportion. Returns what was given: all, or nothing. */
static uint64_t share(const struct snapshot *s, const struct owner *owners, uint64_t bytes,
		      enum sharing how, struct ledger_sums *t)
{
	uint64_t total = share_total(s, owners, how), seen = 0, given = 0, upto, weight;

	/* who made the break grow is known, be it with nothing */
	for (size_t i = 0; (bytes || how == SHARE_MAPPED) && total && i < s->site_count; i++) {
		weight = share_weight(s, &owners[i], i, how);
		seen = ledger_sums_plus(seen, weight);
		upto = ledger_sums_share(bytes, min_bytes(seen, total), total);
		if (weight)
			ledger_sums_add_owned(s, t, &owners[i], upto - given);
		if (weight && how != SHARE_TOUCHED && how != SHARE_MAPPED)
			t->class[ledger_sums_site_class(s, &owners[i])].from_heap = true;
		given = upto;
	}
	return given;
}

/*
 * What of `held` a walk through the allocator says is not live. Memory that came since the walk
 * counts as live: it is walked again when there is much of it. So does what could not be walked.
 */
static uint64_t walked_slack(const struct snapshot *s, const struct ledger_state *st, uint64_t held,
			     struct ledger_sums *t)
{
	const struct inner_allocator *a = s->allocator;
	bool fresh = s->walked_s != st->walked_s;
	uint64_t live, free_bytes;

	t->walked_held_bytes = fresh ? held : st->walked_held_bytes;
	t->walked = true;
	t->walk_exact =
		a->known.exact && !a->unknown_bytes && (fresh || held == t->walked_held_bytes);
	live = ledger_sums_plus(ledger_sums_plus(0, a->live_bytes), a->unknown_bytes);
	live = ledger_sums_plus(live,
				held > t->walked_held_bytes ? held - t->walked_held_bytes : 0);
	free_bytes = ledger_sums_plus(ledger_sums_plus(0, a->free_resident_bytes), a->cached_bytes);
	/* what was never written is live and not resident: free memory is better known then */
	live = min_bytes(live, held - min_bytes(free_bytes, held));
	return held - live;
}

static bool is_walked(const struct snapshot *s)
{
	const struct inner_allocator *a = s->allocator;

	return a && a->known.how && a->live_bytes != FACT_UNKNOWN && isfinite(s->walked_s);
}

/*
 * What the runtime's buffers hold. How many are resident is found out by a walk now and then; what
 * was counted more since is taken as resident.
 */
static uint64_t buffer_bytes(const struct inner_buffers *b, const struct ledger_state *st,
			     struct ledger_sums *t)
{
	uint64_t bytes = ledger_sums_plus(0, b->bytes), then = bytes;

	t->buffers_walked_bytes = b->resident_bytes;
	t->buffers_then_bytes = bytes;
	if (b->resident_bytes == FACT_UNKNOWN)
		return bytes;
	if (b->resident_bytes == st->buffers_walked_bytes)
		then = t->buffers_then_bytes = ledger_sums_plus(0, st->buffers_then_bytes);
	t->buffers_exact = b->known.exact && bytes == then;
	if (bytes > then)
		return ledger_sums_plus(b->resident_bytes, bytes - then);
	return b->resident_bytes - min_bytes(b->resident_bytes, then - bytes);
}

/*
 * Buffers that the runtime knows, lie in allocators' memory and belong to no site there: at most
 * what nobody has.
 */
static uint64_t take_buffers(const struct snapshot *s, const struct ledger_state *st, uint64_t rest,
			     struct ledger_sums *t)
{
	const struct inner_buffers *b = s->runtime ? &s->runtime->buffers : NULL;
	struct class_sum *class = &t->class[CLASS_buffers];
	uint64_t bytes;

	if (!b || !b->known.how)
		return 0;
	bytes = buffer_bytes(b, st, t);
	bytes -= min_bytes(bytes, class->bytes); /* ranges of their own, and sites' */
	bytes = min_bytes(bytes, rest);
	class->bytes = ledger_sums_plus(class->bytes, bytes);
	t->inner_buffer_bytes = bytes;
	return bytes;
}

/*
 * What was not live when allocations were traced last: nobody knows what is now, and where no walk
 * tells either that is the best guess.
 */
static uint64_t remembered_slack(const struct ledger_state *st, uint64_t rest,
				 struct ledger_sums *t)
{
	t->slack_then_bytes = st->slack_then_bytes;
	return t->slack_then_bytes == FACT_UNKNOWN ? 0 : min_bytes(t->slack_then_bytes, rest);
}

/*
 * Splits what no site has, buffers of the runtime included: what was there before, as far as it can
 * be, what is not live, and what came since.
 */
static void split_rest(const struct snapshot *s, const struct ledger_state *st, uint64_t rest,
		       uint64_t buffers, struct ledger_sums *t)
{
	uint64_t at_attach = s->allocator_at_attach_bytes, kept, slack = 0;
	struct class_sum *before = &t->class[CLASS_preexisting];
	double gone;

	if (at_attach == FACT_UNKNOWN)
		at_attach = t->allocator_bytes;
	/*
	 * A grows while more of the old ranges prove to be allocators', so what is remembered is
	 * not the smallest remainder but the largest part of A that was seen to be gone. What is
	 * live may be less than samples say.
	 */
	gone = (double)at_attach - (double)rest - hypot(sqrt(t->live_variance), t->live_common);
	if (at_attach > rest && gone > (double)t->gone_bytes)
		t->gone_bytes = t->live_variance > 0 ? (uint64_t)gone : at_attach - rest;
	kept = at_attach > t->gone_bytes ? at_attach - t->gone_bytes : 0;
	kept = min_bytes(kept, rest - buffers);
	before->bytes = ledger_sums_plus(before->bytes, kept);
	before->from_heap = s->heap_traced || kept;
	rest -= buffers + kept;
	if (!t->walked) {
		slack = s->heap_traced ? rest : remembered_slack(st, rest, t);
		t->class[CLASS_allocator_slack].bytes = slack;
		t->rest_split = s->heap_traced;
		if (s->heap_traced)
			t->slack_then_bytes = slack;
	}
	t->unseen_bytes = rest - slack;
}

/* Of what nobody saw, to those of whom so much was seen. */
static void give_unseen(const struct snapshot *s, const struct owner *owners, uint64_t seen,
			enum sharing how, struct ledger_sums *t)
{
	uint64_t most = (uint64_t)fmin((double)seen * UNSEEN_TIMES, 0x1p62), given;

	given = share(s, owners, min_bytes(t->unseen_bytes, most), how, t);
	t->unseen_bytes -= given;
	t->unseen_given_bytes += given;
	t->seen_bytes += seen;
}

void ledger_split_allocator(const struct snapshot *s, const struct owner *owners,
			    const struct ledger_state *st, struct ledger_sums *t)
{
	uint64_t held = t->allocator_bytes, rest, given, buffers;

	t->gone_bytes = st->gone_bytes;
	t->slack_then_bytes = FACT_UNKNOWN;
	if (is_walked(s)) {
		t->class[CLASS_allocator_slack].bytes = walked_slack(s, st, held, t);
		held -= t->class[CLASS_allocator_slack].bytes;
		t->rest_split = true;
	}
	/* what is live is known while allocations are traced, and was when they were */
	given = share(s, owners, min_bytes(t->live_bytes, held), SHARE_HEAP, t);
	rest = held - given;
	buffers = take_buffers(s, st, rest, t);
	if (s->allocator_at_attach_bytes != FACT_UNKNOWN || !s->heap_traced)
		split_rest(s, st, rest, buffers, t);
	give_unseen(s, owners, given, SHARE_UNSEEN, t);
}

/* What no class has. */
static uint64_t room_in(uint64_t external_bytes, const struct ledger_sums *t)
{
	uint64_t parts = ledger_sums_parts(t);

	return external_bytes > parts ? external_bytes - parts : 0;
}

/* To who touched it first, and made allocators ask for it: where allocations are not traced. */
static void give_touched(const struct snapshot *s, const struct owner *owners, uint64_t room,
			 struct ledger_sums *t)
{
	uint64_t total = share_total(s, owners, SHARE_TOUCHED);

	t->touched_bytes = share(s, owners, min_bytes(room, total), SHARE_TOUCHED, t);
	if (s->heap_traced)
		return;
	/* what is still to be given: neither more than there is room for, nor what they have */
	t->unseen_bytes -= min_bytes(t->unseen_bytes, t->touched_bytes);
	t->unseen_bytes = min_bytes(t->unseen_bytes, room - t->touched_bytes);
	give_unseen(s, owners, t->touched_bytes, SHARE_TOUCHED, t);
	/* whoever made the break grow was not the only one to ask, but one of them */
	give_unseen(s, owners, share_total(s, owners, SHARE_MAPPED) / UNSEEN_TIMES, SHARE_MAPPED,
		    t);
}

/*
 * Of what nobody is known to have mapped, what may be an allocator's: all, where its structures are
 * not read; where they are, what came since it was walked through.
 */
static uint64_t may_be_served(const struct snapshot *s, const struct ledger_state *st,
			      struct ledger_sums *t)
{
	bool fresh = s->walked_s != st->walked_s;

	t->walked_unmapped_bytes = fresh ? t->unmapped_bytes : st->walked_unmapped_bytes;
	if (s->allocator && !s->allocator->known.how)
		return t->unmapped_bytes;
	return t->walked
		       ? t->unmapped_bytes - min_bytes(t->unmapped_bytes, t->walked_unmapped_bytes)
		       : 0;
}

/* Of `room`, which is all that is left of three parts, in proportion to them. */
static uint64_t part_of(uint64_t room, uint64_t part, uint64_t total)
{
	return room < total ? ledger_sums_share(room, part, total) : part;
}

void ledger_split_rest(const struct snapshot *s, const struct owner *owners,
		       const struct ledger_state *st, uint64_t external_bytes,
		       struct ledger_sums *t)
{
	struct class_sum *before = &t->class[CLASS_preexisting];
	struct class_sum *app = &t->class[CLASS_application];
	uint64_t mapped = may_be_served(s, st, t), room, total;

	give_touched(s, owners, room_in(external_bytes, t), t);
	room = room_in(external_bytes, t);
	room -= min_bytes(room, t->class[CLASS_unexplained].bytes); /* its owners are not known */
	total = ledger_sums_plus(ledger_sums_plus(t->filled_bytes, t->unseen_bytes), mapped);
	t->filled_bytes = part_of(room, t->filled_bytes, total);
	t->unowned_bytes = part_of(room, ledger_sums_plus(t->unseen_bytes, mapped), total);
	before->bytes = ledger_sums_plus(before->bytes, t->filled_bytes);
	app->bytes = ledger_sums_plus(app->bytes, t->unowned_bytes);
	app->weight += (double)t->unowned_bytes;
	app->weighted_confidence += (double)t->unowned_bytes * UNOWNED_CONFIDENCE;
}
