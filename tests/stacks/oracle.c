/* SPDX-License-Identifier: GPL-2.0-only */
#include "oracle.h"

#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANGES 4096

struct range {
	__u64 start, end;
};

struct oracle {
	Dwfl *dwfl;
	int pid;
	struct range code[MAX_RANGES];
	int ranges;
	/* of the record that is being unwound */
	const struct sv_record *record;
	struct oracle_stack *out;
};

static int no_debuginfo(Dwfl_Module *m, void **u, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **ret)
{
	(void)m, (void)u, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)ret;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = no_debuginfo,
};

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	struct oracle *o = arg;

	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = o;
	return o->pid;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl, (void)tid;
	*thread_arg = arg;
	return true;
}

/* Where a word lies in the copies, or NULL. */
static const __u8 *copied(const struct sv_record *r, __u64 addr)
{
	__u64 at = addr - r->stack_base, other = addr - r->other_base;

	if (addr >= r->stack_base && at + 8 <= r->stack_bytes)
		return r->stack + at;
	if (addr >= r->other_base && other + 8 <= r->other_bytes &&
	    !(r->other_missing >> other / SV_PAGE & 1))
		return r->other + other;
	return NULL;
}

/* One word of the copy; where the kernel planted its trampoline, what was there before. */
static bool memory_read(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *result, void *arg)
{
	struct oracle *o = arg;
	const struct sv_record *r = o->record;
	const __u8 *at = copied(r, addr);

	(void)dwfl;
	if (!at) {
		o->out->beyond_copy = true;
		return false;
	}
	memcpy(result, at, 8);
	for (unsigned int i = 0; r->trampoline && *result == r->trampoline && i < r->returns; i++)
		if (r->ret[i].at == addr)
			*result = r->ret[i].to;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	struct oracle *o = arg;
	Dwarf_Word regs[SV_REGS];

	for (int i = 0; i < SV_REGS; i++)
		regs[i] = o->record->regs[i];
	dwfl_thread_state_register_pc(thread, regs[SV_REGS - 1]);
	return dwfl_thread_state_registers(thread, 0, SV_REGS, regs);
}

static const Dwfl_Thread_Callbacks threads = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

static bool is_code(const struct oracle *o, __u64 pc)
{
	for (int i = 0; i < o->ranges; i++)
		if (pc >= o->code[i].start && pc < o->code[i].end)
			return true;
	return false;
}

/* libdwfl follows anything where it has no tables; a frame outside of code is none. */
static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct oracle *o = arg;
	struct oracle_stack *out = o->out;
	Dwarf_Addr pc;
	bool activation;

	if (!dwfl_frame_pc(frame, &pc, &activation) || out->frames == ORACLE_FRAMES ||
	    !is_code(o, pc))
		return DWARF_CB_ABORT;
	out->pc[out->frames++] = pc;
	return DWARF_CB_OK;
}

/* True when the ranges of executable memory are others than before. */
static bool read_code(struct oracle *o)
{
	struct range *now = calloc(MAX_RANGES, sizeof(*now));
	char path[64], line[512], flags[8];
	unsigned long long start, end;
	bool changed;
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", o->pid);
	f = fopen(path, "re");
	while (now && f && n < MAX_RANGES && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%llx %7s", &start, &end, flags) == 3 && flags[2] == 'x')
			now[n++] = (struct range){ start, end };
	if (f)
		fclose(f);
	changed = now && (n != o->ranges || memcmp(now, o->code, n * sizeof(*now)) != 0);
	if (changed)
		memcpy(o->code, now, n * sizeof(*now));
	o->ranges = now ? n : 0;
	free(now);
	return changed;
}

bool oracle_refresh(struct oracle *o)
{
	if (!read_code(o))
		return false;
	dwfl_report_begin(o->dwfl);
	dwfl_linux_proc_report(o->dwfl, o->pid);
	dwfl_report_end(o->dwfl, NULL, NULL);
	return true;
}

struct oracle *oracle_new(int pid)
{
	struct oracle *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->pid = pid;
	o->dwfl = dwfl_begin(&callbacks);
	if (!o->dwfl || !oracle_refresh(o) || !dwfl_attach_state(o->dwfl, NULL, pid, &threads, o)) {
		fprintf(stderr, "libdwfl: %s\n", dwfl_errmsg(-1));
		oracle_free(o);
		return NULL;
	}
	return o;
}

void oracle_free(struct oracle *o)
{
	if (!o)
		return;
	if (o->dwfl)
		dwfl_end(o->dwfl);
	free(o);
}

void oracle_unwind(struct oracle *o, const struct sv_record *r, struct oracle_stack *ret)
{
	ret->frames = 0;
	ret->beyond_copy = false;
	o->record = r;
	o->out = ret;
	ret->whole = dwfl_getthread_frames(o->dwfl, o->pid, take_frame, o) == 0;
}
