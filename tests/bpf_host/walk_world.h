/*
 * The programs that walk stacks, on the host, and a process whose code has no unwind table: it is
 * walked by frame pointers. Included once per test.
 */
#pragma once
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "../../bpf/core.bpf.c"
#include "../../bpf/memo.bpf.c"
#include "../../bpf/stack.bpf.c"
#include "../../bpf/scan.bpf.c"
#include "../../bpf/table.bpf.c"
#include "../../bpf/unwind.bpf.c"
#include "fake.h"

#include <cmocka.h>

#define PID 100
#define CODE 0x400000ull
#define SP 0x7ffc00001000ull

/* Forgets what was before. Frames go above SP; runtime libraries lie from CODE + 0x10000 on. */
static void begin(void)
{
	struct mt_plumbing pl = { .asid = 1, .range = { { CODE + 0x10000, CODE + 0x20000 } } };
	struct mt_file_key key = { .inode = 7, .dev = 8 << 20 | 1 };
	struct mt_proc p = { .asid = 1 };
	struct mt_unwind_file no_table = { .size = 1 << 20 };
	uint32_t pid = PID;
	struct mt_config *c = (struct mt_config *)&cfg;

	fake_reset();
	fake_map_of(&scratch)->max = 4;
	fake_map_of(&site_index)->max = 100;
	fake_map(CODE, CODE + 0x100000, 5, key.inode, 0);
	bpf_map_update_elem(&files, &key, &no_table, BPF_ANY);
	fake.pid_tgid = (uint64_t)PID << 32 | PID;
	fake.stack_start = SP - 0x1000;
	c->site_capacity = 100;
	c->max_frames = MT_MAX_FRAMES;
	next_site = 1;
	bpf_map_update_elem(&procs, &pid, &p, BPF_ANY);
	bpf_map_update_elem(&plumbing, &pid, &pl, BPF_ANY);
}
