/* See sniffing.h. */
#include "app/sniffing.h"

#include <math.h>
#include <string.h>

#include "app/tracee.h"
#include "base/clock.h"
#include "base/log.h"

#define FIRST_NS 10000000000ull /* connections that speak now and then do within it */
#define WINDOW_NS 2000000000ull
#define WINDOW_LEAST_NS 500000000ull /* who is busy is heard within it */
#define CALL_NS 300.0		  /* added to each socket call of the machine; measured on 6.18 */
#define SYSCALL_NS 300.0	  /* to each system call, where socket calls are not told of */
#define COST_RATIO_MAX 0.005	  /* of the targets' CPU time, in the mean of FIRST_NS */
#define CPU_LEAST 0.1		  /* a target that idles is not held against it below that */
#define EVERY_NS 30000000000ull	  /* from one window to the next: 1/15 of the time at most ... */
#define SELDOM_NS 480000000000ull /* ... and longer and longer while no socket becomes known */
#define AGAIN_NS 1000000000ull	  /* from one look that found nothing unknown to the next */

static void on_said(void *ctx, const struct collector_said *said)
{
	struct sniffing *s = ctx;
	bool done;

	if (model_add_talk(s->run->model, said->tgid, said->inode, &said->verdict,
			   clock_monotonic_ns(), &done) ||
	    !done)
		return;
	s->heard = true;
	collector_set_talk_done(s->run->collector, said->asid, said->inode);
}

void sniffing_start(struct sniffing *s, const struct run *run)
{
	*s = (struct sniffing){ .run = run,
				.next_ns = run->opts->no_sniff ? UINT64_MAX : 0,
				.every_ns = EVERY_NS };
	collector_listen_sniffers(run->collector, on_said, s);
}

/* Whether what the process gives to TLS can be heard: at a function's entry, where probes may be.
 */
static bool can_hear_inside(const struct tracee *t)
{
	return t->tls.fd >= 0 && t->preflight.allocator_probes;
}

/* What is inside TLS. */
static void add_plain(struct sniffing *s, const struct tracee *t)
{
	int r;

	if (!can_hear_inside(t) || !collector_has_sniffers(s->run->collector))
		return;
	r = collector_add_plain(s->run->collector, t->pid, t->tls.fd, t->tls.offset, t->tls.count);
	if (r)
		log_debug("process %u: SSL_write: %s", t->pid, strerror(-r));
}

static uint64_t calls_of(const struct sniffing *s)
{
	uint64_t calls = 0;

	collector_counter(s->run->collector, MT_CNT_sniff_calls, &calls);
	return calls;
}

static void open_window(struct sniffing *s, uint64_t now_ns, uint64_t length_ns)
{
	s->error = collector_set_sniffers(s->run->collector, true);
	s->first = s->next_ns == 0;
	s->next_ns = now_ns + s->every_ns;
	s->heard = false;
	s->opened_ns = now_ns;
	s->calls = calls_of(s);
	if (s->error)
		log_debug("sockets: %s", strerror(-s->error));
	else
		s->until_ns = now_ns + length_ns;
}

void sniffing_add(struct sniffing *s, struct tracee *t, uint64_t now_ns)
{
	if (s->run->opts->no_sniff) {
		tracee_unmeasured(t, "connections",
				  "--no-sniff: what is said on sockets is not looked at, ports and "
				  "paths alone tell databases");
		return;
	}
	s->every_ns = EVERY_NS;
	if (s->next_ns == 0)
		open_window(s, now_ns, FIRST_NS);
	if (s->error)
		tracee_unmeasured(t, "connections", "what is said on sockets cannot be seen: %s",
				  strerror(-s->error));
	add_plain(s, t);
}

static bool has_unknown(const struct sniffing *s, const struct tracee *t)
{
	return !t->ended && t->alive &&
	       model_unknown_sockets(s->run->model, t->pid, can_hear_inside(t)) > 0;
}

/* Cut short while it taught something: more is to be heard, as soon as the mean allows. */
static void close_window(struct sniffing *s, uint64_t now_ns)
{
	collector_set_sniffers(s->run->collector, false);
	if (s->heard && now_ns < s->until_ns)
		s->next_ns = s->opened_ns + FIRST_NS;
	s->until_ns = 0;
	if (s->heard)
		s->every_ns = EVERY_NS;
	else if (s->every_ns < SELDOM_NS)
		s->every_ns *= 2;
}

/* It took what it may: all calls of the machine pay. */
static bool is_spent(const struct sniffing *s, struct tracee *const *tracee, size_t count,
		     uint64_t now_ns)
{
	bool lengths = s->run->features->has[FEATURE_sock_lengths];
	double cost;

	if (now_ns - s->opened_ns < WINDOW_LEAST_NS)
		return false;
	cost = (double)(calls_of(s) - s->calls) * (lengths ? CALL_NS : SYSCALL_NS);
	return cost > COST_RATIO_MAX * fmax(tracees_cpus(tracee, count), CPU_LEAST) * FIRST_NS;
}

/* Its time is over, or everything is known, or it costs too much. */
static bool is_over(const struct sniffing *s, struct tracee *const *tracee, size_t count,
		    uint64_t now_ns)
{
	if (now_ns >= s->until_ns || is_spent(s, tracee, count, now_ns))
		return true;
	if (s->first)
		return false;
	for (size_t i = 0; i < count; i++)
		if (has_unknown(s, tracee[i]))
			return false;
	return true;
}

void sniffing_look(struct sniffing *s, struct tracee *const *tracee, size_t count, uint64_t now_ns)
{
	if (s->until_ns && is_over(s, tracee, count, now_ns))
		close_window(s, now_ns);
	if (s->until_ns || now_ns < s->next_ns)
		return;
	for (size_t i = 0; i < count; i++) {
		if (!has_unknown(s, tracee[i]))
			continue;
		if (!s->until_ns)
			open_window(s, now_ns, WINDOW_NS);
		add_plain(s, tracee[i]);
	}
	if (now_ns >= s->next_ns)
		s->next_ns = now_ns + AGAIN_NS;
}
