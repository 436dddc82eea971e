/* A ring of slots by time; those that passed since the last call are emptied on the way. */
#include "govern/spend.h"

#include <string.h>

static uint64_t slot_of(uint64_t ns)
{
	return ns / SPEND_SLOT_NS;
}

void spend_init(struct spend *s, uint64_t now_ns)
{
	memset(s, 0, sizeof(*s));
	s->begun_ns = s->last_ns = now_ns;
}

void spend_add(struct spend *s, uint64_t now_ns, double trap_s, double record_s, double cpu_s)
{
	uint64_t now, last = slot_of(s->last_ns);
	double part;

	if (now_ns < s->last_ns)
		now_ns = s->last_ns;
	now = slot_of(now_ns);
	if (now - last >= SPEND_SLOTS) { /* a long silence: only its end is kept */
		memset(s->slot, 0, sizeof(s->slot));
		part = (double)(SPEND_SLOTS - 1) / (now - last);
		trap_s *= part;
		record_s *= part;
		cpu_s *= part;
		last = now - (SPEND_SLOTS - 1);
	}
	for (uint64_t i = last + 1; i <= now; i++)
		s->slot[i % SPEND_SLOTS] = (struct spend_slot){ 0 };
	part = 1.0 / (now > last ? now - last : 1);
	for (uint64_t i = now > last ? last + 1 : now; i <= now; i++) {
		struct spend_slot *t = &s->slot[i % SPEND_SLOTS];

		t->trap_s += trap_s * part;
		t->record_s += record_s * part;
		t->cpu_s += cpu_s * part;
	}
	s->last_ns = now_ns;
}

void spend_get(const struct spend *s, double seconds, struct spend_sum *ret)
{
	uint64_t now = slot_of(s->last_ns), want;

	if (seconds > SPEND_MAX_S)
		seconds = SPEND_MAX_S;
	want = (uint64_t)(seconds * 1e9 / SPEND_SLOT_NS + 0.5);
	if (want < 1)
		want = 1;
	*ret = (struct spend_sum){ .seconds = (s->last_ns - s->begun_ns) / 1e9 };
	if (ret->seconds > seconds)
		ret->seconds = seconds;
	for (uint64_t i = 0; i < want && i <= now; i++) {
		const struct spend_slot *t = &s->slot[(now - i) % SPEND_SLOTS];

		ret->trap_s += t->trap_s;
		ret->record_s += t->record_s;
		ret->cpu_s += t->cpu_s;
	}
}
