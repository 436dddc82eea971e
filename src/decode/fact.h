/*
 * Checked facts about a process at one moment, as the inventory (/proc, iterators) yields them.
 * The twin of event.h: events say what changed, facts say what is. Values only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "decode/protocol.h"

#define FACT_PATH_BYTES 256	/* longer paths keep their tail */
#define FACT_UNKNOWN UINT64_MAX /* in a byte or count field: could not be measured */

enum vma_kind { /* from the line of /proc/PID/maps alone */
		VMA_ANON = 1,
		VMA_HEAP,    /* [heap] */
		VMA_STACK,   /* [stack] */
		VMA_FILE,    /* private or shared mapping of a file */
		VMA_SHM,     /* shared anonymous, memfd, /dev/shm, SysV */
		VMA_SPECIAL, /* [vdso], [vvar], [vsyscall], ... */
};

struct vma {
	uint64_t start, end; /* bytes, [start, end) */
	uint64_t file_offset;
	uint64_t inode;
	uint64_t dev;
	bool readable, writable, executable, shared;
	bool deleted; /* the file has no name any more */
	enum vma_kind kind;
	char path[FACT_PATH_BYTES]; /* "" when anonymous; valid UTF-8 is not promised */
};

/* Residency of one range of addresses. */
struct residency {
	uint64_t start, end;	 /* in */
	uint64_t resident_bytes; /* out */
	uint64_t swapped_bytes;	 /* out */
	uint64_t huge_bytes; /* out: of the resident ones, in huge pages; FACT_UNKNOWN: not told */
};

struct proc_fact {
	uint32_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: identifies the process with its pid */
	uint64_t rss_bytes, swap_bytes;
	uint64_t rss_anon_bytes, rss_file_bytes, rss_shmem_bytes;
	uint64_t cpu_ns; /* user + system time of the process since its start */
	uint32_t threads;
	char comm[32];
};

enum fd_kind {
	FD_FILE = 1,
	FD_DIR,
	FD_PIPE,
	FD_SOCKET,
	FD_EVENTFD,
	FD_EPOLL,
	FD_TIMERFD,
	FD_SIGNALFD,
	FD_INOTIFY,
	FD_MEMFD,
	FD_IO_URING,
	FD_DEVICE,
	FD_OTHER,
};

/* How it is known what is spoken on a socket. */
enum talk_how {
	TALK_UNKNOWN = 0,
	TALK_CONTENT, /* by its first bytes, see protocol.h */
	TALK_ALIKE,   /* as on others of the same server, or of the same listening socket */
};

/* How the native memory of a connection is known. */
enum native_how {
	NATIVE_UNKNOWN = 0, /* nothing was seen of it, or allocators were not probed all the time */
	NATIVE_PART,	    /* since some time after it was opened: more may be its own */
	NATIVE_WHOLE,	    /* since it was accepted or connected */
};

/*
 * What threads of the process allocated while they served a connection and nobody freed yet: what
 * they did after they read from it, until they waited or read elsewhere.
 */
struct native_fact {
	uint64_t inode; /* of the socket */
	uint64_t bytes, count;
	double error_bytes; /* half width of the 95 % interval; 0: exact */
	enum native_how how;
};

/* The same of connections that are closed: what was allocated for them and stayed. */
struct native_left {
	uint64_t bytes, count;	       /* live, and connections that they are of */
	uint64_t closed_bytes, closed; /* held when last seen open, by all that were closed */
};

/* One open descriptor, from the task_file iterator or, without it, /proc/PID/fd. */
struct fd_fact {
	int32_t fd;
	enum fd_kind kind;
	uint64_t inode;
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX; 0 when not a socket or not known */
	uint16_t state;	 /* TCP state; 0 when not known */
	uint16_t local_port, peer_port; /* host byte order; 0 when none */
	uint8_t peer_addr[16];		/* IPv4 in the first 4 bytes */
	bool listening;
	bool datagram;	       /* a socket, and not of a stream */
	uint64_t kernel_bytes; /* socket memory in the kernel; FACT_UNKNOWN when not measured */
	char path[108];	       /* unix socket: its or its peer's path; "" otherwise */
	struct protocol_verdict talk; /* what is spoken on a socket */
	enum talk_how talk_how;
	struct native_fact native; /* of a socket; how: whether it is known */
};

/* A socket of a stream that does not listen. */
static inline bool fd_is_connection(const struct fd_fact *f)
{
	return f->kind == FD_SOCKET && !f->listening && !f->datagram;
}
/* Of a socket: where it leads to is known. */
static inline bool fd_has_peer(const struct fd_fact *f)
{
	return f->family == AF_UNIX ? f->path[0] != '\0' : f->peer_port != 0;
}

#define MODULE_SEGMENTS 8
#define MODULE_ALLOCS 16

/* What an ELF file says of itself; found once per mapped file. */
struct module_fact {
	char build_id[65];	/* lower-case hex, "" when the file has none */
	uint32_t segment_count; /* executable load segments */
	struct {
		uint64_t file_offset, vaddr, size;
	} segment[MODULE_SEGMENTS];
	uint32_t alloc_count; /* allocation functions that are not seen from their entry on */
	struct {
		uint64_t file_offset, size;
	} alloc[MODULE_ALLOCS];
};
