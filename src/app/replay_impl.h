/* What the parts of replay.c share. */
#pragma once
#include "app/replay.h"
#include "model/series.h"

struct replay_frame {
	uint64_t offset;
	uint32_t module, symbol, file, line; /* module: index; symbol, file: texts, 0: none */
	enum frame_kind kind;
	bool inlined;
};

struct replay_site {
	uint64_t id;
	struct snap_site told; /* figures of the last record; its series and stack are not set */
	uint64_t tick;	       /* of the last record */
	uint64_t known;	       /* tick at which its figures were known last */
	double fed_s;	       /* time of the last point */
	struct series *series; /* owned */
	struct replay_frame *frames; /* owned */
	size_t frame_count;
	enum mt_stack_end end;
	bool folded;
	struct owner owner; /* without evidence */
	uint32_t evidence;  /* text */
};

struct replay_module {
	uint32_t name, build_id; /* texts */
	bool main_exe, allocator;
};

struct replay {
	struct replay_store *store; /* borrowed */
	uint32_t pid;
	uint32_t exe;	  /* text: file name without folders */
	uint32_t runtime; /* text */
	uint64_t top;	  /* sites in each report; UINT64_MAX: not known */
	double age_s;	  /* of the process when tracing began; 0: not known */
	struct judge_limits limits;
	bool limit_given; /* by the user: the record's does not count */

	struct replay_module *modules; /* owned */
	size_t module_count, module_cap;
	struct replay_site **sites; /* owned, sorted by id */
	size_t site_count, site_cap;

	uint64_t tick;		  /* number of the last sample, from 1; 0: none yet */
	double now_s, before_s;	  /* times of the last two samples */
	size_t told, told_before; /* sites told in them */
	struct snapshot snap;	  /* figures of the last sample */
	struct ledger ledger;	  /* likewise; its modules are owned */
	uint32_t why[CLASS_MAX];  /* texts of the ledger's rows */
	struct series *external;  /* owned */
	double *external_points;  /* owned: external as doubles */
	size_t external_count;
};

const char *replay_text_of(const json_t *o, const char *key); /* NULL when it is no text */
/* What is told there; for recordings that do not tell it, by the file name. */
enum module_kind replay_kind(const json_t *o, const char *key, const char *file_name);
uint64_t replay_number(const json_t *o, const char *key); /* FACT_UNKNOWN when it is none */
double replay_decimal(const json_t *o, const char *key);  /* NAN when it is none */
/* A text by number; what finds no room is counted and 0. -ENOMEM. */
int replay_intern(struct replay *p, const char *text, uint32_t *ret);
/* Finds or adds; SNAP_NO_MODULE without a name or room. build_id may be NULL. -ENOMEM. */
int replay_module(struct replay *p, const char *name, const char *build_id, uint32_t *ret);

/* Sites that the ended tick did not tell although it had room hold nothing. -ENOMEM. */
int replay_sites_settle(struct replay *p);
void replay_sites_done(struct replay *p);

/* The sites whose figures are known, and their stacks, into a view. -ENOMEM. */
int replay_sites_view(const struct replay *p, bool complete, struct replay_view *v);
