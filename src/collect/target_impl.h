/* Between the parts of target: for target*.c only. */
#pragma once
#include "collect/module_code.h"
#include "collect/probe_exit.h"
#include "collect/target.h"

/* A function that may be probed: every name of one address. */
struct candidate {
	uint64_t vaddr;
	uint64_t size; /* 0 also when its names disagree */
	struct point_call call;
	uint32_t families; /* bit = enum point_family */
	bool conflict;
	char name[TARGET_NAME_BYTES];
};

struct scan {
	const struct target_module *module; /* borrowed */
	struct candidate *list;		    /* owned, ordered by address */
	size_t count;
	uint32_t refused, ifuncs;
	uint32_t markers; /* see allocator_guess() */
	bool rust_global; /* #[global_allocator] is used */
};

/* Chooses points for each candidate; candidates without code leave the list. -ENOMEM. */
int target_make_points(const struct elf_file *f, struct scan *s, struct target_points *p);

/*
 * What can be probed inside: exits[i] is filled for candidate i where a proof exists, and its `why`
 * where there is none. *ret_code, the module's code, may stay NULL. -ENOMEM.
 */
int target_choose_exits(const struct elf_file *f, const struct scan *s, struct probe_exit *exits,
			struct module_code **ret_code);

/* Marks frees when one of them may end in another; the points are still one of each candidate. */
void target_mark_frees(struct module_code *code, const struct scan *s, struct target_points *p);

/*
 * Marks the entries of allocations that may call other ones, with MT_COOKIE_OUTER: else those would
 * be sampled once more. code: NULL: not known. The points are still one of each candidate.
 */
void target_mark_outer(struct module_code *code, const struct scan *s, struct target_points *p);

/* Replaces the points of candidates that have exits by these. -ENOMEM. */
int target_use_exits(const struct elf_file *f, const struct scan *s, const struct probe_exit *exits,
		     struct target_points *p);
