/*
 * Address spaces: their numbers, how they are sampled, what was counted of them. The tables are
 * shared with the BPF programs, which make and end address spaces themselves at fork, exec and
 * exit; whoever claims a slot first has it.
 */
#include <errno.h>

#include "collect/collector_impl.h"

#define ASID_MAX 0xffffu
#define TRIES (2 * MT_SPACES) /* slots in use that are passed over */

static struct mt_space *slot_of(const struct collector *c, uint32_t asid)
{
	return &c->spaces[asid & (MT_SPACES - 1)];
}

static bool is_there(const struct collector *c, uint32_t asid)
{
	return asid && __atomic_load_n(&slot_of(c, asid)->asid, __ATOMIC_ACQUIRE) == asid;
}

static bool claim(struct mt_space *s, uint32_t asid, uint32_t tgid)
{
	uint32_t nobody = 0;

	if (!__atomic_compare_exchange_n(&s->claimed, &nobody, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return false;
	s->tgid = tgid;
	s->gap_log2 = s->weight_log2 = s->common = s->has_inner = s->inside = s->out_ds = 0;
	s->shut = 0;
	__atomic_store_n(&s->asid, asid, __ATOMIC_RELEASE);
	return true;
}

uint32_t collector_new_asid(struct collector *c, uint32_t tgid)
{
	uint32_t *next = &c->skel->data->next_asid;

	for (uint32_t i = 0; i < TRIES; i++) {
		uint32_t asid = __atomic_fetch_add(next, 1, __ATOMIC_RELAXED);

		if (asid == 0 || asid > ASID_MAX) {
			__atomic_fetch_sub(next, 1, __ATOMIC_RELAXED);
			return 0;
		}
		if (claim(slot_of(c, asid), asid, tgid))
			return asid;
	}
	return 0;
}

void collector_note_inner(struct collector *c, uint32_t asid)
{
	if (is_there(c, asid))
		__atomic_store_n(&slot_of(c, asid)->has_inner, 1, __ATOMIC_RELAXED);
}

void collector_end_asid(struct collector *c, uint32_t asid)
{
	struct mt_space *s = slot_of(c, asid);
	uint32_t it = asid;

	if (asid && __atomic_compare_exchange_n(&s->asid, &it, 0, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
		__atomic_store_n(&s->claimed, 0, __ATOMIC_RELEASE);
}

int collector_set_sampling(struct collector *c, uint32_t asid, uint32_t gap_log2,
			   uint32_t weight_log2)
{
	if (gap_log2 && (gap_log2 < MT_GAP_LOG2_MIN || gap_log2 > MT_GAP_LOG2_MAX))
		return -EINVAL;
	if (!is_there(c, asid))
		return -ESRCH;
	__atomic_store_n(&slot_of(c, asid)->weight_log2, weight_log2, __ATOMIC_RELAXED);
	__atomic_store_n(&slot_of(c, asid)->gap_log2, gap_log2, __ATOMIC_RELAXED);
	return 0;
}

static uint64_t read_once(const __u64 *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

int collector_counts(const struct collector *c, uint32_t asid, struct collector_counts *ret)
{
	struct collector_counts sum = { 0 };
	bool known = is_there(c, asid);

	for (int cpu = 0; cpu < c->cpus; cpu++) {
		const struct mt_space_cpu *p =
			&c->space_cpu[(size_t)cpu * MT_SPACES + (asid & (MT_SPACES - 1))];

		if (__atomic_load_n(&p->asid, __ATOMIC_RELAXED) != asid)
			continue; /* of the one before it: this one was not seen there yet */
		known = true;
		sum.hits += read_once(&p->hits);
		sum.returns += read_once(&p->returns);
		sum.samples += read_once(&p->samples);
		sum.work_ns += read_once(&p->work_ns);
		sum.frees += read_once(&p->frees);
		sum.calls += read_once(&p->calls);
	}
	if (!known)
		return -ESRCH;
	*ret = sum;
	return 0;
}

bool collector_has_recorded(const struct collector *c, uint32_t asid)
{
	uint32_t now = __atomic_load_n(&slot_of(c, asid)->asid, __ATOMIC_RELAXED);
	struct collector_counts n = { .samples = 0 };

	if (now && now != asid)
		return true; /* another one counts there by now */
	return collector_counts(c, asid, &n) == 0 && n.samples;
}

uint64_t collector_all_hits(const struct collector *c)
{
	uint32_t used = __atomic_load_n(&c->skel->data->next_asid, __ATOMIC_RELAXED);
	uint64_t sum = 0;

	if (used > MT_SPACES)
		used = MT_SPACES;
	for (int cpu = 0; cpu < c->cpus; cpu++)
		for (uint32_t i = 0; i < used; i++) {
			const struct mt_space_cpu *p = &c->space_cpu[(size_t)cpu * MT_SPACES + i];

			sum += read_once(&p->hits) + read_once(&p->returns);
		}
	return sum;
}

void collector_note_out(struct collector *c, uint32_t tgid, uint64_t since_ns)
{
	uint64_t boot_ns = c->skel->rodata->cfg.boot_ns;
	uint64_t ds = since_ns > boot_ns ? (since_ns - boot_ns) / 100000000 : 0;

	for (uint32_t i = 0; i < MT_SPACES; i++)
		if (__atomic_load_n(&c->spaces[i].tgid, __ATOMIC_RELAXED) == tgid)
			__atomic_store_n(&c->spaces[i].out_ds,
					 since_ns == UINT64_MAX ? MT_OUT_NOW : (uint32_t)ds,
					 __ATOMIC_RELAXED);
}

void collector_note_shut(struct collector *c, uint32_t tgid, uint32_t shut)
{
	for (uint32_t i = 0; i < MT_SPACES; i++)
		if (__atomic_load_n(&c->spaces[i].tgid, __ATOMIC_RELAXED) == tgid)
			__atomic_store_n(&c->spaces[i].shut, shut, __ATOMIC_RELAXED);
}

void collector_set_common(struct collector *c, uint32_t tgid, bool common)
{
	for (uint32_t i = 0; i < MT_SPACES; i++)
		if (c->spaces[i].tgid == tgid)
			__atomic_store_n(&c->spaces[i].common, common, __ATOMIC_RELAXED);
}
