/*
 * The weight of a window's blocks is one over the share of the target's work that is done in it, as
 * it was lately, a power of two; what one is too light the next is too heavy. Lengths follow the
 * mean of late, not the last window: a length that followed the load would see more of the quiet
 * times than of the busy ones; and they are short enough for the busy ones, or of a burst only its
 * beginning would be seen.
 */
#include "govern/windows.h"

#include <math.h>

#define MOSTLY_IN 0.9  /* of the time between two looks: what happened then is the window's */
#define FADE 0.95      /* of the peak, per window */
#define NEAR_PEAK 0.85 /* of it: what a window may meet is planned for */
#define LATELY 4.0     /* windows that a mean forgets after */
#define JITTER 0.3     /* of a horizon, at most, between a horizon's end and the next window */
#define MEAN_PERIOD (1 + JITTER / 2)
#define MOST_OPEN 0.8	 /* of a horizon */
#define LEAST_IN_S 0.002 /* rates over less say nothing */
#define BUSY_S 0.15	 /* one that is busy for less may have slept before */
#define MEANT 0.95	 /* of what is allowed: lengths are estimates */
#define FRINGE_S 0.01	 /* that probes take to go in and out, until it is known */
#define LATE_S 0.1	 /* they did not go in: enough */
#define AFFORD_S 0.02	 /* between two looks at whether a window fits again */
#define WEIGHT_LOG2_MAX 16
#define FORGET 0.95 /* of older windows' work, per window: some twenty count */
#define FEW_VARIANCE 0.3
#define GUESS_VARIANCE 0.4 /* of a guess, relative: it is right to a factor of two */
#define SAMPLE_S 0.000125  /* between samples of work in windows, about */
#define SCALE_LEAST 0.4	   /* less or more is not believed */
#define SCALE_MOST 2.5
#define WORK_FEW_S 0.001      /* work in windows; less is a handful of samples and says little */
#define WORK_LEAST (1 / 64.0) /* of what time alone would make of a weight's inverse */
#define GUESS_LEAST 0.3	      /* less is not to be believed: costs are estimates, too */
#define FEW_WINDOWS 2.5	      /* how much they differ is not known */
#define MOST_LONGER 2
#define FRINGE_MOST 8 /* times as much as in the window itself */

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
	*w = (struct windows){ .cfg = cfg, .horizon_s = 1, .work_guess = 1, .scale = 1 };
	w->random = cfg->seed ? cfg->seed : 1;
}

/*
 * Probes were in all the time before: what they left of the CPU time is the target's work. The more
 * it slept meanwhile, the less it was held up; or it waited for a CPU, so half of that is believed.
 */
static double work_guess(const struct spend_sum *rates)
{
	double cost, busy;

	if (!rates || !(rates->cpu_s > 0))
		return 1;
	cost = rates->trap_s + rates->record_s;
	busy = fmin(rates->cpu_s / fmax(rates->seconds, BUSY_S), 1);
	return fmin(fmax(1 - cost / rates->cpu_s * sqrt(busy), GUESS_LEAST), 1);
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
	w->work_in_s = w->work_all_s = w->records_in = w->records_all = 0;
	if (!(w->work.n > 0))
		w->work_guess = work_guess(rates);
	w->owed = 0;
	w->cost = (struct windows_cost){ 0 };
	w->scale = 1;
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

void windows_note(struct windows *w, const struct windows_seen *seen)
{
	double work = seen->work_s > 0 ? seen->work_s : 0;

	w->work_all_s += work;
	w->records_all += seen->records;
	if (!w->open && seen->calibrated_s <= 0) {
		w->cost.cpu_out_s += seen->cpu_s;
		w->cost.work_out_s += work;
	}
	if (!(w->open && seen->in_s > 0)) {
		w->fringe_s += seen->trap_s + seen->record_s;
		return;
	}
	w->in_s += seen->in_s;
	w->trap_s += seen->trap_s;
	w->record_s += seen->record_s;
	if (seen->in_s < MOSTLY_IN * seen->seconds)
		return;
	w->work_in_s += work;
	w->records_in += seen->records;
	w->cost.cpu_in_s += seen->cpu_s;
	w->cost.work_in_s += work;
	w->cost.calibrated_s += seen->calibrated_s;
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
	       rate = fmax(w->trap_rate + w->record_rate, w->peak_rate * NEAR_PEAK), horizon = 1;

	allowed *= MEANT;
	rate = fmax(rate, 1e-9);
	if ((allowed - extra) / rate < r->useful_s)
		horizon = fmin((r->useful_s * rate + extra) / fmax(allowed, 1e-9), r->pause_max_s);
	w->horizon_s = fmax(horizon, 1);
	w->length_s = fmin(fmin((allowed * w->horizon_s - extra) / rate, r->window_max_s),
			   MOST_OPEN * w->horizon_s);
	return w->length_s >= r->shortest_s;
}

/* Of one cycle's, relative; of few it is not known. */
static double work_variance(const struct windows_work *s)
{
	double mean, rest;

	if (s->seen <= 0)
		return INFINITY;
	if (s->n < FEW_WINDOWS)
		return FEW_VARIANCE;
	mean = s->seen / s->n;
	rest = 1 - s->n_squares / (s->n * s->n); /* Bessel's correction */
	return fmax(s->seen_squares / s->n / (mean * mean) - 1, 0) / rest;
}

/*
 * Work in windows over what the share of time makes expect: what was seen and what was guessed, by
 * their variances.
 */
static double work_ratio(const struct windows *w)
{
	const struct windows_work *s = &w->work;
	double guess = w->kept * w->work_guess, seen, apart, believed;

	if (s->expected < WORK_FEW_S)
		return guess;
	seen = s->seen / s->expected;
	apart = work_variance(s) * s->n_squares / (s->n * s->n);
	believed = GUESS_VARIANCE / (apart + GUESS_VARIANCE);
	/* it becomes a divisor: one over an uncertain number is too large on average */
	if (believed > 0)
		seen *= 1 + fmin(believed * apart, 1);
	seen = fmin(fmax(seen, w->kept * WORK_LEAST), 2 * w->kept);
	return guess + (seen - guess) * believed;
}

/* Between two powers of two, so that their sum is right in the long run. */
static void choose_weight(struct windows *w)
{
	double share, weight, low, k;

	w->planned = w->length_s / (w->horizon_s * MEAN_PERIOD);
	if (w->share >
	    0) /* of a program that slept of late they are closed before they are as long */
		w->planned = fmin(w->planned, MOST_LONGER * w->share);
	share = fmin(fmax(w->planned * work_ratio(w), 1e-6), 1);
	weight = fmin(1 / share, 1u << WEIGHT_LOG2_MAX);
	k = fmin(floor(log2(weight)), WEIGHT_LOG2_MAX - 1);
	low = exp2(k);
	if (w->count == 0)
		w->owed = draw(w) - 0.5;
	w->owed += weight / low - 1; /* in units of what one more doubling gives */
	w->weight_log2 = (uint32_t)k + (w->owed >= 0.5);
	w->owed -= w->owed >= 0.5;
	w->owed = fmin(fmax(w->owed, -1), 1);
}

/* What was recorded while probes came and went stands for work, too. */
static double work_in_cycle(const struct windows *w)
{
	double more = w->records_in > 0 ? w->records_all / w->records_in : 1;

	return w->work_in_s * fmin(more, FRINGE_MOST);
}

static void learn_work(struct windows *w)
{
	struct windows_work *s = &w->work;
	double seen = work_in_cycle(w);

	s->n = s->n * FORGET + 1;
	s->n_squares = s->n_squares * FORGET * FORGET + 1;
	s->seen = s->seen * FORGET + seen;
	s->seen_squares = s->seen_squares * FORGET + seen * seen;
	s->expected = s->expected * FORGET + w->planned * w->work_all_s;
}

/* By the samples of work in windows, and a bit above what they say: few say little. */
static void learn_cost(struct windows *w)
{
	struct windows_cost *c = &w->cost;
	double per_work, apart, scale;

	c->windows = c->windows * FORGET + 1;
	if (c->windows > FEW_WINDOWS && c->work_out_s > WORK_FEW_S && c->work_in_s > WORK_FEW_S &&
	    c->calibrated_s > WORK_FEW_S) {
		per_work = c->cpu_out_s / c->work_out_s;
		apart = per_work * sqrt(c->work_in_s * SAMPLE_S);
		scale = (c->cpu_in_s - per_work * c->work_in_s + apart) / c->calibrated_s;
		w->scale = fmin(fmax(scale, SCALE_LEAST), SCALE_MOST);
	}
	c->cpu_in_s *= FORGET;
	c->work_in_s *= FORGET;
	c->calibrated_s *= FORGET;
	c->cpu_out_s *= FORGET;
	c->work_out_s *= FORGET;
}

double windows_variance(const struct windows *w)
{
	return w->work.seen > WORK_FEW_S && w->count > 2 ? work_variance(&w->work) : NAN;
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
	learn_work(w);
	learn_cost(w);
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
	w->work_in_s = w->work_all_s = w->records_in = w->records_all = 0;
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
