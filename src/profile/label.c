#include "profile/label.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const char *place_of(const struct profile *p, const struct profile_frame *f)
{
	if (f->module)
		return intern_text(&p->text, f->module);
	switch (f->kind) {
	case PROFILE_JIT: return "[jit]";
	case PROFILE_INTERPRETED: return "[interpreted]";
	case PROFILE_KERNEL: return "[kernel]";
	}
	return "[unknown]";
}

int label_frame(struct strbuf *b, const struct profile *p, const struct profile_frame *f)
{
	if (f->symbol)
		return strbuf_add(b, intern_text(&p->text, f->symbol));
	return strbuf_printf(b, "%s+0x%llx", place_of(p, f), (unsigned long long)f->offset);
}

static const char *suffix_of(const struct profile_frame *f)
{
	if (f->kind == PROFILE_NOTE)
		return "";
	if (f->inlined)
		return "_[i]";
	return f->kind == PROFILE_JIT ? "_[j]" : f->kind == PROFILE_KERNEL ? "_[k]" : "";
}

/* A blank of any alphabet, at least as readers of folded stacks know them: its length, else 0. */
static size_t blank_at(const char *c)
{
	static const char *const blanks[] = {
		" ", "\xc2\xa0", "\xe3\x80\x80", "\xe1\x9a\x80", "\xe2\x81\x9f", "\xe2\x80\xaf"
	};

	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
		if (!strncmp(c, blanks[i], strlen(blanks[i])))
			return strlen(blanks[i]);
	return !strncmp(c, "\xe2\x80", 2) && (unsigned char)c[2] >= 0x80 &&
			       (unsigned char)c[2] <= 0x8b
		       ? 3
		       : 0;
}

int label_folded(struct strbuf *b, const struct profile *p, const struct profile_frame *f)
{
	auto_strbuf struct strbuf plain = {};
	const char *c;
	size_t blank;

	if (label_frame(&plain, p, f) < 0)
		return plain.error;
	for (c = strbuf_text(&plain); *c; c += blank ? blank : 1) {
		blank = blank_at(c);
		strbuf_add_bytes(b, blank ? "_" : *c == ';' ? ":" : c, 1);
	}
	return strbuf_add(b, suffix_of(f));
}

int label_xml(struct strbuf *b, const char *text)
{
	const char *c, *from = text;

	for (c = text; *c; c++) {
		bool control = (unsigned char)*c < 0x20 && *c != '\n';
		bool noncharacter =
			!strncmp(c, "\xef\xbf\xbe", 3) || !strncmp(c, "\xef\xbf\xbf", 3);

		if (!control && !noncharacter && !strchr("&<>\"'", *c))
			continue;
		strbuf_add_bytes(b, from, (size_t)(c - from));
		if (control || noncharacter)
			strbuf_add(b, "\xef\xbf\xbd");
		else
			strbuf_printf(b, "&#%d;", *c);
		c += noncharacter ? 2 : 0;
		from = c + 1;
	}
	return strbuf_add_bytes(b, from, (size_t)(c - from));
}

static bool is_system(const char *module)
{
	static const char *const names[] = {
		"libc.so",     "libc-",	      "ld-linux",     "ld-musl",   "libstdc++.so",
		"libc++",      "libgcc_s.so", "libm.so",      "libm-",	   "libpthread",
		"libdl.so",    "librt.so",    "linux-vdso",   "[vdso]",	   "libjemalloc",
		"libtcmalloc", "libmimalloc", "libatomic.so", "libc.musl", "libresolv.so",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(module, names[i], strlen(names[i])))
			return true;
	return false;
}

/* The kernel cuts names of processes to 15 bytes. */
static bool is_comm(const char *module, const char *comm)
{
	size_t len = strlen(comm);

	return len == 15 ? !strncmp(module, comm, len) : len && !strcmp(module, comm);
}

enum label_colour label_colour(const struct profile *p, const struct profile_frame *f,
			       const struct profile_process *process)
{
	const char *module = intern_text(&p->text, f->module);

	switch (f->kind) {
	case PROFILE_JIT: return LABEL_JIT;
	case PROFILE_INTERPRETED: return LABEL_INTERPRETED;
	case PROFILE_KERNEL: return LABEL_KERNEL;
	case PROFILE_NOTE: return LABEL_NOTE;
	}
	if (!*module)
		return LABEL_NOTE;
	if (!strcmp(module, str_file_name(intern_text(&p->text, process->exe))) ||
	    is_comm(module, intern_text(&p->text, process->comm)))
		return LABEL_APPLICATION;
	return is_system(module) ? LABEL_SYSTEM : LABEL_LIBRARY;
}
