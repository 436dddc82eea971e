/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The first bytes of what traced processes read from and write to stream sockets, for a few
 * messages of each socket, so that user space can tell what is spoken there. Attached in windows
 * only; what is out costs nothing. A message is looked at when it was sent or received: its bytes
 * are in the caller's buffer then, whichever way they went. Where the kernel tells of that
 * (FEATURE_sock_lengths), only the machine's socket calls pay, else all its system calls do.
 * Sockets are known by their inode number: no close need be followed. Not seen: sendfile, splice,
 * io_uring; sendmmsg and recvmmsg, or where system calls are followed all but their first message.
 */
#include "core.bpf.h"
#include "compat.bpf.h"
#include "files.bpf.h"

#define SNIFF_IOVS 4
#define WORKERS 0x204010 /* PF_KTHREAD, PF_USER_WORKER, PF_IO_WORKER: no system call of theirs */
#define MSG_IOV 16	 /* offsets in struct msghdr */
#define MSG_IOVLEN 24
#define MMSG_LEN 56 /* in struct mmsghdr */
#define TLS_DATA 0x17
#define SNIFF_WAS_PLAIN 16 /* in sniff_call.how */

struct mt_talks_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MT_TALKS_MAX);
	__type(key, __u64); /* mt_talk_key() */
	__type(value, struct mt_talk);
} talks SEC(".maps");

/* Payload has a ring of its own: nothing that stores or prints records reads it. */
struct mt_sniffs_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, MT_SNIFF_RING);
} sniffs SEC(".maps");

/* Threads that have just given plaintext to SSL_write(). */
struct mt_plain_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MT_PLAIN_MAX);
	__type(key, __u32); /* thread id */
	__type(value, __u32);
} plain SEC(".maps");

/* What of a system call is looked at, enum mt_sniff_how | MT_SNIFF_WRITES; by its number. */
const volatile __u8 sniffed[MT_SYSCALLS] = {};
/* Counts windows: in each of them a socket may be looked at again. */
__u32 sniff_window = 0;
/* Whether it is listened to what is given to SSL_write(). */
__u32 sniff_plain = 0;

/* What is looked at; kept small, the BPF stack is. */
struct sniff_call {
	struct pt_regs *regs;
	__u64 len;
	__u64 inode;
	__u32 asid;
	__u32 how;
};

/* The inode number of a stream socket, 0: it is none. */
static __noinline __u64 socket_of(__u32 fd)
{
	struct file *file = file_of(fd);

	return file && is_stream(file) ? inode_of(file) : 0;
}

/* The same, where the socket itself is known: its inode is beside it in memory. */
static __always_inline __u64 socket_inode(const struct sock *sk)
{
	const struct socket *socket = sk->sk_socket;
	unsigned long at = (unsigned long)socket;

	if (sk->sk_type != STREAM || !socket)
		return 0;
	at -= bpf_core_field_offset(struct socket_alloc, socket);
	return BPF_CORE_READ((struct socket_alloc *)at, vfs_inode.i_ino);
}

/* Whether another message is to be looked at, which counts it. */
static __noinline int is_wanted(__u64 key, __u32 what)
{
	struct mt_talk *t = bpf_map_lookup_elem(&talks, &key), fresh = {};
	__u32 window = *(volatile __u32 *)&sniff_window;
	__u8 *seen;

	if (!t) {
		long r;

		fresh.window = window;
		r = bpf_map_update_elem(&talks, &key, &fresh, BPF_NOEXIST);
		if (r && r != -EEXIST) /* not: another thread was quicker */
			count(MT_CNT_sniff_full);
		t = bpf_map_lookup_elem(&talks, &key);
	}
	if (!t || t->done)
		return 0;
	if (t->window != window) {
		t->window = window;
		t->read = t->written = t->plain = 0;
	}
	seen = &t->read;
	if (what & SNIFF_WAS_PLAIN)
		seen = &t->plain;
	else if (what & MT_SNIFF_WRITES)
		seen = &t->written;
	if (*seen >= MT_SNIFFED)
		return 0;
	++*seen;
	return 1;
}

/* Adds user memory to a record, as much as it has room for. */
static __noinline int bytes_add(struct mt_sniff *e, __u64 from, __u64 len)
{
	__u32 at = e->have, n = len;

	if (at >= MT_SNIFF_BYTES)
		return 0;
	if (len > MT_SNIFF_BYTES - at)
		n = MT_SNIFF_BYTES - at;
	n &= 2 * MT_SNIFF_BYTES - 1;
	at &= MT_SNIFF_BYTES - 1;
	if (n > MT_SNIFF_BYTES || n == 0)
		return 0;
	if (bpf_probe_read_user(e->bytes + at, n, (const void *)from)) {
		count(MT_CNT_sniff_unreadable);
		return 0;
	}
	e->have = at + n;
	return 0;
}

struct user_iovec {
	__u64 base;
	__u64 len;
};

static __noinline int iovs_add(struct mt_sniff *e, __u64 iov, __u64 count_of)
{
	struct user_iovec v;
	__u64 left = e->len;

	for (int i = 0; i < SNIFF_IOVS; i++) {
		if ((__u64)i >= count_of || left == 0 || e->have >= MT_SNIFF_BYTES)
			break;
		if (bpf_probe_read_user(&v, sizeof(v), (const void *)(iov + i * sizeof(v)))) {
			count(MT_CNT_sniff_unreadable);
			break;
		}
		if (v.len > left)
			v.len = left;
		bytes_add(e, v.base, v.len);
		left -= v.len;
	}
	return 0;
}

/* The parts of a message that a header names. */
static __noinline int message_add(struct mt_sniff *e, __u64 msg)
{
	__u64 iov = 0, n = 0;

	if (bpf_probe_read_user(&iov, sizeof(iov), (const void *)(msg + MSG_IOV)) ||
	    bpf_probe_read_user(&n, sizeof(n), (const void *)(msg + MSG_IOVLEN))) {
		count(MT_CNT_sniff_unreadable);
		return 0;
	}
	return iovs_add(e, iov, n);
}

/*
 * Whether the thread gave plaintext to SSL_write() and wrote nothing since: this write is what was
 * made of it. Asked at every write, as some write what no SSL_write() made.
 */
static __noinline int was_plain(__u32 writes)
{
	__u32 tid = bpf_get_current_pid_tgid();

	return writes && *(volatile __u32 *)&sniff_plain && bpf_map_delete_elem(&plain, &tid) == 0;
}

static __noinline int sniff_fill(struct mt_sniff *e, struct sniff_call *c)
{
	struct pt_regs *regs = c->regs;
	__u64 at = PT_REGS_PARM2_CORE_SYSCALL(regs);
	__u32 len = 0;

	switch (c->how & MT_SNIFF_HOW) {
	case MT_SNIFF_BUFFER: return bytes_add(e, at, e->len);
	case MT_SNIFF_IOVS: return iovs_add(e, at, PT_REGS_PARM3_CORE_SYSCALL(regs));
	case MT_SNIFF_MESSAGE: return message_add(e, at);
	case MT_SNIFF_MESSAGES:
		if (bpf_probe_read_user(&len, sizeof(len), (const void *)(at + MMSG_LEN)))
			count(MT_CNT_sniff_unreadable);
		e->len = len;
		return message_add(e, at);
	}
	return 0;
}

/* The reader comes by itself a few times a second, and is woken when the buffer fills up. */
static __always_inline __u64 sniff_flags(void)
{
	return bpf_ringbuf_query(&sniffs, BPF_RB_AVAIL_DATA) > MT_SNIFF_RING / 4
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

static __noinline int sniff_send(struct sniff_call *c)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct mt_sniff *e = bpf_ringbuf_reserve(&sniffs, sizeof(*e), 0);

	if (!e) {
		count(MT_CNT_sniff_ring_full);
		return 0;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_ns();
	e->inode = c->inode;
	e->len = c->len;
	e->tgid = id >> 32;
	e->tid = id;
	e->asid = c->asid;
	e->written = (c->how & MT_SNIFF_WRITES) != 0;
	sniff_fill(e, c);
	if ((c->how & SNIFF_WAS_PLAIN) && e->bytes[0] == TLS_DATA && e->bytes[1] == 3)
		e->plain = MT_PLAIN_WRITTEN;
	bpf_ringbuf_submit(e, sniff_flags());
	return 0;
}

/* A message went, in a system call of this kind, over sk; NULL: over the descriptor it names. */
static __always_inline int sniff_seen(const struct sock *sk, struct pt_regs *regs, long ret,
				      __u32 how)
{
	struct sniff_call c = { .regs = regs, .len = ret, .how = how };
	struct mt_proc *p = proc_find(bpf_get_current_pid_tgid() >> 32);

	if (!p)
		return 0;
	c.asid = p->asid;
	c.inode = sk ? socket_inode(sk) : socket_of(PT_REGS_PARM1_CORE_SYSCALL(regs));
	if (!c.inode)
		return 0;
	if (was_plain(c.how & MT_SNIFF_WRITES))
		c.how |= SNIFF_WAS_PLAIN;
	if (!is_wanted(mt_talk_key(c.inode, c.asid), c.how))
		return 0;
	return sniff_send(&c);
}

SEC("?tp_btf/sys_exit")
int BPF_PROG(mt_sniff_exit, struct pt_regs *regs, long ret)
{
	__u32 how = sniffed[syscall_number(regs) & (MT_SYSCALLS - 1)];

	count(MT_CNT_sniff_calls);
	return how && ret > 0 ? sniff_seen(NULL, regs, ret, how) : 0;
}

/*
 * The registers are the system call's, whose buffer it is. Not where one call carries many
 * messages: which one this is, they do not say.
 */
static __always_inline int sniff_length(const struct sock *sk, int ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs;
	__u32 how;

	count(MT_CNT_sniff_calls);
	if (ret <= 0 || task->flags & WORKERS)
		return 0;
	regs = (void *)bpf_task_pt_regs(task);
	how = sniffed[syscall_number(regs) & (MT_SYSCALLS - 1)];
	if (!how || (how & MT_SNIFF_HOW) == MT_SNIFF_MESSAGES)
		return 0;
	return sniff_seen(sk, regs, ret, how);
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(mt_sniff_sent, struct sock *sk, int ret, int flags)
{
	return sniff_length(sk, ret);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(mt_sniff_got, struct sock *sk, int ret, int flags)
{
	return sniff_length(sk, ret);
}

/* Before the write that carries it, which must not be told of another SSL's. */
static __noinline int plain_send(struct pt_regs *ctx, __u32 asid)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct mt_sniff *e = bpf_ringbuf_reserve(&sniffs, sizeof(*e), 0);
	__u32 tid = id, one = 1;

	if (!e) {
		count(MT_CNT_sniff_ring_full);
		return 0;
	}
	if (bpf_map_update_elem(&plain, &tid, &one, BPF_ANY))
		count(MT_CNT_sniff_full);
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = bpf_ktime_get_ns();
	e->len = (__u32)PT_REGS_PARM3(ctx);
	e->tgid = id >> 32;
	e->tid = tid;
	e->asid = asid;
	e->written = 1;
	e->plain = MT_PLAIN_TEXT;
	bytes_add(e, PT_REGS_PARM2(ctx), e->len);
	bpf_ringbuf_submit(e, sniff_flags());
	return 0;
}

/* int SSL_write(SSL *ssl, const void *buf, int num), and SSL_write_ex() with a size_t. */
SEC("?uprobe")
int mt_sniff_plain(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct mt_proc *p = proc_find(id >> 32);
	__u32 tid = id;

	if (!p)
		return 0;
	/* what it gave before waits to be written: who knows which write that will be */
	bpf_map_delete_elem(&plain, &tid);
	if ((__s32)PT_REGS_PARM3(ctx) <= 0 ||
	    !is_wanted(mt_talk_ssl_key(PT_REGS_PARM1(ctx), p->asid), SNIFF_WAS_PLAIN))
		return 0;
	return plain_send(ctx, p->asid);
}
