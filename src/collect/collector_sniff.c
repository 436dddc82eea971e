/*
 * The sniffers attached and taken out, and their records turned into verdicts on the spot: no byte
 * of what was said on a socket leaves this file.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

#define KEPT_WINDOWS 10 /* what is done is not looked at for so many */
#define INSIDE_SURE 0.9 /* that a write carries what the thread gave to SSL_write() before it */

static const struct sniffed_row {
	uint32_t nr;
	uint8_t how;
} sniffed_rows[] = {
#define SNIFFED(name, how_, writes) \
	{ SYS_##name, MT_SNIFF_##how_ | ((writes) ? MT_SNIFF_WRITES : 0) },
#include "memtrace/sniffed.def"
#undef SNIFFED
};

void collector_choose_sniffed(struct memtrace_bpf *skel)
{
	for (size_t i = 0; i < sizeof(sniffed_rows) / sizeof(sniffed_rows[0]); i++)
		if (sniffed_rows[i].nr < MT_SYSCALLS)
			skel->rodata->sniffed[sniffed_rows[i].nr] = sniffed_rows[i].how;
}

/* What a message says by itself; PROTOCOL_NONE when it says nothing. */
static struct protocol_verdict judge(const struct mt_sniff *e)
{
	struct protocol_message m = { .bytes = e->bytes,
				      .have = e->have < MT_SNIFF_BYTES ? e->have : MT_SNIFF_BYTES,
				      .len = e->len,
				      .written = e->written };
	struct protocol_verdict v = { .kind = PROTOCOL_NONE };

	protocol_judge(&m, &v);
	return v;
}

static int on_sniff(void *ctx, void *bytes, size_t len)
{
	struct collector_sniff *s = ctx;
	const struct mt_sniff *e = bytes;
	uint32_t slot;

	if (len < sizeof(*e) || !s->fn)
		return 0;
	slot = e->tid % SNIFF_THREADS;
	if (e->plain == MT_PLAIN_TEXT) {
		s->plain[slot].tid = e->tid;
		s->plain[slot].verdict = judge(e);
		s->plain[slot].verdict.inside = true;
		s->plain[slot].verdict.confidence *= INSIDE_SURE;
		return 0;
	}
	struct collector_said said = {
		.tgid = e->tgid, .asid = e->asid, .inode = e->inode, .verdict = judge(e)
	};

	if (e->plain == MT_PLAIN_WRITTEN && s->plain[slot].tid == e->tid)
		protocol_join(&said.verdict, &s->plain[slot].verdict);
	s->fn(s->ctx, &said);
	return 0;
}

int collector_open_sniffers(struct collector *c)
{
	return ring_buffer__add(c->ring, bpf_map__fd(c->skel->maps.sniffs), on_sniff, &c->sniff);
}

void collector_listen_sniffers(struct collector *c, collector_said_fn fn, void *ctx)
{
	c->sniff.fn = fn;
	c->sniff.ctx = ctx;
}

bool collector_has_sniffers(const struct collector *c)
{
	return c->sniff.hook[0] != NULL;
}

/* Sockets are looked at anew, but for those that are done: nothing tells that they are closed. */
static void forget_talks(struct collector *c, uint32_t window)
{
	struct bpf_map *talks = c->skel->maps.talks;
	auto_free uint64_t *key = calloc(MT_TALKS_MAX, sizeof(*key));
	size_t n = 0;

	while (key && n < MT_TALKS_MAX &&
	       bpf_map__get_next_key(talks, n ? &key[n - 1] : NULL, &key[n], sizeof(*key)) == 0)
		n++;
	for (size_t i = 0; key && i < n; i++) {
		struct mt_talk t;

		if (bpf_map__lookup_elem(talks, &key[i], sizeof(*key), &t, sizeof(t), 0) == 0 &&
		    (!t.done || window - t.window > KEPT_WINDOWS))
			bpf_map__delete_elem(talks, &key[i], sizeof(*key), 0);
	}
}

/* Threads that gave something to SSL_write() and had not written it when the last window ended. */
static void forget_plain(struct collector *c)
{
	struct bpf_map *plain = c->skel->maps.plain;
	uint32_t tid;

	for (size_t i = 0;
	     i < MT_PLAIN_MAX && !bpf_map__get_next_key(plain, NULL, &tid, sizeof(tid)); i++)
		bpf_map__delete_elem(plain, &tid, sizeof(tid), 0);
	memset(c->sniff.plain, 0, sizeof(c->sniff.plain));
}

int collector_add_plain(struct collector *c, uint32_t tgid, int file,
			const uint64_t offset[COLLECTOR_PLAIN_POINTS], size_t count)
{
	struct keeper_point point[COLLECTOR_PLAIN_POINTS] = {};
	struct keeper_probes p = { .point = point,
				   .count = count,
				   .tgid = tgid,
				   .file = file,
				   .program = bpf_program__fd(c->skel->progs.mt_sniff_plain),
				   .multi = c->multi,
				   .apart = true };
	int r;

	if (!collector_has_sniffers(c) || c->sniff.probe_count == SNIFF_PROBES)
		return -ENOSPC;
	if (p.program < 0)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < count; i++)
		point[i].file_offset = offset[i];
	r = keeper_attach(c->keeper, &p, &c->sniff.probe[c->sniff.probe_count]);
	if (r)
		return r;
	c->sniff.probe_count++;
	__atomic_store_n(&c->skel->bss->sniff_plain, 1, __ATOMIC_RELAXED);
	return 0;
}

int collector_set_sniffers(struct collector *c, bool on)
{
	if (on == collector_has_sniffers(c))
		return 0;
	if (!on) {
		while (c->sniff.probe_count)
			keeper_detach(c->keeper, c->sniff.probe[--c->sniff.probe_count]);
		links_destroy(c->sniff.hook);
		c->skel->bss->sniff_plain = 0;
		return 0;
	}
	forget_talks(c, ++c->skel->bss->sniff_window);
	forget_plain(c);
	if (c->sniff.lengths)
		return links_attach(c->sniff.hook, c->skel->progs.mt_sniff_sent,
				    c->skel->progs.mt_sniff_got);
	return links_attach(c->sniff.hook, c->skel->progs.mt_sniff_exit, NULL);
}

int collector_set_talk_done(struct collector *c, uint32_t asid, uint64_t inode)
{
	uint64_t key = mt_talk_key(inode, asid);
	struct mt_talk t = { .window = c->skel->bss->sniff_window, .done = 1 };

	return bpf_map__update_elem(c->skel->maps.talks, &key, sizeof(key), &t, sizeof(t), BPF_ANY)
		       ? -errno
		       : 0;
}
