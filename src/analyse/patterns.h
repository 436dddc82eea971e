/*
 * The rows of how everything grows, as they are told. A curve alone says less than lifetimes do:
 * where call sites were judged, a site, a module or a class leaks only if one of its sites does.
 */
#pragma once
#include "analyse/judge.h"
#include "analyse/subjects.h"

struct patterns_input {
	const struct judge_cfg *cfg;
	const struct judge_input *in;
	const struct subjects *subjects;
	const struct findings *findings;
	const bool *bounded;	   /* by class: it fills mappings that were there, see whole.h */
	double bounded_per_s;	   /* growth of those together */
	enum resource_class class; /* the one that grows most, or unexplained */
};

/* Subjects of which no shape is known, that never held anything or are gone have no row. -ENOMEM
 * leaves *ret untouched. */
int patterns_build(const struct patterns_input *p, struct patterns *ret);
