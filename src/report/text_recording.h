/* A recording for people: what a live run says at its end, from what was recorded. */
#pragma once
#include "base/str.h"

struct recording;

/* Adds whole lines; every text in the recording is foreign and cleaned here. 0 or -ENOMEM. */
int text_recording(struct strbuf *b, const struct recording *rec);
