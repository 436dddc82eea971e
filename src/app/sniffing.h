/*
 * When it is listened to what sockets carry: at first for a while, and then for short windows while
 * there are sockets of which it is not known what is spoken, the more seldom the longer none became
 * known, and the shorter the more calls of the machine pay. In between nothing is in place.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;
struct tracee;

struct sniffing {
	const struct run *run;	   /* borrowed */
	uint64_t until_ns;	   /* the window that is open closes */
	uint64_t opened_ns, calls; /* of the last one, and what had been counted when it opened */
	uint64_t next_ns;	   /* the next one may open */
	uint64_t every_ns;	   /* from one to the next */
	bool heard;		   /* a socket became known in the last one */
	bool first;		   /* it is the one after attaching: connections are to come */
	int error; /* why the last one could not open, a negative errno; 0: it did */
};

/* run: borrowed, its collector and model are there. */
void sniffing_start(struct sniffing *s, const struct run *run);
/*
 * A process was attached: the first window opens; later ones are for sockets that are there. Notes
 * what cannot be heard of it as unmeasured.
 */
void sniffing_add(struct sniffing *s, struct tracee *t, uint64_t now_ns);
/* A few times a second. */
void sniffing_look(struct sniffing *s, struct tracee *const *tracee, size_t count, uint64_t now_ns);
