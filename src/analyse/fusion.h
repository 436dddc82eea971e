/*
 * What the process says of a suspect site: a site that is sure and a process that is suspect make
 * each other more likely, a process that stands still hides a leak or proves that its memory is
 * never touched, and growth that its class does not show counts for less. Pure.
 */
#pragma once
#include "analyse/analysis.h"
#include "analyse/suspect.h"

struct fusion_cfg {
	double masked_bytes;	 /* growth from which external memory must show it */
	double visible_share;	 /* ... at least this share of it */
	double untouched_factor; /* on confidence otherwise, */
	double masked_factor;	 /* where lifetimes have spoken */
	double class_factor;	 /* where only the class does not show it */
	double part_share;	 /* of the process's growth: a smaller part has no say in it */
	double max_confidence;	 /* lifetimes and process agree */
	double max_kept;	 /* a leak or unbounded cache, in a process that leaks */
};

struct fusion_cfg fusion_defaults(void);

struct fusion_input {
	const struct suspicion *s;
	enum mt_site_kind kind;
	const struct growth_opinion *process; /* NULL: not known */
	bool residency_known;
	double external_growth_bytes; /* over the window of s; NAN when not known */
	double class_bytes_per_s;     /* its class, over that window; NAN when not known */
};

enum fusion_kind {
	FUSION_ALONE = 0, /* the process says nothing */
	FUSION_AGREES,	  /* it grows, too */
	FUSION_MASKED,	  /* it does not, and yet this leaks */
	FUSION_UNTOUCHED, /* it does not: not touched, or in place of something freed */
	FUSION_CLASS,	  /* it does, but not the class */
};

struct fusion {
	enum fusion_kind kind;
	double confidence;
};

struct fusion fusion_judge(const struct fusion_cfg *cfg, const struct fusion_input *in);
