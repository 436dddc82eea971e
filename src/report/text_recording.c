/*
 * The summary of `memtrace report`. Documents come from a file: a field may be missing or of
 * another type, and is left out then.
 */
#include "report/text_recording.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "profile/label.h"
#include "profile/recording.h"
#include "profile/recording_site.h"
#include "profile/render.h"
#include "report/text.h"

#define PROCESSES_TOLD 16
#define LEAKS_TOLD 20
#define SITES_TOLD 10
#define FRAMES_TOLD 40
#define WHO_COLUMNS 48

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && *text ? text : NULL;
}

static double number_of(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) ? json_number_value(n) : NAN;
}

static void add_if_known(struct strbuf *b, const char *label, const char *text)
{
	if (text)
		text_add_labelled(b, label, text);
}

static void add_program(struct strbuf *b, const json_t *start)
{
	auto_strbuf struct strbuf t = {};

	add_if_known(b, "program", text_of(start, "exe"));
	add_if_known(b, "command line", text_of(start, "cmdline"));
	if (!text_of(start, "version"))
		return;
	strbuf_printf(&t, "%s, mode %s, kernel %s", text_of(start, "version"),
		      text_of(start, "mode") ? text_of(start, "mode") : "not known",
		      text_of(start, "kernel") ? text_of(start, "kernel") : "not known");
	text_add_labelled(b, "memtrace", strbuf_text(&t));
}

static void add_memory(struct strbuf *b, const json_t *sample)
{
	char rss[NUM_TEXT_BYTES], external[NUM_TEXT_BYTES], rate[NUM_TEXT_BYTES];
	double growth = number_of(sample, "growth_bytes_per_s");
	double coverage = number_of(sample, "coverage_ratio");
	char share[TEXT_SHARE_BYTES];
	auto_strbuf struct strbuf t = {};

	if (!sample)
		return;
	strbuf_printf(&t, "RSS %s, external %s",
		      num_format_bytes(recording_number(sample, "rss_bytes"), rss),
		      num_format_bytes(recording_number(sample, "external_bytes"), external));
	if (isfinite(growth))
		strbuf_printf(&t, " (%s at the end)", num_format_rate(growth, rate));
	if (isfinite(coverage))
		strbuf_printf(&t, ", %s of it explained", text_format_share(coverage, share));
	text_add_labelled(b, "memory", strbuf_text(&t));
}

static const char *reason_text(const json_t *end)
{
	static const char *const reasons[][2] = {
		{ "duration", "the time asked for was over" },
		{ "signal", "stopped by a signal" },
		{ "target_exit", "the process ended" },
		{ "error", "memtrace could not go on" },
	};
	const char *reason = text_of(end, "reason");

	for (size_t i = 0; reason && i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (!strcmp(reasons[i][0], reason))
			return reasons[i][1];
	return "reason not known";
}

static void add_end(struct strbuf *b, const json_t *end)
{
	double duration_s = number_of(end, "duration_s");
	auto_strbuf struct strbuf t = {};
	char text[NUM_TEXT_BYTES];

	if (!end) {
		text_add_labelled(b, "ended", "the recording breaks off: it has no end record");
		return;
	}
	strbuf_add(&t, reason_text(end));
	if (isfinite(duration_s))
		strbuf_printf(&t, ", after %s", num_format_seconds(duration_s, text));
	if (text_of(end, "why"))
		strbuf_printf(&t, ": %s", text_of(end, "why"));
	text_add_labelled(b, "ended", strbuf_text(&t));
}

/* "frees_missed 3, ring_full 12": every way of losing something that happened. */
static void add_losses(struct strbuf *b, const json_t *record)
{
	json_t *lost = json_object_get(record, "lost"), *value;
	auto_strbuf struct strbuf t = {};
	const char *name;

	json_object_foreach(lost, name, value)
	{
		if (json_integer_value(value) > 0 && t.len < 4096)
			strbuf_printf(&t, "%s%s %lld", t.len ? ", " : "", name,
				      (long long)json_integer_value(value));
	}
	if (lost)
		text_add_labelled(b, "lost", t.len ? strbuf_text(&t) : "nothing");
}

/* "parse_row  row.c:12  [libpq.so.5]" */
static void add_frame(struct strbuf *b, const json_t *frame)
{
	const char *symbol = text_of(frame, "symbol"), *module = text_of(frame, "module");
	const char *file = text_of(frame, "file"), *offset = text_of(frame, "offset");
	uint64_t line = recording_number(frame, "line");
	auto_strbuf struct strbuf t = {};

	if (symbol)
		strbuf_add(&t, symbol);
	else
		strbuf_printf(&t, "%s+%s", module ? module : "[unknown]", offset ? offset : "?");
	if (file)
		strbuf_printf(&t, "  %s", file);
	if (file && line != PROFILE_UNKNOWN)
		strbuf_printf(&t, ":%llu", (unsigned long long)line);
	if (symbol && module)
		strbuf_printf(&t, "  [%s]", module);
	if (json_is_true(json_object_get(frame, "inlined")))
		strbuf_add(&t, "  (inlined)");
	strbuf_printf(b, "%*s", TEXT_LABEL, "");
	text_add_cut(b, strbuf_text(&t), TEXT_COLUMNS - TEXT_LABEL);
	strbuf_add(b, "\n");
}

static void add_stack(struct strbuf *b, const json_t *record)
{
	const json_t *stack = json_object_get(record, "stack");
	uint64_t paths = recording_number(record, "path_count");
	size_t i, count = json_array_size(stack);

	if (!count)
		return;
	if (paths != PROFILE_UNKNOWN && paths > 1)
		strbuf_printf(b, "  asked for by %llu call paths, the largest (innermost first):\n",
			      (unsigned long long)paths);
	else
		strbuf_add(b, "  asked for by (innermost first):\n");
	for (i = 0; i < count && i < FRAMES_TOLD; i++)
		add_frame(b, json_array_get(stack, i));
	if (i < count)
		strbuf_printf(b, "%*s... %zu more\n", TEXT_LABEL, "", count - i);
	if (text_of(record, "stack_end")) {
		auto_strbuf struct strbuf t = {};

		strbuf_printf(&t, "(incomplete: %s)", text_of(record, "stack_end"));
		text_add_labelled(b, "", strbuf_text(&t));
	}
}

static void add_leak_figures(struct strbuf *b, const json_t *leak)
{
	char bytes[NUM_TEXT_BYTES], count[NUM_TEXT_BYTES], rate[NUM_TEXT_BYTES];
	double growth = number_of(leak, "growth_bytes_per_s");
	auto_strbuf struct strbuf t = {};

	strbuf_printf(&t, "%s, count %s",
		      num_format_bytes(recording_number(leak, "size_bytes"), bytes),
		      num_format_count(recording_number(leak, "count"), count));
	text_add_labelled(b, "holds", strbuf_text(&t));
	strbuf_clear(&t);
	strbuf_add(&t, isfinite(growth) ? num_format_rate(growth, rate) : "pace not known");
	if (text_of(leak, "pattern"))
		strbuf_printf(&t, ", %s growth", text_of(leak, "pattern"));
	text_add_labelled(b, "grows", strbuf_text(&t));
}

/* Who asked, as far as one line can say it. */
static void add_leak_name(struct strbuf *b, const json_t *leak)
{
	uint64_t owner = recording_number(leak, "owner_frame");
	const json_t *stack = json_object_get(leak, "stack");
	const json_t *first = json_array_get(stack, owner < json_array_size(stack) ? owner : 0);
	const char *symbol = text_of(first, "symbol"), *module = text_of(leak, "module");
	const char *class = text_of(leak, "class");

	text_add_cut(b, symbol ? symbol : module ? module : class, 60);
	if (symbol && module) {
		strbuf_add(b, " in ");
		text_add_cut(b, module, 30);
	}
}

/* A leak that is probably part of a worse one. */
static void add_companion(struct strbuf *b, const json_t *leaks, const json_t *leak)
{
	const char *id = text_of(leak, "comes_with");
	auto_strbuf struct strbuf t = {};

	if (!id)
		return;
	strbuf_add(&t, "that of ");
	add_leak_name(&t, json_object_get(leaks, id));
	strbuf_add(&t,
		   ": as many, at the same pace, by the same caller; probably parts of one thing");
	text_add_labelled(b, "comes with", strbuf_text(&t));
}

static void add_leak(struct strbuf *b, const json_t *leaks, const json_t *leak, size_t number,
		     size_t of)
{
	json_t *evidence = json_object_get(leak, "evidence"), *sentence;
	char share[TEXT_SHARE_BYTES];
	auto_strbuf struct strbuf t = {};
	size_t i;

	strbuf_printf(b, "\nLEAK %zu of %zu: ", number, of);
	add_leak_name(b, leak);
	strbuf_add(b, "\n");
	strbuf_printf(&t, "%s, class %s, severity %s, %s sure",
		      text_of(leak, "leak_type") ? text_of(leak, "leak_type") : "unknown",
		      text_of(leak, "class") ? text_of(leak, "class") : "unexplained",
		      text_of(leak, "severity") ? text_of(leak, "severity") : "not known",
		      text_format_share(number_of(leak, "confidence"), share));
	text_add_labelled(b, "what", strbuf_text(&t));
	add_leak_figures(b, leak);
	json_array_foreach(evidence, i, sentence)
	{
		if (i < FRAMES_TOLD && json_is_string(sentence))
			text_add_labelled(b, i ? "" : "evidence", json_string_value(sentence));
	}
	add_companion(b, leaks, leak);
	add_if_known(b, "what to do", text_of(leak, "recommendation"));
	add_stack(b, leak);
}

static bool is_active(const json_t *leak)
{
	return text_of(leak, "state") && !strcmp(text_of(leak, "state"), "active");
}

/* In the order of the end record, worst first; without one, as they came. */
static void add_leaks(struct strbuf *b, const struct recording_process *t)
{
	json_t *order = json_object_get(t->end, "leaks"), *leak;
	size_t i, of = 0, told = 0;
	const char *id;

	json_object_foreach(t->leaks, id, leak) of += is_active(leak);
	if (json_is_array(order)) {
		for (i = 0; i < json_array_size(order); i++) {
			id = json_string_value(json_array_get(order, i));
			leak = id ? json_object_get(t->leaks, id) : NULL;
			if (leak && is_active(leak) && told < LEAKS_TOLD)
				add_leak(b, t->leaks, leak, ++told, of);
		}
	} else {
		json_object_foreach(t->leaks, id, leak)
		{
			if (is_active(leak) && told < LEAKS_TOLD)
				add_leak(b, t->leaks, leak, ++told, of);
		}
	}
	if (told < of)
		strbuf_printf(b, "\n%zu more leaks are not shown\n", of - told);
}

/* Who asked: the owner's frame; else the innermost one that has a name, else the innermost. */
static const struct profile_frame *asking_frame(const struct profile *p,
						const struct profile_site *s)
{
	const struct profile_frame *f = NULL;
	const uint32_t *frames;
	size_t i, n;

	frames = profile_stack_at(p, s->stack, &n);
	if (s->owner < n)
		return profile_frame_at(p, frames[s->owner]);
	for (i = 0; i < n && !(f && f->symbol); i++)
		f = profile_frame_at(p, frames[i]);
	return n && !f->symbol ? profile_frame_at(p, frames[0]) : f;
}

static void add_who(struct strbuf *b, const struct profile *p, const struct profile_site *s)
{
	const struct profile_frame *f = asking_frame(p, s);
	auto_strbuf struct strbuf t = {};

	if (f) {
		label_frame(&t, p, f);
		if (f->symbol && f->module)
			strbuf_printf(&t, " in %s", intern_text(&p->text, f->module));
	}
	text_add_left(b, f ? strbuf_text(&t) : "[no stack]", WHO_COLUMNS);
}

static int by_live(const void *x, const void *y)
{
	const struct profile_site *a = *(const struct profile_site *const *)x;
	const struct profile_site *b = *(const struct profile_site *const *)y;

	if (a->value[PROFILE_LIVE] != b->value[PROFILE_LIVE])
		return a->value[PROFILE_LIVE] > b->value[PROFILE_LIVE] ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

static void add_site(struct strbuf *b, const struct profile *p, const struct profile_site *s)
{
	bool grown = s->grown_known;
	char text[NUM_TEXT_BYTES];

	strbuf_add(b, "  ");
	add_who(b, p, s);
	text_add_right(b, num_format_bytes(s->value[PROFILE_LIVE], text), 11);
	text_add_right(b, num_format_count(s->value[PROFILE_COUNT], text), 10);
	text_add_right(b, grown ? num_format_bytes(s->value[PROFILE_GROWING], text) : "?", 11);
	strbuf_add(b, "  ");
	text_add_cut(b, intern_text(&p->text, s->class), 16);
	text_end_line(b);
}

static int add_sites(struct strbuf *b, const struct profile *p, size_t process)
{
	auto_free const struct profile_site **list = calloc(p->site_count + 1, sizeof(*list));
	size_t i, n = 0;

	if (!list)
		return -ENOMEM;
	for (i = 0; i < p->site_count; i++)
		if (p->sites[i].process == process && p->sites[i].current)
			list[n++] = &p->sites[i];
	if (!n)
		return strbuf_add(b, "\n  no call path that holds memory was recorded\n");
	qsort(list, n, sizeof(*list), by_live);
	strbuf_printf(b, "\n  %-*s%11s%10s%11s  %s\n", WHO_COLUMNS, "who asked for what is held",
		      "held", "count", "grew", "class");
	for (i = 0; i < n && i < SITES_TOLD; i++)
		add_site(b, p, list[i]);
	if (i < n)
		strbuf_printf(b, "  ... %zu more (--svg, --folded and --pprof have all)\n", n - i);
	return b->error;
}

static void add_verdict(struct strbuf *b, const json_t *end, const char *comm, uint32_t pid)
{
	const char *verdict = text_of(end, "verdict"), *why = text_of(end, "verdict_why");
	auto_strbuf struct strbuf t = {};

	if (!verdict)
		return;
	strbuf_printf(&t, "VERDICT: %s in ",
		      !strcmp(verdict, "leak")	    ? "LEAK"
		      : !strcmp(verdict, "no_leak") ? "NO LEAK"
						    : "INCONCLUSIVE");
	text_add_cut(&t, comm, 32);
	strbuf_printf(&t, " (pid %u).%s%s", pid, why ? " " : "", why ? why : "");
	strbuf_add(b, "\n");
	text_add_wrapped(b, 9, strbuf_text(&t));
}

static int add_process(struct strbuf *b, const struct recording *rec, size_t i)
{
	const struct profile_process *p = &rec->profile->processes[i];
	const char *comm = intern_text(&rec->profile->text, p->comm);
	const struct recording_process *t = &rec->processes[i];
	int r;

	strbuf_printf(b, "%s==== recording of ", i ? "\n" : "");
	text_add_cut(b, comm, 32);
	strbuf_printf(b, " (pid %u), %u report%s ====\n", p->pid, p->ticks,
		      p->ticks == 1 ? "" : "s");
	add_program(b, t->start);
	add_end(b, t->end);
	add_memory(b, t->sample);
	add_losses(b, t->end ? t->end : t->sample);
	r = add_sites(b, rec->profile, i);
	add_leaks(b, t);
	add_verdict(b, t->end, comm, p->pid);
	return r;
}

int text_recording(struct strbuf *b, const struct recording *rec)
{
	size_t i, count = rec->profile->process_count;
	auto_strbuf struct strbuf notes = {};
	char *line, *rest = NULL;
	int r = 0;

	for (i = 0; i < count && i < PROCESSES_TOLD && r == 0; i++)
		r = add_process(b, rec, i);
	if (i < count)
		strbuf_printf(b, "\n%zu more processes are in the recording: --pid shows one\n",
			      count - i);
	if (r == 0)
		r = render_notes(&notes, rec->profile);
	if (r < 0)
		return r;
	if (notes.len)
		strbuf_add(b, "\n");
	for (line = notes.len ? strtok_r(notes.text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest))
		text_add_wrapped(b, 2, line);
	return b->error;
}
