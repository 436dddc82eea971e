/* A suspicion that held, as it is reported: figures, class, severity, evidence and advice. */
#pragma once
#include "analyse/fold.h"
#include "analyse/judge.h"
#include "analyse/subjects.h"

struct finding_input {
	const struct judge_cfg *cfg;
	const struct judge_input *in;
	struct subjects *subjects;
	const struct growth_opinion *process; /* NULL: no shape yet */
	double external_growth_bytes;	      /* over the window of s; NAN when not known */
	const struct suspicion *s;
	enum mt_site_kind kind;
	uint64_t key;		   /* of the group: its leak_id */
	enum resource_class class; /* where no site is known */
	const struct fold_totals *totals;
	size_t paths;	       /* call paths judged as one */
	const size_t *largest; /* indices into the snapshot's sites, largest first */
	size_t largest_count;  /* 0: no site is known */
	double first_seen_s;
};

/* A figure of a finding as a whole number; 0 for what is none, negative or too large. */
static inline uint64_t finding_figure(double v)
{
	return v >= 1 && v < 1.8e19 ? (uint64_t)v : 0;
}

/* *ret is the caller's, to be released with finding_done(). -ENOMEM. */
int finding_write(const struct finding_input *in, struct finding *ret);
