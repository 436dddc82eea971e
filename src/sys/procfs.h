/*
 * What /proc says about one process. `root` is the place where proc is mounted ("/proc").
 * The content is the target's to shape: everything is bounded, and what is missing or malformed
 * is FACT_UNKNOWN, never zero. Every function returns 0 or a negative errno and writes its outputs
 * only on success; a process that is not there, or vanishes meanwhile, is -ESRCH.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decode/fact.h"

#define PROCFS_CMDLINE_BYTES 4096
#define PROCFS_NS_LEVELS 33 /* the kernel nests PID namespaces 32 deep below the first */

/* A process, told from a later one with the same number. */
struct proc_id {
	uint32_t pid;
	uint64_t start_ticks;
};

/* From /proc/PID/stat. */
struct procfs_stat {
	uint32_t pid;
	char comm[32]; /* any bytes but NUL */
	char state;    /* 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I' */
	bool kernel_thread;
	bool zombie;	  /* its main thread has exited; other threads may live on */
	uint32_t threads; /* 0 in a zombie that has been waited for */
	uint64_t cpu_ns;  /* user + system, in steps of a clock tick (10 ms) */
	uint64_t start_ticks;
};

/* From /proc/PID/status; each number is FACT_UNKNOWN where its line is missing or malformed. */
struct procfs_status {
	uint64_t tgid;
	uint64_t tracer_pid;   /* 0: not traced */
	uint64_t seccomp_mode; /* 0 none, 1 strict, 2 filter; of this one thread */
	uint64_t uid;	       /* real */
	uint64_t rss_bytes, rss_anon_bytes, rss_file_bytes, rss_shmem_bytes, swap_bytes;
	uint32_t ns_pid[PROCFS_NS_LEVELS]; /* outermost namespace first */
	size_t ns_pid_count;		   /* 0: not known */
};

/* Inode numbers of the namespaces; FACT_UNKNOWN where they cannot be read. */
struct procfs_ns {
	uint64_t user, pid;
};

/* Command line with a NUL between arguments, none after the last; may hold secrets. */
struct procfs_cmdline {
	char bytes[PROCFS_CMDLINE_BYTES + 1]; /* a NUL follows the len bytes */
	size_t len;
	bool cut; /* longer than this */
};

/* What memtrace itself uses. */
struct procfs_self {
	uint64_t cpu_ns;
	uint64_t rss_bytes; /* FACT_UNKNOWN when not readable */
};

/* -EBADMSG when the file does not have the form of a stat file. Accepts the id of any thread. */
int procfs_read_stat(const char *root, uint32_t pid, struct procfs_stat *ret);
int procfs_read_status(const char *root, uint32_t pid, struct procfs_status *ret);
/* The same for one thread of a process. */
int procfs_read_thread_status(const char *root, uint32_t pid, uint32_t tid,
			      struct procfs_status *ret);
/* stat and status together. */
int procfs_read_fact(const char *root, uint32_t pid, struct proc_fact *ret);

int procfs_identify(const char *root, uint32_t pid, struct proc_id *ret);
/* The process a thread belongs to. -EBADMSG when /proc does not say. */
int procfs_tgid_of(const char *root, uint32_t tid, uint32_t *ret);
/* This process's own number as the proc mounted at root has it. */
int procfs_own_pid(const char *root, uint32_t *ret);

/* Path of the executable as the reader sees it. *ret_deleted: it has no name any more. */
int procfs_read_exe(const char *root, uint32_t pid, char *buf, size_t size, bool *ret_deleted);
int procfs_read_cmdline(const char *root, uint32_t pid, struct procfs_cmdline *ret);
int procfs_read_ns(const char *root, uint32_t pid, struct procfs_ns *ret);

int procfs_read_self(const char *root, struct procfs_self *ret);
