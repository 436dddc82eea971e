/* How sources of corpus_sites.h bring things to life and end them. */
#pragma once
#include "corpus_sites.h"

/* Plays the engine's next second of one source. -ENOMEM. */
int source_play(struct corpus_process *p, struct source *s);
