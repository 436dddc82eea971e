/* From the model of a process to what is said of it: names, snapshot, ledger, findings. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct snap_counters;
struct tracee;

/* Asks for names of frames, for as long as a tick may take; final: until they are there. */
void judging_name(struct tracee *t, bool final);

/* All of it or nothing: after an error what was found before stands. */
int judging_analyse(struct tracee *t, uint64_t now_ns, const struct snap_counters *counters,
		    bool final);

/* Sets t->growing from what was found. */
void judging_look_for_growth(struct tracee *t);

/* Forgets what was found. */
void judging_clear(struct tracee *t);
