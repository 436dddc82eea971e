/*
 * May this process be traced, and how far? A judgement over plain facts, apart from the gathering
 * of the facts, so that each rule is tested without the process it is about.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum preflight_decision {
	PREFLIGHT_OK = 1,
	PREFLIGHT_LIMITED, /* text says what will be missing */
	PREFLIGHT_REFUSE,  /* text says why */
};

struct preflight_facts {
	/* Gathered from /proc; numbers are FACT_UNKNOWN where it does not say. */
	uint32_t asked; /* the number the user gave: a process or one of its threads */
	bool exists;
	uint32_t pid;	      /* the process */
	uint64_t start_ticks; /* with pid: to be checked again after attaching */
	uint32_t own_pid;
	uint32_t threads;
	bool kernel_thread;
	bool zombie;
	uint64_t tracer_pid;   /* of the first thread that has one; 0: not traced */
	uint64_t seccomp_mode; /* of the first thread that has one: 0 none, 1 strict, 2 filter */
	uint64_t own_user_ns, own_pid_ns, user_ns; /* inode numbers */

	/* Set by the caller. */
	bool is_32bit;
	bool is_go;
	bool is_static;			       /* no C library comes with it */
	bool return_probes_safe_under_seccomp; /* the kernel exempts its return probes' call */
	bool force; /* the user wants it in spite of a debugger or another user namespace */
};

struct preflight {
	enum preflight_decision decision;
	int error;	       /* negative errno of a refusal; 0 otherwise */
	uint32_t pid;	       /* the process to trace */
	bool return_probes;    /* may be used */
	bool allocator_probes; /* may be used, without return probes where those may not */
	char text[256];	       /* one sentence; "" when there is nothing to say */
	char note[128];	       /* "" unless asked was a thread: which process is traced instead */
};

void preflight_judge(const struct preflight_facts *facts, struct preflight *ret);

/*
 * Fills the gathered half of *facts from the proc mounted at root and leaves the caller's half as
 * it is. A process that does not exist is a fact, not an error.
 */
int preflight_gather(const char *root, uint32_t pid, struct preflight_facts *facts);
