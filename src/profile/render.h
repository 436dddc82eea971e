/*
 * A settled profile as a document. Every function writes to f and returns 0, -ENOMEM, -ENOSPC (more
 * call paths than a picture can hold) or why f refused (-EPIPE, -ENOSPC, -EIO, ...).
 */
#pragma once
#include <stdio.h>

#include "profile/profile.h"

/* Folded stacks: "outermost;...;innermost VALUE", one line per stack, sorted; see label_folded().
 */
int render_folded(FILE *f, const struct profile *p, enum profile_value value);

/* One self-contained picture of live and of growing bytes. */
int render_svg(FILE *f, const struct profile *p);

/* pprof: profile.proto, compressed with gzip. */
int render_pprof(FILE *f, const struct profile *p);

/* What the figures do not show, one sentence for each thing, each ended by a newline; b is text. */
struct strbuf;
int render_notes(struct strbuf *b, const struct profile *p);
