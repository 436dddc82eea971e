/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What the current process's descriptors lead to.
 */
#ifndef MEMTRACE_FILES_BPF_H
#define MEMTRACE_FILES_BPF_H

#include "core.bpf.h"

#define S_IFMT_MASK 0170000
#define S_IFSOCK 0140000
#define S_IFIFO 0010000
#define ANON_INODE_MAGIC 0x09041934 /* eventfd, timerfd, signalfd, ... */
#define STREAM \
	1 /* enum sock_type: protocols of datagrams are not known, and netlink's look like some */

static __noinline struct file *file_of(__u32 fd)
{
	struct fdtable *table = bpf_get_current_task_btf()->files->fdt;
	struct file *file = NULL;

	if (fd >= table->max_fds || bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd))
		return NULL;
	return file;
}

static __noinline int is_stream(struct file *file)
{
	struct socket *s;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT_MASK) != S_IFSOCK)
		return 0;
	s = BPF_CORE_READ(file, private_data);
	return s && BPF_CORE_READ(s, type) == STREAM;
}

static __always_inline __u64 inode_of(struct file *file)
{
	return BPF_CORE_READ(file, f_inode, i_ino);
}

#endif
