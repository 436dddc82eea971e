/*
 * Recordings, as `memtrace report` reads them, and everything that is made of them.
 * smoke: 8000
 */
#include "fuzz.h"

#include "base/err.h"
#include "base/str.h"
#include "profile/recording.h"
#include "profile/render.h"

static void render_all(const struct profile *p)
{
	FILE *null = fopen("/dev/null", "w");
	struct strbuf notes = {};

	CLAIM(null);
	for (enum profile_value v = 0; v < PROFILE_VALUES; v++) {
		render_folded(null, p, v);
		profile_total(p, v);
	}
	render_svg(null, p);
	render_pprof(null, p);
	render_notes(&notes, p);
	strbuf_done(&notes);
	fclose(null);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recording_cfg cfg = {};
	struct recording *r = NULL;
	struct err err = {};
	FILE *f;

	if (size == 0)
		return 0;
	f = fmemopen((void *)data, size, "r");
	CLAIM(f);
	if (recording_read(f, &cfg, &r, &err) == 0) {
		CLAIM(r->bad_lines <= r->lines && r->records <= r->lines);
		CLAIM(r->profile->site_count <= PROFILE_SITES_MAX);
		CLAIM(!r->bad_lines || (r->first_bad && r->why_bad));
		render_all(r->profile);
		recording_free(r);
	}
	fclose(f);
	return 0;
}
