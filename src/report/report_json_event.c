/*
 * The event record: one system call, allocation or task event as the kernel saw it. Arguments are
 * the target's own numbers: they are printed, never believed.
 */
#include "report/report_json.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "decode/event.h"
#include "report/names.h"

/* Addresses go as "0x..." strings. */
static int put_address(json_t *o, const char *key, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
	return json_put_string(o, key, text);
}

static int put_mapping_call(json_t *o, const struct mt_ev_sys *e)
{
	bool entry = e->flags & MT_SYSF_ENTRY;
	int r = 0;

	switch (e->op) {
	case MT_SYS_MMAP: r = json_put_u64_if_known(o, "bytes", e->arg[1]); break;
	case MT_SYS_MUNMAP:
		r = put_address(o, "address", e->arg[0]);
		return r | json_put_u64_if_known(o, "bytes", e->arg[1]);
	case MT_SYS_MREMAP:
		r = put_address(o, "old_address", e->arg[0]);
		r |= json_put_u64_if_known(o, "old_bytes", e->arg[1]);
		r |= json_put_u64_if_known(o, "bytes", e->arg[2]);
		break;
	case MT_SYS_BRK: break;
	default: return 0;
	}
	/* The result is an address; failures are the last 4095 values. */
	if (!entry && !(e->ret < 0 && e->ret >= -4095))
		r |= put_address(o, "address", (uint64_t)e->ret);
	return r;
}

static int put_descriptor_call(json_t *o, const struct mt_ev_sys *e)
{
	int r = 0;

	switch (e->op) {
	case MT_SYS_CLOSE:
	case MT_SYS_CONNECT:
	case MT_SYS_RECVMSG: return json_put(o, "fd", json_integer((int32_t)e->arg[0]));
	case MT_SYS_CLOSE_RANGE:
		r = json_put(o, "fd", json_integer((uint32_t)e->arg[0]));
		return r | json_put(o, "last_fd", json_integer((uint32_t)e->arg[1]));
	case MT_SYS_DUP:
	case MT_SYS_FCNTL: r = json_put(o, "old_fd", json_integer((int32_t)e->arg[0])); break;
	case MT_SYS_OPEN:
	case MT_SYS_SOCKET:
	case MT_SYS_ACCEPT: break;
	default: return 0;
	}
	if (!(e->flags & MT_SYSF_ENTRY) && e->ret >= 0)
		r |= json_put(o, "fd", json_integer(e->ret));
	return r;
}

static int put_system_call(json_t *o, const struct mt_ev_sys *e)
{
	const char *op = names_sysop(e->op);
	bool entry = e->flags & MT_SYSF_ENTRY;
	int r;

	r = json_put_string(o, "op", op ? op : "unknown");
	r |= json_put_u64_if_known(o, "tid", e->tid);
	r |= json_put(o, "phase", json_string(entry ? "before" : "after"));
	r |= json_put(o, "in_allocator", json_boolean(e->flags & MT_SYSF_IN_ALLOCATOR));
	if (!entry && e->ret < 0 && e->ret >= -4095)
		r |= json_put_string(o, "error", strerrorname_np((int)-e->ret));
	return r | put_mapping_call(o, e) | put_descriptor_call(o, e);
}

static int put_allocation(json_t *o, const struct mt_ev_alloc *e)
{
	bool frees = e->fn == MT_FN_FREE || e->hdr.kind == MT_KIND_free;
	const char *op = frees ? "free" : e->fn == MT_FN_REALLOC ? "realloc" : "alloc";
	int r;

	r = json_put_string(o, "op", op);
	r |= json_put_u64_if_known(o, "tid", e->tid);
	r |= put_address(o, "address", e->addr);
	if (!frees)
		r |= json_put_u64_if_known(o, "bytes", e->size);
	if (e->old_addr)
		r |= put_address(o, "old_address", e->old_addr);
	return r;
}

static int put_task(json_t *o, const struct mt_ev_task *e)
{
	const char *op = names_event_kind(e->hdr.kind);
	int r;

	r = json_put_string(o, "op", op ? op : "unknown");
	r |= json_put_u64_if_known(o, "tid", e->tid);
	if (e->child_tgid)
		r |= json_put_u64_if_known(o, "child_pid", e->child_tgid);
	if (e->child_tid)
		r |= json_put_u64_if_known(o, "child_tid", e->child_tid);
	return r;
}

int report_json_event(const struct event_info *info, json_t **ret)
{
	const struct event *e = info->event;
	json_auto_t *o = json_object();
	int r;

	switch (e->kind) {
	case MT_KIND_sys: r = put_system_call(o, &e->sys); break;
	case MT_KIND_alloc:
	case MT_KIND_free: r = put_allocation(o, &e->alloc); break;
	case MT_KIND_site:
		r = json_put_string(o, "op", "site");
		r |= json_put_string(o, "kind", names_site_kind(e->site.site_kind));
		break;
	case MT_KIND_region:
		r = json_put_string(o, "op", "region");
		r |= put_address(o, "address", e->region.addr);
		break;
	default: r = put_task(o, &e->task); break;
	}
	if (info->site_id)
		r |= json_put_hex64(o, "site_id", info->site_id);
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
