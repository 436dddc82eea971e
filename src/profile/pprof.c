/*
 * pprof's format is one message; messages of one type that follow each other are merged by whoever
 * reads them, lists being put together (protobuf's rule for concatenation). So the profile is
 * written as many small messages, each as soon as it is known: strings and locations cost memory
 * once, samples none.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "profile/label.h"
#include "profile/render.h"
#include "proto/pprof.pb-c.h"

#define PIECE_MAX 65536 /* bytes compressed at once */
#define SAMPLE_LABELS 5

typedef Memtrace__Pprof__Profile Piece;

struct mapping {
	uint64_t limit; /* highest offset seen in it */
	bool lines, inlines;
};

struct writer {
	const struct profile *p;
	FILE *f;
	z_stream z;
	struct intern strings;	 /* number = index in string_table, 0 is "" */
	struct intern mappings;	 /* (module, build id) */
	struct intern functions; /* (name, file) */
	struct intern locations; /* the frames of one address; notes: their text */
	struct mapping *mapping; /* owned: by number - 1 */
};

static int deflate_all(struct writer *w, const void *bytes, size_t len, int flush)
{
	unsigned char out[PIECE_MAX];
	size_t n;

	w->z.next_in = (unsigned char *)bytes; /* zlib only reads it */
	w->z.avail_in = (uInt)len;
	do {
		w->z.next_out = out;
		w->z.avail_out = sizeof(out);
		if (deflate(&w->z, flush) == Z_STREAM_ERROR)
			return -EIO;
		n = sizeof(out) - w->z.avail_out;
		errno = 0;
		if (n && fwrite(out, 1, n, w->f) != n)
			return errno ? -errno : -EIO;
	} while (w->z.avail_out == 0);
	return 0;
}

static int emit(struct writer *w, const Piece *piece)
{
	size_t len = protobuf_c_message_get_packed_size(&piece->base);
	auto_free unsigned char *bytes = malloc(len ? len : 1);

	if (!bytes)
		return -ENOMEM;
	protobuf_c_message_pack(&piece->base, bytes);
	return deflate_all(w, bytes, len, Z_NO_FLUSH);
}

static int64_t as_value(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

/* The index of a string; the table itself is written last. */
static int string(struct writer *w, const char *text, int64_t *ret)
{
	uint32_t number = 0;
	int r = 0;

	if (*text)
		r = intern_add(&w->strings, text, strlen(text), &number);
	*ret = number;
	return r;
}

static int text_string(struct writer *w, uint32_t text, int64_t *ret)
{
	return string(w, intern_text(&w->p->text, text), ret);
}

static int emit_strings(struct writer *w)
{
	uint32_t i;
	int r = 0;

	for (i = 0; i <= w->strings.count && r == 0; i++) {
		char *one = (char *)intern_text(&w->strings, i);
		Piece piece = MEMTRACE__PPROF__PROFILE__INIT;

		piece.n_string_table = 1;
		piece.string_table = &one;
		r = emit(w, &piece);
	}
	return r;
}

/* --- mappings: one per file; addresses are those inside the file --------------------------- */

struct mapping_key {
	uint32_t module, build_id;
};

static int note_mapping(struct writer *w, const struct profile_frame *f)
{
	struct mapping_key key = { f->module, f->build_id };
	struct mapping *m;
	uint32_t number;

	if (!f->module)
		return 0;
	if (intern_add(&w->mappings, &key, sizeof(key), &number) < 0)
		return -ENOMEM;
	m = &w->mapping[number - 1];
	m->limit = f->offset > m->limit ? f->offset : m->limit;
	m->lines |= f->line != 0;
	m->inlines |= f->inlined;
	return 0;
}

/* The program's own file first: pprof takes the first mapping for it. */
static int note_mappings(struct writer *w)
{
	const struct profile *p = w->p;
	uint32_t i, count = p->frames.count;
	int r = 0, pass;

	w->mapping = calloc((size_t)count + 1, sizeof(*w->mapping));
	if (!w->mapping)
		return -ENOMEM;
	for (pass = 0; pass < 2; pass++)
		for (i = 1; i <= count && r == 0; i++) {
			const struct profile_frame *f = profile_frame_at(p, i);
			bool own = p->process_count &&
				   label_colour(p, f, p->processes) == LABEL_APPLICATION;

			if (own == (pass == 0))
				r = note_mapping(w, f);
		}
	return r;
}

static int emit_mapping(struct writer *w, uint32_t number)
{
	Memtrace__Pprof__Mapping m = MEMTRACE__PPROF__MAPPING__INIT, *list = &m;
	const struct mapping *from = &w->mapping[number - 1];
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
	const struct mapping_key *key;
	size_t len;
	int r;

	key = intern_at(&w->mappings, number, &len);
	m.id = number;
	m.memory_limit = from->limit < UINT64_MAX - 4096 ? (from->limit | 4095) + 1 : UINT64_MAX;
	m.has_functions = true; /* so that pprof does not look for names in files of this host */
	m.has_filenames = m.has_line_numbers = from->lines;
	m.has_inline_frames = from->inlines;
	r = text_string(w, key->module, &m.filename);
	if (r == 0)
		r = text_string(w, key->build_id, &m.build_id);
	piece.n_mapping = 1;
	piece.mapping = &list;
	return r < 0 ? r : emit(w, &piece);
}

/* --- functions and locations ----------------------------------------------------------------- */

static int function(struct writer *w, int64_t name, int64_t file, uint64_t *ret)
{
	Memtrace__Pprof__Function f = MEMTRACE__PPROF__FUNCTION__INIT, *list = &f;
	int64_t key[2] = { name, file };
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
	uint32_t number, before = w->functions.count;
	int r;

	r = intern_add(&w->functions, key, sizeof(key), &number);
	if (r < 0)
		return r;
	*ret = number;
	if (number <= before)
		return 0;
	f.id = number;
	f.name = f.system_name = name;
	f.filename = file;
	piece.n_function = 1;
	piece.function = &list;
	return emit(w, &piece);
}

static int frame_line(struct writer *w, const struct profile_frame *f, Memtrace__Pprof__Line *ret)
{
	auto_strbuf struct strbuf label = {};
	int64_t name = 0, file = 0;
	int r;

	*ret = (Memtrace__Pprof__Line)MEMTRACE__PPROF__LINE__INIT;
	ret->line = f->line;
	r = label_frame(&label, w->p, f);
	if (r == 0)
		r = string(w, strbuf_text(&label), &name);
	if (r == 0)
		r = text_string(w, f->file, &file);
	return r < 0 ? r : function(w, name, file, &ret->function_id);
}

static int emit_location(struct writer *w, uint64_t id, const struct profile_frame *at,
			 Memtrace__Pprof__Line *lines, size_t count)
{
	Memtrace__Pprof__Location l = MEMTRACE__PPROF__LOCATION__INIT, *list = &l;
	Memtrace__Pprof__Line *line[PROFILE_FRAMES_MAX];
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
	size_t i;

	for (i = 0; i < count; i++)
		line[i] = &lines[i];
	l.id = id;
	l.n_line = count;
	l.line = line;
	if (at) {
		struct mapping_key key = { at->module, at->build_id };
		uint32_t mapping = 0;

		if (at->module && intern_add(&w->mappings, &key, sizeof(key), &mapping) < 0)
			return -ENOMEM;
		l.mapping_id = mapping;
		l.address = at->offset;
	}
	piece.n_location = 1;
	piece.location = &list;
	return emit(w, &piece);
}

/* Frames of one address: functions that are inlined, then the one they are inlined into. */
static int location(struct writer *w, const uint32_t *frames, size_t count, uint64_t *ret)
{
	Memtrace__Pprof__Line lines[PROFILE_FRAMES_MAX];
	uint32_t number, before = w->locations.count;
	size_t i;
	int r;

	r = intern_add(&w->locations, frames, count * sizeof(*frames), &number);
	if (r < 0)
		return r;
	*ret = number;
	if (number <= before)
		return 0;
	for (i = 0; i < count && r == 0; i++)
		r = frame_line(w, profile_frame_at(w->p, frames[i]), &lines[i]);
	if (r < 0)
		return r;
	return emit_location(w, number, profile_frame_at(w->p, frames[count - 1]), lines, count);
}

/* A place that is no code. */
static int note_location(struct writer *w, const char *text, uint64_t *ret)
{
	Memtrace__Pprof__Line line = MEMTRACE__PPROF__LINE__INIT;
	uint32_t number, before = w->locations.count;
	auto_strbuf struct strbuf key = {};
	int64_t name;
	int r;

	r = strbuf_printf(&key, "%s.", text); /* of a length that no list of numbers has */
	while (r == 0 && key.len % sizeof(uint32_t) == 0)
		r = strbuf_add(&key, ".");
	if (r == 0)
		r = intern_add(&w->locations, strbuf_text(&key), key.len, &number);
	if (r < 0)
		return r;
	*ret = number;
	if (number <= before)
		return 0;
	r = string(w, text, &name);
	if (r == 0)
		r = function(w, name, 0, &line.function_id);
	return r < 0 ? r : emit_location(w, number, NULL, &line, 1);
}

/* --- samples ------------------------------------------------------------------------------------
 */

static const enum profile_value sample_values[] = {
	PROFILE_LIVE, PROFILE_COUNT, PROFILE_ALLOCATED, PROFILE_ALLOCATED_COUNT, PROFILE_GROWING,
};
#define VALUES (sizeof(sample_values) / sizeof(sample_values[0]))

static const char *const sample_names[VALUES][2] = {
	{ "inuse_space", "bytes" },   { "inuse_objects", "count" }, { "alloc_space", "bytes" },
	{ "alloc_objects", "count" }, { "growth_space", "bytes" },
};

struct labels {
	Memtrace__Pprof__Label label[SAMPLE_LABELS], *list[SAMPLE_LABELS];
	size_t count;
};

static int add_label(struct writer *w, struct labels *l, const char *key, const char *text)
{
	Memtrace__Pprof__Label *label = &l->label[l->count];
	int r;

	if (!*text)
		return 0;
	*label = (Memtrace__Pprof__Label)MEMTRACE__PPROF__LABEL__INIT;
	r = string(w, key, &label->key);
	if (r == 0)
		r = string(w, text, &label->str);
	l->list[l->count++] = label;
	return r;
}

static int process_labels(struct writer *w, size_t process, struct labels *l)
{
	const struct profile_process *t = &w->p->processes[process];
	char pid[16];
	int r;

	snprintf(pid, sizeof(pid), "%u", t->pid);
	r = add_label(w, l, "pid", pid);
	return r < 0 ? r : add_label(w, l, "process", intern_text(&w->p->text, t->comm));
}

static int site_labels(struct writer *w, const struct profile_site *s, struct labels *l)
{
	const struct intern *text = &w->p->text;
	int r;

	r = process_labels(w, s->process, l);
	if (r == 0)
		r = add_label(w, l, "site_id", intern_text(text, s->id));
	if (r == 0)
		r = add_label(w, l, "class", intern_text(text, s->class));
	return r < 0 ? r : add_label(w, l, "kind", intern_text(text, s->kind));
}

static int emit_sample(struct writer *w, uint64_t *ids, size_t count, int64_t *values,
		       struct labels *l)
{
	Memtrace__Pprof__Sample s = MEMTRACE__PPROF__SAMPLE__INIT, *list = &s;
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;

	s.n_location_id = count;
	s.location_id = ids;
	s.n_value = VALUES;
	s.value = values;
	s.n_label = l->count;
	s.label = l->list;
	piece.n_sample = 1;
	piece.sample = &list;
	return emit(w, &piece);
}

/* The locations of a stack, innermost first. */
static int stack_locations(struct writer *w, uint32_t stack, uint64_t *ids, size_t *ret)
{
	size_t i, count, first = 0, n = 0;
	const uint32_t *frames = profile_stack_at(w->p, stack, &count);
	int r = 0;

	for (i = 0; i < count && r == 0; i++) {
		if (profile_frame_at(w->p, frames[i])->inlined && i + 1 < count)
			continue;
		r = location(w, frames + first, i + 1 - first, &ids[n++]);
		first = i + 1;
	}
	*ret = n;
	return r;
}

static int add_site(struct writer *w, const struct profile_site *s)
{
	uint64_t ids[PROFILE_FRAMES_MAX + 1], any = 0;
	auto_strbuf struct strbuf why = {};
	int64_t values[VALUES];
	struct labels l = {};
	size_t i, n;
	int r;

	for (i = 0; i < VALUES; i++) {
		values[i] = as_value(s->value[sample_values[i]]);
		any |= s->value[sample_values[i]];
	}
	if (!any)
		return 0;
	r = stack_locations(w, s->stack, ids, &n);
	if (r == 0 && s->end) {
		r = strbuf_printf(&why, "[incomplete: %s]", intern_text(&w->p->text, s->end));
		if (r == 0)
			r = note_location(w, strbuf_text(&why), &ids[n++]);
	} else if (r == 0 && n == 0) {
		r = note_location(w, "[no stack]", &ids[n++]);
	}
	if (r == 0)
		r = site_labels(w, s, &l);
	return r < 0 ? r : emit_sample(w, ids, n, values, &l);
}

static int add_hidden(struct writer *w, size_t process)
{
	const struct profile_process *t = &w->p->processes[process];
	int64_t values[VALUES] = { as_value(t->hidden_bytes), as_value(t->hidden_count) };
	struct labels l = {};
	uint64_t id;
	int r;

	if (!t->hidden_bytes && !t->hidden_count)
		return 0;
	r = note_location(w, "[not in the top sites]", &id);
	if (r == 0)
		r = process_labels(w, process, &l);
	return r < 0 ? r : emit_sample(w, &id, 1, values, &l);
}

static int emit_type(struct writer *w, const char *const name[2])
{
	Memtrace__Pprof__ValueType type = MEMTRACE__PPROF__VALUE_TYPE__INIT, *list = &type;
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
	int r;

	r = string(w, name[0], &type.type);
	if (r == 0)
		r = string(w, name[1], &type.unit);
	piece.n_sample_type = 1;
	piece.sample_type = &list;
	return r < 0 ? r : emit(w, &piece);
}

/* The notes, line by line. */
static int emit_comments(struct writer *w)
{
	auto_strbuf struct strbuf notes = {};
	char *line, *rest = NULL;
	int r;

	r = render_notes(&notes, w->p);
	if (r < 0 || !notes.len)
		return r;
	for (line = strtok_r(notes.text, "\n", &rest); line && r == 0;
	     line = strtok_r(NULL, "\n", &rest)) {
		Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
		int64_t comment;

		r = string(w, line, &comment);
		piece.n_comment = 1;
		piece.comment = &comment;
		if (r == 0)
			r = emit(w, &piece);
	}
	return r;
}

static int emit_head(struct writer *w)
{
	const struct profile_process *t = w->p->process_count ? w->p->processes : NULL;
	Piece piece = MEMTRACE__PPROF__PROFILE__INIT;
	size_t i;
	int r = 0;

	for (i = 0; i < VALUES && r == 0; i++)
		r = emit_type(w, sample_names[i]);
	if (r == 0)
		r = string(w, sample_names[0][0], &piece.default_sample_type);
	if (t && t->ticks && t->last_s > 0 && t->last_s < 1e9)
		piece.duration_nanos = (int64_t)(t->last_s * 1e9);
	if (t && t->begun_ns)
		piece.time_nanos = as_value(t->begun_ns);
	return r < 0 ? r : emit(w, &piece);
}

static int emit_all(struct writer *w)
{
	uint32_t i;
	size_t k;
	int r;

	r = emit_head(w);
	if (r == 0)
		r = note_mappings(w);
	for (i = 1; i <= w->mappings.count && r == 0; i++)
		r = emit_mapping(w, i);
	for (k = 0; k < w->p->site_count && r == 0; k++)
		r = add_site(w, &w->p->sites[k]);
	for (k = 0; k < w->p->process_count && r == 0; k++)
		r = add_hidden(w, k);
	if (r == 0)
		r = emit_comments(w);
	if (r == 0)
		r = emit_strings(w);
	return r < 0 ? r : deflate_all(w, "", 0, Z_FINISH);
}

static void *zlib_alloc(void *ctx, unsigned int n, unsigned int size)
{
	(void)ctx;
	return calloc(n, size);
}

static void zlib_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

int render_pprof(FILE *f, const struct profile *p)
{
	struct writer w = { .p = p, .f = f, .z = { .zalloc = zlib_alloc, .zfree = zlib_free } };
	int r;

	/* 15 + 16: the largest window, with a gzip header */
	if (deflateInit2(&w.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
	    Z_OK)
		return -ENOMEM;
	r = emit_all(&w);
	deflateEnd(&w.z);
	intern_done(&w.strings);
	intern_done(&w.mappings);
	intern_done(&w.functions);
	intern_done(&w.locations);
	free(w.mapping);
	errno = 0;
	if (r == 0 && (fflush(f) || ferror(f)))
		r = errno ? -errno : -EIO;
	return r;
}
