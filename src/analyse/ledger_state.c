/*
 * The ledger's memory. The rings are indexed by tick number modulo their length; slopes do not
 * depend on the order of points, so a ring is never unrolled.
 */
#include "analyse/ledger_state.h"

#include <math.h>

#include "base/order.h"

#define PAIRS_MAX (LEDGER_TICKS * (LEDGER_TICKS - 1) / 2)

void ledger_state_init(struct ledger_state *st)
{
	*st = (struct ledger_state){ .before_bytes = FACT_UNKNOWN,
				     .slack_then_bytes = FACT_UNKNOWN,
				     .walked_s = NAN,
				     .buffers_walked_bytes = FACT_UNKNOWN,
				     .buffers_then_bytes = FACT_UNKNOWN,
				     .alloc_per_s = NAN,
				     .free_per_s = NAN };
}

/* NAN when the total went back: sites were dropped, so the difference says nothing. */
static double rate(uint64_t before, uint64_t now, double seconds)
{
	return now >= before ? (double)(now - before) / seconds : NAN;
}

void ledger_state_add(struct ledger_state *st, double t_s, const struct class_row rows[CLASS_MAX],
		      uint64_t allocs, uint64_t frees)
{
	size_t at = st->ticks % LEDGER_TICKS;
	int c;

	if (!isfinite(t_s) || (st->started && t_s <= st->last_s))
		return;
	if (st->started) {
		st->alloc_per_s = rate(st->last_allocs, allocs, t_s - st->last_s);
		st->free_per_s = rate(st->last_frees, frees, t_s - st->last_s);
	}
	st->started = true;
	st->last_s = t_s;
	st->last_allocs = allocs;
	st->last_frees = frees;
	st->t_s[at] = t_s;
	for (c = 0; c < CLASS_MAX; c++)
		st->bytes[c][at] = rows[c].bytes == FACT_UNKNOWN ? NAN : (double)rows[c].bytes;
	st->ticks++;
}

double ledger_state_slope(const struct ledger_state *st, enum resource_class class)
{
	size_t kept = st->ticks < LEDGER_TICKS ? st->ticks : LEDGER_TICKS;
	double t[LEDGER_TICKS], v[LEDGER_TICKS], slopes[PAIRS_MAX];
	size_t known = 0, pairs = 0, i, j;

	for (i = 0; i < kept; i++) {
		if (isnan(st->bytes[class][i]))
			continue;
		t[known] = st->t_s[i];
		v[known++] = st->bytes[class][i];
	}
	if (known < LEDGER_SLOPE_TICKS)
		return NAN;
	for (i = 0; i < known; i++) {
		for (j = 0; j < i; j++)
			slopes[pairs++] = (v[i] - v[j]) / (t[i] - t[j]);
	}
	return order_select(slopes, pairs, (pairs - 1) / 2);
}
