/* What was spent on tracing, and used by the target, in each moment of the last seconds. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SPEND_SLOTS 512
#define SPEND_SLOT_NS 12500000ull
#define SPEND_MAX_S 6.0 /* what can be asked for; the ring reaches a little further */

struct spend {
	uint64_t begun_ns, last_ns;
	struct spend_slot {
		float trap_s, record_s; /* CPU time that tracing cost */
		float cpu_s;		/* that the target used */
	} slot[SPEND_SLOTS];
};

struct spend_sum {
	double seconds; /* that are known: fewer than asked for at first */
	double trap_s, record_s, cpu_s;
};

void spend_init(struct spend *s, uint64_t now_ns);
/* Since the last call; spread evenly. A clock that stands or goes back takes no time. */
void spend_add(struct spend *s, uint64_t now_ns, double trap_s, double record_s, double cpu_s);
/* The last `seconds`, at least a slot, at most SPEND_MAX_S. */
void spend_get(const struct spend *s, double seconds, struct spend_sum *ret);
