/*
 * The weight of a window's blocks is one over the share of time that probes were in lately, a power
 * of two drawn so that its mean is right. Lengths follow the mean of late, not the last
 * window: a length that followed the load would see more of the quiet times than of the busy ones.
 */
#include "govern/windows.h"

#include <math.h>

#define FADE 0.8   /* of the peak, per window */
#define LATELY 4.0 /* windows that a mean forgets after */
#define JITTER 0.3 /* of a horizon, at most, between a horizon's end and the next window */
#define MEAN_PERIOD (1 + JITTER / 2)
#define MOST_OPEN 0.8	 /* of a horizon */
#define LEAST_IN_S 0.002 /* rates over less say nothing */
#define MEANT 0.95	 /* of what is allowed: lengths are estimates */
#define FRINGE_S 0.01	 /* that probes take to go in and out, until it is known */
#define LATE_S 0.1	 /* they did not go in: enough */
#define AFFORD_S 0.02	 /* between two looks at whether a window fits again */
#define WEIGHT_LOG2_MAX 16

/* xorshift64* (Vigna, 2016); in [0, 1). */
static double draw(struct windows *w)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (double)(w->random * 0x2545f4914f6cdd1dull >> 11) / (double)(1ull << 53);
}

static uint64_t ns_of(double seconds)
{
	return (uint64_t)(seconds * 1e9);
}

void windows_init(struct windows *w, const struct governor_cfg *cfg)
{
	*w = (struct windows){ .cfg = cfg, .horizon_s = 1 };
	w->random = cfg->seed ? cfg->seed : 1;
}

void windows_enter(struct windows *w, const struct spend_sum *rates, uint64_t now_ns)
{
	w->open = false;
	w->in_s = w->trap_s = w->record_s = w->fringe_s = 0;
	if (rates && rates->seconds > 0) {
		w->trap_rate = rates->trap_s / rates->seconds;
		w->record_rate = rates->record_s / rates->seconds;
		w->peak_rate = w->trap_rate + w->record_rate;
	} else { /* not known: the first window tells */
		w->trap_rate = w->record_rate = w->peak_rate = 0;
	}
	w->fringe_mean_s = w->peak_rate * FRINGE_S;
	w->horizon_s = 1;
	w->share = 0;
	w->kept = 1;
	w->count = 0;
	w->due_ns = now_ns + ns_of(draw(w) * JITTER);
}

void windows_leave(struct windows *w)
{
	w->open = false;
	w->weight_log2 = 0;
	w->horizon_s = 1;
}

void windows_note(struct windows *w, double in_s, double trap_s, double record_s)
{
	if (!(w->open && in_s > 0)) {
		w->fringe_s += trap_s + record_s;
		return;
	}
	w->in_s += in_s;
	w->trap_s += trap_s;
	w->record_s += record_s;
}

static double arm_s(const struct windows *w)
{
	return w->cfg->costs.arm_ns > 0 ? w->cfg->costs.arm_ns / 1e9 : 0;
}

/* How long and how often, for what probes cost while they are in. */
static bool choose_length(struct windows *w, double allowed)
{
	const struct governor_rules *r = &w->cfg->rules;
	double extra = arm_s(w) + w->fringe_mean_s,
	       rate = fmax(w->trap_rate + w->record_rate, 1e-9), horizon = 1;

	allowed *= MEANT;
	if ((allowed - extra) / rate < r->useful_s)
		horizon = fmin((r->useful_s * rate + extra) / fmax(allowed, 1e-9), r->pause_max_s);
	w->horizon_s = fmax(horizon, 1);
	w->length_s = fmin(fmin((allowed * w->horizon_s - extra) / rate, r->window_max_s),
			   MOST_OPEN * w->horizon_s);
	return w->length_s >= r->shortest_s;
}

static void choose_weight(struct windows *w)
{
	double share, k, low;

	w->planned = w->length_s / (w->horizon_s * MEAN_PERIOD);
	share = fmin(fmax(w->planned * w->kept, 1e-6), 1);
	k = fmin(floor(log2(1 / share)), WEIGHT_LOG2_MAX);
	low = exp2(k);
	w->weight_log2 = (uint32_t)k + (draw(w) < (1 / share - low) / low);
}

/* A cycle ends where the next window begins. */
static void end_cycle(struct windows *w, uint64_t now_ns)
{
	double period = (now_ns - w->opened_ns) / 1e9, share;

	if (!w->count || period <= 0)
		return;
	share = fmin(w->in_s / period, 1);
	w->share = w->count > 1 ? w->share + (share - w->share) / LATELY : share;
	w->fringe_mean_s += (w->fringe_s - w->fringe_mean_s) / LATELY;
	w->kept += (fmax(share / w->planned, 0.1) - w->kept) / LATELY;
}

static void learn_rates(struct windows *w)
{
	double trap, record,
		part = w->count < LATELY ? 1.0 / (w->count ? w->count : 1) : 1 / LATELY;

	if (w->in_s < LEAST_IN_S)
		return;
	trap = w->trap_s / w->in_s;
	record = w->record_s / w->in_s;
	w->trap_rate += (trap - w->trap_rate) * part;
	w->record_rate += (record - w->record_rate) * part;
	w->peak_rate = fmax(trap + record, w->peak_rate * FADE);
	w->last_rate[w->count % WINDOWS_LAST] = trap + record;
}

double windows_last_rate(const struct windows *w)
{
	double most = 0;

	if (w->count < WINDOWS_LAST || w->open)
		return INFINITY;
	for (int i = 0; i < WINDOWS_LAST; i++)
		most = fmax(most, w->last_rate[i]);
	return most;
}

static void open_window(struct windows *w, uint64_t now_ns)
{
	end_cycle(w, now_ns);
	choose_weight(w);
	w->in_s = w->trap_s = w->record_s = w->fringe_s = 0;
	w->open = true;
	w->opened_ns = now_ns;
	w->count++;
	w->due_ns = now_ns + ns_of(w->horizon_s * (1 + draw(w) * JITTER));
}

static double spent(const struct windows *w, const struct spend *spend)
{
	struct spend_sum sum;

	spend_get(spend, w->horizon_s, &sum);
	return sum.trap_s + sum.record_s;
}

/* Whether an open window has to end now. */
static bool is_used_up(const struct windows *w, const struct spend *spend, double allowed,
		       uint64_t now_ns)
{
	double cost = w->trap_s + w->record_s;
	double rate = w->in_s >= LEAST_IN_S ? cost / w->in_s : w->peak_rate;

	return w->in_s + w->cfg->rules.look_open_s / 2 >= w->length_s ||
	       (now_ns - w->opened_ns) / 1e9 >= w->length_s + LATE_S ||
	       spent(w, spend) + rate * w->cfg->rules.look_open_s + w->fringe_mean_s >
		       allowed * w->horizon_s;
}

bool windows_look(struct windows *w, const struct spend *spend, double allowed, uint64_t now_ns,
		  uint64_t *ret_look_ns)
{
	const struct governor_rules *r = &w->cfg->rules;
	double cost;
	bool fits;

	if (w->open) {
		if (is_used_up(w, spend, allowed, now_ns)) {
			w->open = false;
			learn_rates(w);
		}
		*ret_look_ns = now_ns + ns_of(w->open ? r->look_open_s : r->look_s);
		return true;
	}
	fits = choose_length(w, allowed);
	*ret_look_ns = now_ns + ns_of(r->look_s);
	if (now_ns < w->due_ns) {
		*ret_look_ns = w->due_ns < *ret_look_ns ? w->due_ns : *ret_look_ns;
		return true;
	}
	if (!fits)
		return false;
	cost = arm_s(w) + w->fringe_mean_s + w->length_s * (w->trap_rate + w->record_rate);
	if (spent(w, spend) + cost > allowed * w->horizon_s) {
		*ret_look_ns = now_ns + ns_of(AFFORD_S);
		return true;
	}
	open_window(w, now_ns);
	*ret_look_ns = now_ns + ns_of(r->look_open_s);
	return true;
}
