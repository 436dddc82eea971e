/* The sentences that say why something is called a leak, each with its figures. */
#pragma once
#include "analyse/analysis.h"
#include "analyse/fusion.h"
#include "analyse/suspect.h"

struct evidence {
	const struct suspicion *s;
	enum mt_site_kind kind;
	bool touched; /* pages by who touched them first, not what was asked for */
	double allocated_count, freed_count; /* since tracing began */
	double ended_threads;		     /* whose stacks stay; 0: none, or not known */
	double lived_s;			     /* of the process; 0: not known */
	size_t paths;			     /* call paths of one owner judged together */
	bool process_level;		     /* the whole process, no site is known */
	enum fusion_kind fusion;	     /* what the process says of it, with these figures: */
	double external_growth_bytes;	     /* over the same window; NAN when not known */
	double class_bytes_per_s;
	const struct growth_opinion *process; /* may be NULL */
	const struct descriptors_held *held;  /* of descriptors; NULL: of other things */
};

/* Appends sentences to f->evidence (owned by it). -ENOMEM: some may have been added. */
int evidence_write(const struct evidence *e, struct finding *f);

/* Appends one sentence; full lists refuse silently, -ENOMEM otherwise. */
__attribute__((format(printf, 2, 3))) int evidence_add(struct finding *f, const char *format, ...);
