/* How the arguments of USDT probes are read: told to BPF by a number that their cookies carry. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collect/collector_impl.h"

#define SPECS_STEP 16

int collector_usdt_spec(struct collector *c, const struct mt_usdt_spec *spec, uint32_t *ret)
{
	uint32_t number = c->usdt_spec_count;
	struct mt_usdt_spec *more;

	for (uint32_t i = 0; i < number; i++)
		if (!memcmp(&c->usdt_spec[i], spec, sizeof(*spec))) {
			*ret = i;
			return 0;
		}
	if (number == MT_USDT_SPECS)
		return -ENOSPC;
	if (number % SPECS_STEP == 0) {
		more = realloc(c->usdt_spec, (number + SPECS_STEP) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->usdt_spec = more;
	}
	if (bpf_map__update_elem(c->skel->maps.usdt_specs, &number, sizeof(number), spec,
				 sizeof(*spec), BPF_ANY))
		return -errno;
	c->usdt_spec[number] = *spec;
	c->usdt_spec_count++;
	*ret = number;
	return 0;
}
