/* The few kernel types that memtrace's BPF programs name, for compiling them on the host. */
#pragma once
#define __VMLINUX_H__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t __u8;
typedef uint16_t __u16;
typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int16_t __s16;
typedef int32_t __s32;
typedef int64_t __s64;

enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 };
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27
};
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

struct pt_regs {
	__u64 r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs,
		flags, sp, ss;
};
struct xol_area {
	__u64 vaddr;
};
struct uprobes_state {
	struct xol_area *xol_area;
};
struct return_instance {
	__u64 stack, orig_ret_vaddr;
	struct return_instance *next;
};
struct uprobe_task {
	struct return_instance *return_instances;
};
struct mm_struct {
	struct uprobes_state uprobes_state;
	unsigned long exec_vm;
	struct {
		void *vdso;
	} context;
};
struct file;
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct task_struct {
	struct mm_struct *mm;
	struct files_struct *files;
	struct uprobe_task *utask;
	int pagefault_disabled;
	unsigned int flags;
};
struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
};
struct inode {
	__u64 i_ino;
	__u16 i_mode;
	long long i_size;
	struct super_block *i_sb;
};
struct file {
	struct inode *f_inode;
	void *private_data;
};
struct socket {
	short type;
};
struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};
struct sock {
	__u16 sk_type;
	struct socket *sk_socket;
};
struct vm_area_struct {
	__u64 vm_start, vm_end, vm_pgoff, vm_flags;
	struct mm_struct *vm_mm;
	struct file *vm_file;
};

#define MT_FAKE_SHARDS
