/*
 * Where in a function a uprobe sits: the entry, or a few bytes further on at an instruction that
 * the kernel emulates, which costs a tenth of one that it must single-step. Pure: bytes in, a
 * choice out. When anything is in doubt the choice is the entry.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_SITE_REACH 64 /* bytes from the entry, at most */
#define PROBE_TEXT_BYTES 80

enum probe_arch { PROBE_OTHER = 0, PROBE_X86_64, PROBE_ARM64 };

/* How the running kernel treats a probe on a nop of several bytes. */
enum probe_nops {
	PROBE_NOPS_STEPPED = 0, /* like any other instruction; also when it is not known */
	PROBE_NOPS_EMULATED,
	PROBE_NOPS_CALLED, /* emulated, and the one of 5 bytes is replaced by a call */
};

enum probe_cost {
	PROBE_COST_UNKNOWN = 0,
	PROBE_COST_NOP5,
	PROBE_COST_EMULATED,
	PROBE_COST_STEPPED
};

struct probe_query {
	const uint8_t *code; /* borrowed: the function from its entry; may be NULL when len is 0 */
	size_t len;	     /* bytes at code; what lies behind `size` is not looked at */
	uint64_t size;	     /* of the function in bytes; 0 when the file does not say */
	uint64_t vaddr;	     /* of the entry */
	enum probe_arch arch;
	enum probe_nops nops;
	uint8_t args;	   /* bit n - 1: argument n must still be in its register */
	bool wants_return; /* the site also serves a return probe: nothing may have been pushed */
};

struct probe_site {
	uint64_t offset;       /* bytes from the entry */
	uint32_t pushed_bytes; /* since the entry, before the instruction at the site runs */
	enum probe_cost cost;
	const char *why;		   /* static text */
	char entry_text[PROBE_TEXT_BYTES]; /* disassembly of the first instruction */
	char site_text[PROBE_TEXT_BYTES];  /* of the one at the site */
};

/* Never fails: without a better place it is the entry, and `why` says so. */
void probe_site_choose(const struct probe_query *q, struct probe_site *ret);

/* Back to the entry, for a reason that only the caller can know. */
void probe_site_use_entry(const struct probe_query *q, const char *why, struct probe_site *ret);

const char *probe_cost_name(enum probe_cost cost);
