/* What a picture leaves out, in words. */
#include <inttypes.h>

#include "base/num.h"
#include "base/str.h"
#include "profile/render.h"

static void add_hidden(struct strbuf *b, const struct profile_notes *n)
{
	char bytes[NUM_TEXT_BYTES], count[NUM_TEXT_BYTES];

	if (!n->hidden_bytes && !n->hidden_count)
		return;
	strbuf_printf(b,
		      "%s in %s blocks are held by call paths that were not recorded (--top bounds "
		      "them): \"[not in the top sites]\"\n",
		      num_format_bytes(n->hidden_bytes, bytes),
		      num_format_count(n->hidden_count, count));
}

static void add_count(struct strbuf *b, uint64_t count, const char *one, const char *many)
{
	if (count == 1)
		strbuf_printf(b, "1 %s\n", one);
	else if (count)
		strbuf_printf(b, "%" PRIu64 " %s\n", count, many);
}

int render_notes(struct strbuf *b, const struct profile *p)
{
	const struct profile_notes *n = &p->notes;

	add_hidden(b, n);
	add_count(b, n->told_once,
		  "call path was recorded once only: what it grew is not known and not shown",
		  "call paths were recorded once only: what they grew is not known and not shown");
	add_count(
		b, n->gone,
		"call path was recorded earlier but not at the end: only what it allocated counts",
		"call paths were recorded earlier but not at the end: only what they allocated "
		"counts");
	add_count(b, n->incomplete,
		  "stack does not reach the start of its thread: it stands under \"[incomplete]\"",
		  "stacks do not reach the start of their thread: they stand under "
		  "\"[incomplete]\"");
	add_count(b, n->estimated, "call path has figures estimated from samples",
		  "call paths have figures estimated from samples");
	add_count(b, n->unended, "process has no end in the recording: it breaks off",
		  "processes have no end in the recording: it breaks off");
	add_count(b, p->refused, "call path or process was beyond a limit and is left out",
		  "call paths and processes were beyond a limit and are left out");
	return b->error;
}
