/*
 * Bytes to events. The kernel side is ours, but a version may differ and a record may be cut: each
 * size is checked before a field is read, and numbers that later index something are bounded here.
 */
#include "decode/decode.h"

#include <errno.h>
#include <string.h>

#define HEAD_OF(type, member) offsetof(type, member)

/* The record's own size, or 0 for an unknown kind: least what it must have, most what we keep. */
static size_t least_size(unsigned int kind, size_t *ret_most)
{
	switch (kind) {
	case MT_KIND_site:
		*ret_most = sizeof(struct mt_ev_site);
		return HEAD_OF(struct mt_ev_site, pc);
	case MT_KIND_sys:
		*ret_most = sizeof(struct mt_ev_sys);
		return HEAD_OF(struct mt_ev_sys, extra);
	case MT_KIND_region:
		*ret_most = sizeof(struct mt_ev_region);
		return sizeof(struct mt_ev_region);
	case MT_KIND_fork:
	case MT_KIND_thread:
	case MT_KIND_exec:
	case MT_KIND_exit:
	case MT_KIND_thread_exit:
		*ret_most = sizeof(struct mt_ev_task);
		return sizeof(struct mt_ev_task);
	case MT_KIND_fault:
		*ret_most = sizeof(struct mt_ev_fault);
		return sizeof(struct mt_ev_fault);
	case MT_KIND_code: *ret_most = sizeof(struct mt_ev_code); return sizeof(struct mt_ev_code);
	case MT_KIND_alloc:
	case MT_KIND_free:
		*ret_most = sizeof(struct mt_ev_alloc);
		return sizeof(struct mt_ev_alloc);
	}
	return 0;
}

static bool site_is_sane(const struct mt_ev_site *s, size_t len)
{
	return s->frames <= MT_MAX_FRAMES &&
	       len >= HEAD_OF(struct mt_ev_site, pc) + s->frames * sizeof(s->pc[0]) &&
	       s->site_kind >= MT_SITE_HEAP && s->site_kind <= MT_SITE_FAULT &&
	       s->end < MT_END_MAX && s->site != MT_SITE_NONE;
}

static bool sys_is_sane(const struct mt_ev_sys *s, size_t len)
{
	return s->op < MT_SYS_MAX && s->extra_len <= MT_EXTRA_BYTES &&
	       len >= HEAD_OF(struct mt_ev_sys, extra) + s->extra_len;
}

/* A weight that the programs do not give would be believed for a million pages. */
static bool fault_is_sane(const struct mt_ev_fault *f)
{
	return f->weight_log2 <= MT_FAULT_SKIP_MAX;
}

int decode_event(const void *bytes, size_t len, struct event *ret)
{
	struct event ev = { 0 };
	struct mt_hdr hdr;
	size_t least, most = 0;

	if (len < sizeof(hdr))
		return -EBADMSG;
	memcpy(&hdr, bytes, sizeof(hdr));
	if (hdr.size < sizeof(hdr) || hdr.size > len)
		return -EBADMSG;
	least = least_size(hdr.kind, &most);
	if (!least)
		return -ENOTSUP;
	if (hdr.size < least)
		return -EBADMSG;
	ev.kind = hdr.kind;
	memcpy(&ev.hdr, bytes, hdr.size < most ? hdr.size : most);
	if (ev.kind == MT_KIND_site && !site_is_sane(&ev.site, hdr.size))
		return -EBADMSG;
	if (ev.kind == MT_KIND_sys && !sys_is_sane(&ev.sys, hdr.size))
		return -EBADMSG;
	if (ev.kind == MT_KIND_fault && !fault_is_sane(&ev.fault))
		return -EBADMSG;
	*ret = ev;
	return 0;
}
