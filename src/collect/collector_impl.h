/* What the files of the collector share; nobody else includes it. */
#pragma once
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "collect/collector.h"
#include "memtrace.skel.h"

/* Probes that the keeper holds. */
struct probe_link {
	uint32_t id;   /* 0: none of its own, the process uses the file's common probes */
	uint32_t tgid; /* 0: common probes */
	uint32_t asid;
	dev_t dev; /* of the file it is in */
	ino_t inode;
	bool apart; /* see collector_probes */
	struct probe_link *next;
};

/* Whether the probes of a process are in: as was asked for, and as the keeper told. */
struct probe_state {
	uint32_t tgid;
	bool wanted, in;
	uint32_t pending;  /* arms that nothing was heard of yet */
	int error;	   /* of the last arm: nothing is remembered any more */
	uint64_t since_ns; /* in: CLOCK_MONOTONIC */
	uint64_t in_ns;	   /* before that */
	struct probe_state *next;
};

/* What is given out of the sites' pages, and who has which. */
struct collector_sites {
	uint64_t *shard_of; /* mapped; written here alone */
	uint32_t shards, shards_used;
	uint64_t folded_ns;
	struct mt_site folded[]; /* sites_max of them */
};

/* A file that only traced processes map, and many do: they share its probes. */
struct common_file {
	dev_t dev;
	ino_t inode;
	int file;			/* owned */
	struct keeper_point *points;	/* owned */
	struct collector_probes probes; /* its pointers are into `points` */
	struct common_file *next;
};

/* collector_watch.c. Both programs or none; b may be NULL. -errno */
int links_attach(struct bpf_link *link[2], struct bpf_program *a, struct bpf_program *b);
void links_destroy(struct bpf_link *link[2]);

/* What threads gave to SSL_write() last: what it was, not its bytes. */
#define SNIFF_THREADS 256u
#define SNIFF_PROBES 64u
struct collector_sniff {
	struct bpf_link *hook[2];     /* owned; NULL while they are out */
	bool lengths;		      /* socket calls are followed, not all system calls */
	uint32_t probe[SNIFF_PROBES]; /* of the keeper: on SSL_write() */
	size_t probe_count;
	collector_said_fn fn;
	void *ctx; /* borrowed */
	struct {
		uint32_t tid;
		struct protocol_verdict verdict;
	} plain[SNIFF_THREADS];
};

/* Native memory of connections: the tables, mapped once they are needed. */
struct collector_conns {
	struct mt_conn_bucket *bucket; /* MT_CONN_BUCKETS of them */
	__u64 *context;		       /* MT_CONTEXTS of them */
	bool seen_closed[MT_CONNS];
	uint64_t open_bytes[MT_CONNS];
};

struct collector {
	struct memtrace_bpf *skel;	 /* owned */
	struct keeper *keeper;		 /* borrowed */
	struct ring_buffer *ring;	 /* owned */
	struct bpf_link *tracepoints[3]; /* owned */
	struct bpf_link *hooks[2];	 /* owned: system calls; NULL while they are not followed */
	struct bpf_link *fault_hooks[2]; /* owned; NULL while no process's faults are followed */
	uint32_t *faults_of;		 /* owned: processes whose faults are */
	size_t faults_count, faults_room;
	struct collector_sniff sniff;
	struct collector_conns conns;
	struct probe_link *links;    /* owned, newest first */
	struct common_file *commons; /* owned */
	const uint32_t *expected;    /* borrowed */
	size_t expected_count;
	uint64_t strangers; /* as last seen */
	bool strangers_grew;
	uint64_t common_after_ns;    /* no more attempts before */
	struct features *features;   /* borrowed */
	struct probe_state *states;  /* owned: of processes with probes */
	struct unwind *unwind;	     /* owned */
	const struct mt_site *sites; /* mapped */
	size_t sites_bytes, sites_max;
	struct collector_sites *table;	      /* owned */
	struct mt_space *spaces;	      /* mapped: MT_SPACES of them */
	const struct mt_space_cpu *space_cpu; /* mapped: MT_SPACES for each CPU */
	size_t space_cpu_bytes;
	struct mt_bucket *buckets; /* mapped: the live set but what spilled */
	size_t bucket_count;
	uint32_t bucket_bits;
	struct bpf_link **work; /* owned: of each CPU; NULL while work is not sampled */
	int *work_event;	/* owned by those links; -1: that CPU is off */
	enum collector_pace work_wanted, work_pace; /* asked for; what the kernel allows of it */
	uint64_t work_look_ns;			    /* when to look which CPUs are on */
	bool work_refused;			    /* by the kernel: not tried again */
	struct mt_usdt_spec *usdt_spec;		    /* owned: as they are in the map */
	uint32_t usdt_spec_count;
	bool multi;
	bool sessions; /* entry and return of a function are one probe */
	bool has_fd_iter, has_faults;
	int cpus;
};

/* The page-fault tier of a process that is gone. */
void collector_drop_faults(struct collector *c, uint32_t tgid);
/* Everything that collector_work.c attached. */
void collector_work_done(struct collector *c);
/* Adds their ring to the collector's; says which system calls carry what. */
int collector_open_sniffers(struct collector *c);
void collector_choose_sniffed(struct memtrace_bpf *skel);
/* Everything that collector_watch.c attached. */
void collector_watch_done(struct collector *c);
/* What collector_conns.c mapped; and what it knows of an address space that is gone. */
void collector_conns_done(struct collector *c);
void collector_drop_conns(struct collector *c, uint32_t asid);

/* Takes the probes of a process out, or all there are; returns before that is done. */
/* How many blocks the live set holds where. */
struct bucket_plan {
	uint32_t bits;	/* 2^this buckets */
	uint32_t spill; /* entries of the hash */
};
struct bucket_plan collector_plan_buckets(uint32_t live_max);

/* Maps the tables of collector_account.c, and gives them back; the latter after a failure, too. */
int collector_map_tables(struct collector *c);
void collector_unmap_tables(struct collector *c);
/* The live set's buckets, 12 MB of the kernel's that count as memtrace's own while they are mapped.
 */
int collector_map_buckets(struct collector *c);
void collector_unmap_buckets(struct collector *c);
/* A number for a new address space; 0: there is none left. */
uint32_t collector_new_asid(struct collector *c, uint32_t tgid);
/* Some function of an address space is probed inside, where only the outermost call counts. */
void collector_note_inner(struct collector *c, uint32_t asid);
/* Its probes do nothing from now on. */
void collector_end_asid(struct collector *c, uint32_t asid);
/* Whether blocks of an address space may have come into the live set, also when it has ended. */
bool collector_has_recorded(const struct collector *c, uint32_t asid);
/* Entries and returns of all address spaces that have or had a slot which nobody took since. */
uint64_t collector_all_hits(const struct collector *c);
void collector_links_clear(struct collector *c, uint32_t tgid, bool all);
/* All roles of a file for a process, or all or none for everybody (tgid 0, asid 0). */
int collector_attach_roles(struct collector *c, uint32_t tgid, uint32_t asid, int file,
			   const struct collector_probes *probes);
/* Makes the probes of a file common when that pays and harms nobody. */
void collector_make_common(struct collector *c, int file, const struct collector_probes *probes);
/* A process joins those that share a file's probes. False: they are not shared. */
bool collector_join_common(struct collector *c, uint32_t tgid, uint32_t asid,
			   const struct stat *file);
/* Probes of each process instead of common ones. */
void collector_leave_commons(struct collector *c);
/* Gives up what nobody uses any more; all: everything. */
void collector_drop_commons(struct collector *c, bool all);
/* Whether common probes are meant for the address spaces of a process. */
void collector_set_common(struct collector *c, uint32_t tgid, bool common);
/* When a process's probes were not all in last: CLOCK_MONOTONIC; UINT64_MAX: now. */
void collector_note_out(struct collector *c, uint32_t tgid, uint64_t since_ns);
/* mt_space.shut of its address spaces. */
void collector_note_shut(struct collector *c, uint32_t tgid, uint32_t shut);
/* Hears of the keeper's news. */
void collector_listen(struct collector *c);
