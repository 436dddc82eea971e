/* The blocks a text report is made of. All add whole lines to b; see text.h for its rules. */
#pragma once
#include "analyse/analysis.h"
#include "base/num.h"
#include "report/rank.h"
#include "report/sink.h"
#include "report/text.h"

void text_add_start(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		    const struct record_head *head, const struct start_info *info);
/* whole: also what could not be measured, which does not change. */
void text_add_classes(struct strbuf *b, const struct ink *ink, const struct analysis *a,
		      bool whole);
/* The contract's name with blanks, or plainer words where the name needs to be explained. */
const char *text_class_label(enum resource_class class, char buf[static NUM_TEXT_BYTES]);
/* What the language runtime says of its heap; nothing without one. */
void text_add_heap(struct strbuf *b, const struct analysis *a);
/* Counted things that RSS does not hold: one line for all of them. */
void text_add_outside(struct strbuf *b, const struct analysis *a);
/* Native memory of connections by kind; nothing where none was seen. */
void text_add_connections(struct strbuf *b, const struct analysis *a);
/* What the memory of a process is: a table that adds up to RSS and swap, and how it is known. */
void text_add_ledger(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		     const struct record_head *head, const struct end_info *info);
void text_add_site_heading(struct strbuf *b, const struct ink *ink);
void text_add_site(struct strbuf *b, const struct ink *ink, const struct analysis *a,
		   const struct ranked_site *ranked, bool with_stack);
/* frames: shown at most. */
void text_add_stack(struct strbuf *b, size_t indent, const struct snapshot *s,
		    const struct snap_stack *stack, size_t frames);
/* A further path to the same: the first frames in which it differs from a stack told before. */
void text_add_other_path(struct strbuf *b, size_t indent, const struct snapshot *s,
			 const struct snap_stack *stack, const struct snap_stack *than);

/* How the process grows and when that meets its limit; nothing while it is not known. classes:
 * also those of them that grow. */
void text_add_growth(struct strbuf *b, const struct analysis *a, bool classes);

/* What tracing costs and what was lost; nothing is added for what is not known or zero. */
void text_add_cost(struct strbuf *b, const struct overhead_info *overhead);
void text_add_losses(struct strbuf *b, const struct snap_counters *counters);

/* "parse_row in libpq.so.5": who asked for the memory of a site, or of what a finding is made. */
void text_add_who(struct strbuf *b, const struct analysis *a, const struct snap_site *site,
		  size_t columns);
void text_add_finding_name(struct strbuf *b, const struct analysis *a, const struct finding *f,
			   size_t columns);
void text_add_finding_line(struct strbuf *b, const struct ink *ink, const struct analysis *a,
			   const struct finding *f);

/* "23.4 MB in 12,000 blocks"; "+1.2 MB/s, +600 blocks/s". */
void text_add_held(struct strbuf *b, const struct analysis *a, const struct finding *f);
void text_add_pace(struct strbuf *b, const struct analysis *a, const struct finding *f);

/* "blocks", "descriptors", "sockets", "threads": what the count of a class or site counts. */
const char *text_count_noun(const struct snap_site *site);

/* Sums over active findings. */
struct leak_total {
	size_t leaks;		     /* those that come with another are a part of it */
	size_t parts;		     /* such parts */
	const struct finding *worst; /* NULL when there is none */
	uint64_t bytes;
	double growth_bytes_per_s;
};

struct leak_total text_leak_total(const struct findings *f);

/* A plot of `columns` (0: none) of the process as a whole, its pattern, and advice. */
void text_add_curve(struct strbuf *b, const struct ink *ink, size_t columns,
		    const struct analysis *a);

/* The end of a report: leaks worst first, then the verdict as the very last line. */
void text_add_end(struct strbuf *b, const struct ink *ink, const struct sink_cfg *cfg,
		  const struct record_head *head, const struct end_info *info);
