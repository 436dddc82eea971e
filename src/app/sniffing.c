/* See sniffing.h. */
#include "app/sniffing.h"

#include <string.h>

#include "app/tracee.h"
#include "base/clock.h"
#include "base/log.h"

#define FIRST_NS 10000000000ull /* connections that speak now and then do within it */
#define WINDOW_NS 2000000000ull
#define EVERY_NS 30000000000ull /* from one window to the next: 1/15 of the time */

static void on_said(void *ctx, const struct collector_said *said)
{
	const struct sniffing *s = ctx;
	struct protocol_verdict known;

	if (model_add_talk(s->run->model, said->tgid, said->inode, &said->verdict,
			   clock_monotonic_ns(), &known) == 0 &&
	    protocol_is_settled(&known))
		collector_set_talk_done(s->run->collector, said->asid, said->inode);
}

void sniffing_start(struct sniffing *s, const struct run *run)
{
	*s = (struct sniffing){ .run = run };
	collector_listen_sniffers(run->collector, on_said, s);
}

static void open_window(struct sniffing *s, uint64_t now_ns, uint64_t length_ns)
{
	int r = collector_set_sniffers(s->run->collector, true);

	s->next_ns = now_ns + EVERY_NS;
	if (r)
		log_debug("sockets: %s", strerror(-r));
	else
		s->until_ns = now_ns + length_ns;
}

void sniffing_add(struct sniffing *s, uint64_t now_ns)
{
	if (now_ns >= s->next_ns)
		open_window(s, now_ns, FIRST_NS);
}

void sniffing_look(struct sniffing *s, struct tracee *const *tracee, size_t count, uint64_t now_ns)
{
	size_t unknown = 0;

	if (s->until_ns && now_ns >= s->until_ns) {
		collector_set_sniffers(s->run->collector, false);
		s->until_ns = 0;
	}
	if (s->until_ns || now_ns < s->next_ns)
		return;
	for (size_t i = 0; i < count; i++)
		if (!tracee[i]->ended && tracee[i]->alive)
			unknown += model_unknown_sockets(s->run->model, tracee[i]->pid);
	if (!unknown)
		return;
	log_debug("sockets: %zu of which it is not known what is spoken", unknown);
	open_window(s, now_ns, WINDOW_NS);
}
