/* SPDX-License-Identifier: GPL-2.0-only
 *
 * The descriptor table of a process, read through the task_file iterator: every descriptor with
 * its type, and for sockets their family, state, ports, peer and kernel memory. Works across
 * mount, PID and network namespaces. One record of struct mt_fd per descriptor.
 */
#include "core.bpf.h"

#include <bpf/bpf_endian.h>

#define S_IFMT_MASK 0170000
#define S_IFSOCK 0140000
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

struct mt_fd_scratch_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mt_fd);
} fd_scratch SEC(".maps");

static __always_inline void inet_fill(struct mt_fd *r, struct sock *sk)
{
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (r->family == AF_INET)
		BPF_CORE_READ_INTO((__u32 *)r->peer_addr, sk, __sk_common.skc_daddr);
	else
		BPF_CORE_READ_INTO((struct in6_addr *)r->peer_addr, sk, __sk_common.skc_v6_daddr);
}

/* A connecting socket has no name of its own; its peer has the well-known one. */
static __always_inline void unix_fill(struct mt_fd *r, struct sock *sk)
{
	struct unix_sock *u = (void *)sk;
	struct unix_address *a = BPF_CORE_READ(u, addr);
	struct unix_sock *peer = (void *)BPF_CORE_READ(u, peer);
	__u32 len;

	if (!a && peer)
		a = BPF_CORE_READ(peer, addr);
	if (!a)
		return;
	len = BPF_CORE_READ(a, len);
	if (len <= 2 || len > 110)
		return;
	len -= 2;
	if (len > sizeof(r->name))
		len = sizeof(r->name);
	if (bpf_probe_read_kernel(r->name, len, (void *)a->name + 2) == 0)
		r->name_len = len;
}

static __always_inline void sock_fill(struct mt_fd *r, struct socket *sock)
{
	struct sock *sk = BPF_CORE_READ(sock, sk);

	if (!sk)
		return;
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	r->sock_type = BPF_CORE_READ(sk, sk_type);
	r->kernel_bytes = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	if (r->family == AF_UNIX) {
		/* the socket itself counts for one */
		r->kernel_bytes += BPF_CORE_READ(sk, sk_wmem_alloc.refs.counter) - 1;
		unix_fill(r, sk);
	} else {
		r->kernel_bytes += BPF_CORE_READ(sk, sk_wmem_queued);
		if (r->family == AF_INET || r->family == AF_INET6)
			inet_fill(r, sk);
	}
}

static __always_inline void file_fill(struct mt_fd *r, struct file *file)
{
	const unsigned char *name = BPF_CORE_READ(file, f_path.dentry, d_name.name);
	long n = bpf_probe_read_kernel_str(r->name, sizeof(r->name), name);

	r->name_len = n > 0 ? n - 1 : 0;
}

SEC("?iter/task_file")
int mt_fdtable(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	__u32 zero = 0;
	struct mt_fd *r;

	if (!task || !file || task->pid != task->tgid)
		return 0;
	if (!proc_find(task->tgid))
		return 0;
	r = bpf_map_lookup_elem(&fd_scratch, &zero);
	if (!r)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	r->tgid = task->tgid;
	r->fd = ctx->fd;
	r->inode = BPF_CORE_READ(file, f_inode, i_ino);
	r->mode = BPF_CORE_READ(file, f_inode, i_mode);
	if ((r->mode & S_IFMT_MASK) == S_IFSOCK)
		sock_fill(r, BPF_CORE_READ((struct file *)file, private_data));
	else
		file_fill(r, file);
	bpf_seq_write(ctx->meta->seq, r, sizeof(*r));
	return 0;
}
