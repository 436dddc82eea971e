/*
 * The dictionary of unwind rules: an array that only grows, and a hash of its indices. Two rules
 * have fixed places: the zero rule and the one that stops.
 */
#include "unwind/dict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/table.h"

#define SLOTS (4u * MT_UNWIND_RULES)

struct unwind_dict {
	struct mt_unwind_rule rule[MT_UNWIND_RULES];
	uint16_t slot[SLOTS]; /* index + 1; 0: free */
	size_t count;
};

int unwind_dict_new(struct unwind_dict **ret)
{
	struct unwind_dict *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	unwind_dict_add(d, (struct mt_unwind_rule){}, MT_UNWIND_RULES);
	unwind_dict_add(d, (struct mt_unwind_rule){ .cfa = MT_CFA_UNSUPPORTED }, MT_UNWIND_RULES);
	*ret = d;
	return 0;
}

void unwind_dict_free(struct unwind_dict *d)
{
	free(d);
}

void unwind_dict_freep(struct unwind_dict **d)
{
	unwind_dict_free(*d);
	*d = NULL;
}

const struct mt_unwind_rule *unwind_dict_rules(const struct unwind_dict *d, size_t *ret_count)
{
	*ret_count = d->count;
	return d->rule;
}

int unwind_dict_add(struct unwind_dict *d, struct mt_unwind_rule rule, size_t max)
{
	uint64_t key;
	uint32_t at;

	memcpy(&key, &rule, sizeof(key));
	at = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 40) % SLOTS;
	for (; d->slot[at]; at = (at + 1) % SLOTS)
		if (memcmp(&d->rule[d->slot[at] - 1], &rule, sizeof(rule)) == 0)
			return d->slot[at] - 1;
	if (d->count >= max || d->count >= MT_UNWIND_RULES)
		return -ENOSPC;
	d->rule[d->count++] = rule;
	d->slot[at] = (uint16_t)d->count;
	return (int)d->count - 1;
}
