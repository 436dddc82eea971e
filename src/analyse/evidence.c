/* Sentences of evidence. Decimal units (kB = 1000 bytes), thousands separated by commas. */
#include "analyse/evidence.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "analyse/descriptors.h"

#define YOUNG_S 600 /* most caches have seen their working set by then */

struct text {
	char s[48];
};

static struct text count_text(double n)
{
	struct text digits, t = {};
	int len, at = 0;

	n = isfinite(n) ? fmin(fmax(n, 0), 1e18) : 0;
	len = snprintf(digits.s, sizeof(digits.s), "%.0f", n);
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			t.s[at++] = ',';
		t.s[at++] = digits.s[i];
	}
	return t;
}

static struct text bytes_text(double bytes)
{
	static const char *const unit[] = { "B", "kB", "MB", "GB", "TB" };
	struct text t;
	size_t u = 0;

	if (!isfinite(bytes))
		bytes = 0;
	for (; fabs(bytes) >= 999.5 && u < 4; u++)
		bytes /= 1000;
	snprintf(t.s, sizeof(t.s), "%.*f %s", u && fabs(bytes) < 99.95 ? 1 : 0, bytes, unit[u]);
	return t;
}

static const char *things_name(const struct evidence *e)
{
	if (e->touched)
		return "pages";
	switch (e->kind) {
	case MT_SITE_FD: return "descriptors";
	case MT_SITE_SOCKET: return "sockets";
	case MT_SITE_THREAD: return "threads";
	case MT_SITE_MMAP:
	case MT_SITE_BRK: return "mappings";
	default: return "blocks";
	}
}

/* What happens to such things at the end of their lives. */
static const char *ended_text(const struct evidence *e)
{
	if (e->touched)
		return "given back";
	switch (e->kind) {
	case MT_SITE_FD:
	case MT_SITE_SOCKET: return "closed";
	case MT_SITE_THREAD: return "ended";
	case MT_SITE_MMAP: return "unmapped";
	default: return "freed";
	}
}

int evidence_add(struct finding *f, const char *format, ...)
{
	char *sentence;
	va_list ap;
	int r;

	if (f->evidence_count >= FINDING_EVIDENCE_MAX)
		return 0;
	va_start(ap, format);
	r = vasprintf(&sentence, format, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	f->evidence[f->evidence_count++] = sentence;
	return 0;
}

static int add_lifetimes(const struct evidence *e, struct finding *f)
{
	const struct suspicion *s = e->s;
	const char *things = things_name(e);
	const char *were = e->kind == MT_SITE_THREAD ? "have" : "were";

	switch (s->opinion) {
	case SUSPECT_SURVIVES:
		return evidence_add(f, "%s of %s %s that reached an age of %.0f s %s never %s",
				    count_text(s->old_count).s,
				    count_text(s->old_count + s->old_freed).s, things, s->cut_s,
				    were, ended_text(e));
	case SUSPECT_KEPT:
		return evidence_add(f,
				    "%s of %s %s %s %s: a leak or unbounded cache, or lives "
				    "longer than %.0f s",
				    e->freed_count > 0 ? count_text(e->freed_count).s : "none",
				    count_text(e->allocated_count).s, things, were, ended_text(e),
				    s->window_s);
	default:
		return evidence_add(f, "judged by the curve alone: %s",
				    e->process_level ? "no call site of this memory is known"
						     : "how long these live is not known");
	}
}

static int add_growth(const struct evidence *e, struct finding *f)
{
	const struct suspicion *s = e->s;

	if (suspect_counts_things(e->kind))
		return evidence_add(f,
				    "grew by %s %s, %.2f a second over %.0f s, 95 %% interval "
				    "%.2f to %.2f",
				    count_text(s->growth_count).s, things_name(e), s->count_per_s,
				    s->window_s, s->low_per_s, s->high_per_s);
	return evidence_add(f, "grew %s/s over %.0f s, 95 %% interval %s/s to %s/s",
			    bytes_text(s->bytes_per_s).s, s->window_s, bytes_text(s->low_per_s).s,
			    bytes_text(s->high_per_s).s);
}

/* What the process as a whole has to say of it. */
static int add_process(const struct evidence *e, struct finding *f)
{
	struct text grown = bytes_text(e->s->growth_bytes);

	if (e->process_level && e->process && isfinite(e->process->since_s))
		return evidence_add(f,
				    "grows since %.0f s after tracing began; such a curve is a "
				    "leak with a probability of %.0f %%",
				    e->process->since_s, 100 * e->process->leak_probability);
	switch (e->fusion) {
	case FUSION_AGREES:
		return evidence_add(f, "external memory of the process grows with it, %s/s",
				    bytes_text(e->process->shape.growth_per_s).s);
	case FUSION_MASKED:
		return evidence_add(f,
				    "a masked leak: external memory grew only %s while this grew "
				    "%s, since memory was freed elsewhere or is not touched",
				    bytes_text(e->external_growth_bytes).s, grown.s);
	case FUSION_UNTOUCHED:
		if (e->kind == MT_SITE_HEAP)
			return evidence_add(f,
					    "external memory grew %s while this grew %s: most of "
					    "it is not touched yet, or takes the place of memory "
					    "freed elsewhere",
					    bytes_text(e->external_growth_bytes).s, grown.s);
		return evidence_add(f,
				    "%s were mapped in that time, of which at most %s became "
				    "resident: only that is counted above",
				    grown.s, bytes_text(fmax(e->external_growth_bytes, 0)).s);
	case FUSION_CLASS:
		return evidence_add(f,
				    "its class as a whole grew %s/s: memory of other call sites "
				    "was freed, or this is not touched",
				    bytes_text(e->class_bytes_per_s).s);
	case FUSION_ALONE: break;
	}
	return 0;
}

/* Descriptors that are open at this moment. */
static int add_held(const struct evidence *e, struct finding *f)
{
	const struct descriptors_held *h = e->held;
	char oldest[48] = "", kernel[96] = "", kind[96] = "", peer[FINDING_PEER_BYTES + 8] = "";

	if (!h || !h->count)
		return 0;
	if (h->kind)
		snprintf(kind, sizeof(kind), ", %s of kind %s", count_text((double)h->of_kind).s,
			 h->kind);
	if (h->peer[0])
		snprintf(peer, sizeof(peer), ", to %s", h->peer);
	if (isfinite(h->oldest_s))
		snprintf(oldest, sizeof(oldest), ", the oldest for %.0f s", h->oldest_s);
	if (h->kernel_bytes != FACT_UNKNOWN && h->kernel_bytes)
		snprintf(kernel, sizeof(kernel), ", with %s of kernel memory beside the process's",
			 bytes_text((double)h->kernel_bytes).s);
	return evidence_add(f, "%s open now%s%s%s%s", count_text((double)h->count).s, kind, peer,
			    oldest, kernel);
}

/* What those that are open hold in the process itself. */
static int add_native(const struct evidence *e, struct finding *f)
{
	const struct native_sum *n = e->held ? &e->held->native : NULL;
	const char *part = "";

	if (!n || !n->measured || !n->bytes)
		return 0;
	if (n->whole < n->measured)
		part = " at least";
	if (n->measured < e->held->count)
		return evidence_add(f,
				    "each pins%s %s of native memory, in the mean of %s that were "
				    "measured: allocated while it was served and not freed",
				    part, bytes_text((double)n->bytes / (double)n->measured).s,
				    count_text((double)n->measured).s);
	return evidence_add(
		f, "each pins%s %s of native memory: allocated while it was served and not freed",
		part, bytes_text((double)n->bytes / (double)n->measured).s);
}

/* Caches fill up after a start. Nothing from outside tells a bounded one from one without a bound
 * before it is full; that it may be one is all there is to say. */
static int add_youth(const struct evidence *e, struct finding *f)
{
	if (e->s->opinion != SUSPECT_KEPT || suspect_counts_things(e->kind) ||
	    !(e->lived_s > 0 && e->lived_s < YOUNG_S))
		return 0;
	return evidence_add(
		f,
		"the process was started %.0f s ago: a cache that has a bound may still "
		"be filling up",
		e->lived_s);
}

int evidence_write(const struct evidence *e, struct finding *f)
{
	int r = add_lifetimes(e, f);

	if (r == 0)
		r = add_growth(e, f);
	if (r == 0)
		r = add_youth(e, f);
	if (r == 0)
		r = add_held(e, f);
	if (r == 0)
		r = add_native(e, f);
	if (r == 0 && isfinite(e->s->third_ratio))
		r = evidence_add(f,
				 "does not slow down: the last third grew %.2f times as much as "
				 "the first",
				 e->s->third_ratio);
	if (r == 0 && e->touched)
		r = evidence_add(f,
				 "told by page faults: this code touched the pages first; a mode "
				 "with allocator probes says who asked for them");
	if (r == 0 && e->ended_threads > 0)
		r = evidence_add(f, "%s of these stacks are of threads that have ended",
				 count_text(e->ended_threads).s);
	if (r == 0 && e->paths > 1)
		r = evidence_add(f, "%zu call paths of one owner taken together", e->paths);
	return r == 0 ? add_process(e, f) : r;
}
