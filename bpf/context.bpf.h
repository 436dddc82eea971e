/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Which connection a thread serves, told by its system calls when they return: see struct mt_conn.
 * Reading a file does not change it, as who serves somebody reads files for him; reading a pipe or
 * an eventfd does, as who is woken by one serves somebody else from then on.
 */
#ifndef MEMTRACE_CONTEXT_BPF_H
#define MEMTRACE_CONTEXT_BPF_H

#include "core.bpf.h"
#include "compat.bpf.h"
#include "files.bpf.h"

#define FUTEX_COMMAND 127
#define FUTEX_WAIT_BITSET 9 /* glibc: conditions and semaphores; its locks use FUTEX_WAIT */
#define EINPROGRESS 115

static __always_inline __u64 *context_slot(__u32 tid)
{
	__u32 slot = tid & (MT_CONTEXTS - 1);

	return bpf_map_lookup_elem(&contexts, &slot);
}

static __always_inline int context_set(__u32 conn)
{
	__u32 tid = bpf_get_current_pid_tgid(), loops = 0;
	__u64 *at = context_slot(tid), was;

	if (!at)
		return 0;
	was = *(volatile __u64 *)at;
	if (was >> 32 == tid)
		loops = was & MT_CONTEXT_LOOPS;
	else if (mt_block_conn(was))
		count(MT_CNT_contexts_displaced);
	*(volatile __u64 *)at = (__u64)tid << 32 | conn << MT_SITE_BITS | loops;
	return 0;
}

/* Only threads that are traced have one. */
static __noinline int context_end(__u32 what)
{
	__u32 tid = bpf_get_current_pid_tgid(), loops;
	__u64 *at = context_slot(tid), was;

	if (!at)
		return 0;
	was = *(volatile __u64 *)at;
	if (was >> 32 != tid || !mt_block_conn(was))
		return 0;
	loops = what == MT_CONTEXT_LOOP ? MT_CONTEXT_LOOPS : was & MT_CONTEXT_LOOPS;
	if (what != MT_CONTEXT_WAIT || !loops)
		*(volatile __u64 *)at = (__u64)tid << 32 | loops;
	return 0;
}

static __always_inline struct mt_conn_bucket *conn_bucket(__u64 key, __u32 *n)
{
	*n = (key * 0x9e3779b97f4a7c15ull >> 32) >> (32 - MT_CONN_BUCKETS_LOG2);
	return bpf_map_lookup_elem(&conns, n);
}

/* Its counts are zero, user space saw to that. */
static __noinline __u32 conn_enter(__u64 key, __u32 from_start)
{
	__u32 n;
	struct mt_conn_bucket *b = conn_bucket(key, &n);

	for (__u32 i = 1; b && i < MT_CONN_SLOTS; i++) {
		if (*(volatile __u64 *)&b->key[i] ||
		    __sync_val_compare_and_swap(&b->key[i], 0, key))
			continue;
		b->conn[i].since_ds = now_ds();
		b->conn[i].from_start = from_start;
		return n * MT_CONN_SLOTS + i;
	}
	count(MT_CNT_conns_full);
	return 0;
}

/* The number of a connection, a new one if it has none. */
static __noinline __u32 conn_of(__u64 key, __u32 from_start)
{
	__u32 n;
	struct mt_conn_bucket *b = conn_bucket(key, &n);

	for (__u32 i = 1; b && i < MT_CONN_SLOTS; i++)
		if (*(volatile __u64 *)&b->key[i] == key)
			return n * MT_CONN_SLOTS + i;
	return conn_enter(key, from_start);
}

/* What wakes a thread, or comes from anybody. */
static __noinline int is_wakeup(struct file *file)
{
	__u32 type = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT_MASK;

	return type == S_IFSOCK || type == S_IFIFO ||
	       BPF_CORE_READ(file, f_inode, i_sb, s_magic) == ANON_INODE_MAGIC;
}

/* --- what is remembered of files: 28 bits of a hash, 16 of the generation, 8 of whose it is, 12
 * of the number --- */

static __always_inline __u64 file_word(__u64 hash, __u32 asid)
{
	__u32 generation = *(volatile __u32 *)&conn_generation;

	return hash >> 24 << 36 | (__u64)(generation & 0xffff) << 20 | (asid & 0xff) << 12;
}

static __always_inline __u64 *file_slot(__u64 hash)
{
	__u32 slot = hash >> (64 - MT_CONN_FILES_LOG2);

	return bpf_map_lookup_elem(&conn_files, &slot);
}

/* The connection that an open file is, 0: none. */
static __noinline __u32 conn_of_file(struct file *file, __u32 asid, __u32 from_start)
{
	__u64 hash = (__u64)file * 0x9e3779b97f4a7c15ull, word = file_word(hash, asid);
	__u64 *at = file_slot(hash), known;
	__u32 conn;

	if (!at)
		return 0;
	known = *(volatile __u64 *)at;
	conn = known & (MT_CONNS - 1);
	if (conn && known - conn == word)
		return conn;
	if (!is_stream(file)) {
		if (is_wakeup(file))
			context_end(MT_CONTEXT_END);
		return 0;
	}
	conn = conn_of(mt_talk_key(inode_of(file), asid), from_start);
	if (!conn)
		context_end(MT_CONTEXT_END);
	*(volatile __u64 *)at = word | conn;
	return conn;
}

static __always_inline int is_new(__u32 what)
{
	return what == MT_CONTEXT_ACCEPT || what == MT_CONTEXT_CONNECT;
}

/* The thread has read from a descriptor, or made a connection of it. */
static __noinline int context_turn(struct pt_regs *regs, long ret, __u32 what)
{
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);
	__u32 fd = PT_REGS_PARM1_CORE_SYSCALL(regs), conn;
	struct file *file;

	if (!p)
		return 0;
	count(MT_CNT_contexts);
	if (is_new(what) || what == MT_CONTEXT_PAIR)
		__sync_fetch_and_add(&conn_generation, 1);
	if (what == MT_CONTEXT_PAIR)
		return 0;
	file = file_of(what == MT_CONTEXT_ACCEPT ? ret : fd);
	conn = file ? conn_of_file(file, p->asid, is_new(what)) : 0;
	if (!conn)
		return 0;
	context_set(conn);
	if (what == MT_CONTEXT_BUFFER && ret > 0)
		mt_block_adopt(block_key(PT_REGS_PARM2_CORE_SYSCALL(regs), p->asid),
			       conn << MT_SITE_BITS);
	return 0;
}

static __always_inline int context_note(struct pt_regs *regs, long ret, __u32 what)
{
	if (what == MT_CONTEXT_WAIT &&
	    (PT_REGS_PARM2_CORE_SYSCALL(regs) & FUTEX_COMMAND) != FUTEX_WAIT_BITSET)
		return 0;
	if (what >= MT_CONTEXT_END)
		return context_end(what);
	if (ret < 0 && (what != MT_CONTEXT_CONNECT || ret != -EINPROGRESS))
		return 0;
	return context_turn(regs, ret, what);
}

/* Asked at every system call of the machine, of a word that is loaded anyway. */
static __always_inline void context_follow(struct pt_regs *regs, long ret, __u32 follow)
{
	if (follow >> MT_FOLLOW_CONTEXT_SHIFT && *(volatile __u32 *)&contexts_on)
		context_note(regs, ret, follow >> MT_FOLLOW_CONTEXT_SHIFT);
}

#endif
