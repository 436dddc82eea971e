/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Unwind tables, as user space builds them and the BPF unwinder searches them.
 * A rule says how one frame's caller is found; equal rules are stored once and named by index.
 * The code of a file is cut into pages of MT_UNWIND_PAGE bytes. A piece is a run of pages whose
 * words lie in one shard: first index[pages + 1] (word offsets of the pages' first rows, relative
 * to the piece), then the rows, sorted: (address & (page - 1)) << 16 | rule. Every page begins with
 * a row at offset 0, so that a search never leaves it: the greatest row <= (offset << 16 | 0xffff)
 * holds. Pieces are addressed by file offset, so one table serves every mapping of a file.
 */
#ifndef MEMTRACE_UNWIND_H
#define MEMTRACE_UNWIND_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define MT_UNWIND_PAGE_SHIFT 12
#define MT_UNWIND_PAGE (1u << MT_UNWIND_PAGE_SHIFT)
#define MT_UNWIND_SHARD_WORDS (1u << 18) /* 1 MiB */
#define MT_UNWIND_SHARDS 256u		 /* at most, made when needed */
#define MT_UNWIND_PIECES 64u		 /* of one file */
#define MT_UNWIND_RULES 4093u		 /* distinct; 1,222 were seen over 8 large binaries */
/* Not in tables: generated code, with a frame pointer and without; runtime libraries without a
 * table.
 */
#define MT_UNWIND_RULE_JIT 4095u
#define MT_UNWIND_RULE_SCAN 4094u
#define MT_UNWIND_RULE_BARE 4093u

/* How the canonical frame address (CFA: the stack pointer before the call) is found. */
enum mt_unwind_cfa {
	MT_CFA_FRAME = 0,    /* no table here: follow the frame pointer */
	MT_CFA_END = 1,	     /* outermost frame: the thread starts here */
	MT_CFA_SP = 2,	     /* sp + off */
	MT_CFA_BP = 3,	     /* bp + off */
	MT_CFA_SP_DEREF = 4, /* *(sp + (off >> 8)) + (off & 255) */
	MT_CFA_BP_DEREF = 5, /* *(bp + (off >> 8)) + (off & 255) */
	MT_CFA_PLT = 6,	     /* sp + 8 + ((pc & 15) >= off ? 8 : 0) */
	MT_CFA_SIGNAL = 7,   /* the kernel's signal frame lies at sp */
	MT_CFA_UNSUPPORTED = 8,
};

/* Where the caller's frame pointer is. The return address is always the word below the CFA. */
enum mt_unwind_bp {
	MT_BP_SAME = 0, /* still in the register */
	MT_BP_CFA = 1,	/* *(cfa + bp_off) */
	MT_BP_BP = 2,	/* *(bp + bp_off) */
	MT_BP_SP = 3,	/* *(sp + bp_off) */
	MT_BP_LOST = 4, /* undefined, or in a place that is not supported: taken as the same */
};

/* Rule 0 of the dictionary is all zeroes: MT_CFA_FRAME. */
struct mt_unwind_rule {
	__u8 cfa; /* enum mt_unwind_cfa */
	__u8 bp;  /* enum mt_unwind_bp */
	__s16 bp_off;
	__s32 off;
};

/* A mapped file as BPF sees it: the inode and device of the real file below an overlay. */
struct mt_file_key {
	__u64 inode;
	__u64 dev; /* super_block.s_dev: major << 20 | minor */
};

/* The kernel's code in every process belongs to no file. */
#define MT_VDSO_INODE 1ull
#define MT_VDSO_DEV (~0ull)

/* Bytes [start, end) of the file. */
struct mt_unwind_piece {
	__u64 start;
	__u64 end;
	__u64 base;  /* file offset of the first page of index[] */
	__u32 shard; /* number of the shard */
	__u32 word;  /* where the piece begins in it */
};

/* Pieces in order; a file without any is known to have no tables. */
struct mt_unwind_file {
	__u32 count;
	__u32 size; /* of the file, its lower half: another one is another file with its number */
	struct mt_unwind_piece piece[MT_UNWIND_PIECES];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct mt_unwind_rule) == 8, "unwind");
_Static_assert(sizeof(struct mt_unwind_piece) == 32, "unwind");
_Static_assert(sizeof(struct mt_unwind_file) == 8 + 32 * MT_UNWIND_PIECES, "unwind");
#endif

#endif
