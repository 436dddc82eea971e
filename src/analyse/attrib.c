/*
 * Attribution by stacks. Assumes that frames come innermost first and that a module index may be
 * anything: one out of range counts as no module. Confidences are fixed per kind of evidence and
 * only order the answers; they are not measured frequencies.
 */
#include "analyse/attrib.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/glob.h"
#include "analyse/peers.h"
#include "analyse/plumbing.h"
#include "analyse/rules.h"
#include "analyse/service.h"
#include "analyse/thread_stack.h"
#include "base/cleanup.h"

#define NO_FRAME UINT32_MAX

/* What a walk from the innermost frame found. */
struct walk {
	uint32_t owner;	  /* first frame that is not plumbing; NO_FRAME when there is none */
	uint32_t wrapper; /* outermost wrapper frame with a module; NO_FRAME when there is none */
	uint32_t stray;	  /* first native frame outside every module */
	uint32_t package; /* outermost generated code of a package, passed; NO_FRAME: none */
	bool nameless;	  /* the owner is a wrapper: generated code without a name called it */
	bool through_wrapper;	    /* a wrapper was passed before the owner */
	const struct rule *buffers; /* the innermost one that hands out buffers, passed likewise */
	enum collected collected;   /* the innermost one that says so */
	const struct rule *kind;    /* the innermost wrapper's that tells a kind */
	uint32_t kind_module;	    /* where that one is */
};

#define STAYED_S 5     /* requests that are answered end before */
#define VOTERS_LEAST 4 /* sockets */

struct votes {
	uint64_t sockets, databases, websockets;
};

/* Sockets of one site that are open now. */
struct tally {
	uint64_t site_id;
	size_t site;			 /* index into snapshot.sites */
	struct votes all, heard, lately; /* of which it was heard what is spoken */
};

static const struct snap_module *frame_module(const struct snapshot *s, const struct snap_frame *f)
{
	return f->module < s->module_count ? &s->modules[f->module] : NULL;
}

static bool frame_is_managed(const struct snap_frame *f)
{
	return f->kind == FRAME_JIT || f->kind == FRAME_INTERPRETED;
}

static enum collected collected_by(const struct rule *rule)
{
	switch (rule ? rule->what : RULE_NONE) {
	case RULE_buffers:
	case RULE_collected: return COLLECTED_ANY;
	case RULE_collected_late: return COLLECTED_LATE;
	case RULE_heap: return COLLECTED_WITH_HEAP;
	default: return COLLECTED_NOT;
	}
}

/* What the walk passes on its way. */
static void pass_rule(struct walk *w, const struct snap_site *site, uint32_t i,
		      const struct rule *rule)
{
	const struct snap_frame *f = &site->stack.frames[i];

	if (!rule)
		return;
	if (!w->collected)
		w->collected = collected_by(rule);
	if (rule->what == RULE_buffers && !w->buffers)
		w->buffers = rule;
	if (rule->kind != RULE_NO_KIND && !w->kind) {
		w->kind = rule;
		w->kind_module = f->module;
	}
}

static bool opens_descriptors(const struct snap_site *site)
{
	return site->kind == MT_SITE_FD || site->kind == MT_SITE_SOCKET;
}

/* Whoever uses a package to open a connection has to end it. */
static bool is_package(const struct snap_site *site, const struct snap_frame *f)
{
	return opens_descriptors(site) && frame_is_managed(f) && f->file &&
	       strstr(f->file, "/node_modules/");
}

static enum plumbing plumbing_of(const struct snapshot *s, const struct snap_site *site,
				 const struct snap_frame *f, const struct rule **ret_rule)
{
	bool whole_allocators = site->kind != MT_SITE_HEAP || site->touched;
	struct snap_module source = { .name = f->file };

	return plumbing_find(s->rules, frame_is_managed(f) ? &source : frame_module(s, f),
			     f->symbol, whole_allocators, ret_rule);
}

/* The walk came to frame i, or to the end. */
static void end_walk(const struct snap_site *site, uint32_t i, struct walk *w)
{
	const struct snap_frame *f = &site->stack.frames[i];
	bool there = i < site->stack.count;

	if (w->package != NO_FRAME && (!there || !frame_is_managed(f)))
		w->owner = w->package; /* the loop called it, nobody of the program */
	else if (there && frame_is_managed(f) && !f->symbol && w->wrapper != NO_FRAME)
		w->owner = w->wrapper;
	else if (there)
		w->owner = i;
	w->nameless = w->owner != NO_FRAME && w->owner == w->wrapper;
}

static struct walk walk_stack(const struct snapshot *s, const struct snap_site *site)
{
	struct walk w = { .owner = NO_FRAME,
			  .wrapper = NO_FRAME,
			  .stray = NO_FRAME,
			  .package = NO_FRAME,
			  .kind_module = SNAP_NO_MODULE };
	uint32_t i;

	for (i = 0; i < site->stack.count; i++) {
		const struct snap_frame *f = &site->stack.frames[i];
		const struct snap_module *m = frame_module(s, f);
		const struct rule *rule;
		enum plumbing is;

		if (f->kind == FRAME_KERNEL)
			continue;
		is = plumbing_of(s, site, f, &rule);
		pass_rule(&w, site, i, rule);
		if (is == PLUMBING_WRAPPER && m)
			w.wrapper = i;
		w.through_wrapper |= is == PLUMBING_WRAPPER;
		if (is != PLUMBING_NONE)
			continue;
		if (is_package(site, f))
			w.package = i;
		else if (m || f->symbol || frame_is_managed(f))
			break;
		else if (w.stray == NO_FRAME)
			w.stray = i;
	}
	end_walk(site, i, &w);
	return w;
}

bool attrib_is_through_allocator(const struct snapshot *s, const struct snap_site *site)
{
	if (site->kind != MT_SITE_MMAP && site->kind != MT_SITE_BRK)
		return false;
	for (uint32_t i = 0; i < site->stack.count; i++) {
		const struct snap_frame *f = &site->stack.frames[i];

		if (plumbing_gives_out(s->rules, frame_module(s, f), f->symbol))
			return true;
	}
	return false;
}

static uint32_t find_main_exe(const struct snapshot *s)
{
	uint32_t i;

	for (i = 0; i < s->module_count; i++) {
		if (s->modules[i].main_exe)
			return i;
	}
	return SNAP_NO_MODULE;
}

static struct owner owner_is(uint32_t module, uint32_t frame, double confidence, const char *why)
{
	return (struct owner){ .class = CLASS_application,
			       .module = module,
			       .frame = frame,
			       .holder = frame,
			       .confidence = confidence,
			       .evidence = why };
}

static struct owner owner_in_frame(const struct snapshot *s, const struct snap_site *site,
				   const struct walk *w)
{
	const struct snap_frame *f = &site->stack.frames[w->owner];

	if (w->nameless)
		return owner_is(f->module, w->owner, 0.8,
				"called by generated code that has no name");
	if (frame_is_managed(f) && f->symbol) {
		struct owner o = owner_is(SNAP_NO_MODULE, w->owner, 0.9,
					  "first function of the program behind the allocator and "
					  "the runtime");

		if (w->wrapper < w->owner)
			o.holder = w->wrapper;
		return o;
	}
	if (!frame_module(s, f))
		return owner_is(SNAP_NO_MODULE, w->owner, 0.6,
				"asked for by generated code outside every module");
	if (!f->symbol)
		return owner_is(f->module, w->owner, 0.85,
				"first module behind the allocator; its function has no name");
	if (w->through_wrapper)
		return owner_is(f->module, w->owner, 0.9,
				"first function behind the allocator and known wrappers");
	return owner_is(f->module, w->owner, 0.95, "first function behind the allocator");
}

/* Every frame is plumbing, or nothing is known of it. */
static struct owner owner_of_plumbing(const struct snapshot *s, const struct snap_site *site,
				      const struct walk *w)
{
	bool complete = site->stack.end == MT_END_start;

	if (w->wrapper != NO_FRAME)
		return owner_is(site->stack.frames[w->wrapper].module, w->wrapper,
				complete ? 0.6 : 0.5,
				"only wrappers are on the stack; the outermost one owns it");
	if (w->stray != NO_FRAME)
		return owner_is(SNAP_NO_MODULE, w->stray, 0.4,
				"asked for by code outside every module");
	if (complete)
		return owner_is(find_main_exe(s), 0, 0.3,
				"only allocator and C library frames are on the stack");
	return owner_is(find_main_exe(s), 0, 0.2,
			"the stack ends inside the allocator or the C library; "
			"the main program is a guess");
}

/* A library, as opposed to the program itself or code without a file. */
static bool owner_is_library(const struct snapshot *s, const struct owner *o)
{
	return o->module != SNAP_NO_MODULE && !s->modules[o->module].main_exe;
}

/* What the thread library asked for is the thread's, whoever wanted it: its stack, its variables.
 */
static bool is_for_thread(const struct snap_site *site, const struct owner *o)
{
	size_t create = thread_stack_create_frame(&site->stack);

	return create != SIZE_MAX && create <= o->frame;
}

/* What a system call made needs no stack to be classified; the owner still says who called. */
static void set_class(const struct snapshot *s, const struct snap_site *site, struct owner *o)
{
	if (site->touched == TOUCHED_FILE || site->touched == TOUCHED_SHM) {
		o->class = site->touched == TOUCHED_FILE ? CLASS_mapped_files : CLASS_shared_memory;
		return;
	}
	switch (site->kind) {
	case MT_SITE_FD: o->class = CLASS_file_handles; break;
	case MT_SITE_SOCKET: o->class = CLASS_network_connections; break;
	case MT_SITE_THREAD: o->class = CLASS_thread_stacks; break;
	default:
		if (is_for_thread(site, o)) {
			o->class = CLASS_thread_stacks;
			o->evidence = site->kind == MT_SITE_MMAP
					      ? "a stack, mapped where the thread was created"
					      : "a thread's own, asked for where it was created";
			return;
		}
		if (o->class == CLASS_application &&
		    (owner_is_library(s, o) || o->kind != MODULE_OTHER))
			o->class = CLASS_native_modules;
		return;
	}
	o->confidence = 1;
	o->evidence = "by the kind of the system call";
}

static int compare_tallies(const void *a, const void *b)
{
	const struct tally *x = a, *y = b;

	return (x->site_id > y->site_id) - (x->site_id < y->site_id);
}

static void vote(struct votes *v, const struct peer *p)
{
	v->sockets++;
	v->databases += p->class == CLASS_database_connections;
	v->websockets += p->class == CLASS_websocket_connections;
}

/* Came in the second half of the time, and stayed: what gathers, where there is more that does not.
 */
static bool is_lately(const struct snapshot *s, const struct snap_fd *fd)
{
	return fd->opened_s >= s->elapsed_s / 2 && s->elapsed_s - fd->opened_s >= STAYED_S;
}

/* Sockets by what they are for: one pass over the descriptors, joined by site id. */
static void count_sockets(const struct snapshot *s, struct tally *list, size_t count)
{
	size_t i;

	for (i = 0; i < s->fd_count; i++) {
		struct tally key = { .site_id = s->fds[i].site_id }, *t;
		struct peer p;

		if (s->fds[i].fact.kind != FD_SOCKET || !key.site_id)
			continue;
		t = bsearch(&key, list, count, sizeof(*list), compare_tallies);
		if (!t)
			continue;
		p = peers_find(&s->fds[i].fact);
		vote(&t->all, &p);
		if (!peers_is_heard(&s->fds[i].fact))
			continue;
		vote(&t->heard, &p);
		if (is_lately(s, &s->fds[i]))
			vote(&t->lately, &p);
	}
}

/* Those that were silent while somebody listened have no say, if enough others have. */
static const struct votes *voters(const struct tally *t)
{
	if (t->lately.sockets >= VOTERS_LEAST)
		return &t->lately;
	return t->heard.sockets >= VOTERS_LEAST ? &t->heard : &t->all;
}

/* One site of a server accepts websockets beside others, and leaks those that are not closed. */
static void set_socket_class(struct owner *owners, const struct tally *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		struct owner *o = &owners[list[i].site];
		const struct votes *v = voters(&list[i]);

		if (v->databases > v->sockets / 2) {
			o->class = CLASS_database_connections;
			o->evidence = "most open sockets of this site lead to a database server";
		} else if (v->websockets > v->sockets / 2) {
			o->class = CLASS_websocket_connections;
			o->evidence = "most open sockets of this site are websockets";
		} else {
			continue;
		}
		o->confidence = 0.9;
	}
}

enum module_kind attrib_find_kind(const struct rules *rules, const char *file_name)
{
	const struct snap_module m = { .name = file_name };
	const struct rule *rule = plumbing_find_kind(rules, &m, NULL);

	return rule ? service_rule_kind(rule) : MODULE_OTHER;
}

/* Who opens a descriptor through a library of some kind has to close it. */
static void step_out(const struct snapshot *s, const struct snap_site *site, struct owner *o)
{
	uint32_t i = o->frame + 1;

	if (o->kind == MODULE_OTHER)
		return;
	for (; i < site->stack.count; i++) {
		const struct snap_frame *f = &site->stack.frames[i];

		if (f->kind == FRAME_KERNEL || f->module == o->module ||
		    plumbing_of(s, site, f, NULL) != PLUMBING_NONE)
			continue;
		if (!frame_module(s, f) ? !f->symbol
					: plumbing_runs_others(s->rules, frame_module(s, f)))
			return;
		o->frame = i;
		o->module = f->module;
		return;
	}
}

/* Whose the memory is in the end: buffers' callers own them, libraries are used by others. */
static void refine(const struct snapshot *s, const struct snap_site *site, const struct walk *w,
		   struct owner *o)
{
	bool same = w->kind && w->kind_module == o->module;

	if (w->buffers) {
		o->class = CLASS_buffers;
		o->rule = w->buffers;
		o->evidence = "handed out by the runtime's allocator of buffers";
		return;
	}
	if (w->owner == NO_FRAME) /* only plumbing */
		return;
	service_find(s, &site->stack, same ? w->kind : NULL, o);
	if (opens_descriptors(site))
		step_out(s, site, o);
}

/* The function that owns it may be beyond those that were passed. */
static enum collected find_collected(const struct snapshot *s, const struct snap_site *site,
				     const struct walk *w, const struct owner *o)
{
	const struct snap_frame *f = &site->stack.frames[o->frame];
	const struct rule *rule = NULL;

	if (!w->collected && o->frame != o->holder)
		plumbing_find(s->rules, frame_module(s, f), f->symbol, false, &rule);
	return w->collected ? w->collected : collected_by(rule);
}

struct owner attrib_find_owner(const struct snapshot *s, const struct snap_site *site)
{
	struct walk w = walk_stack(s, site);
	struct owner o;

	if (!site->stack.count) {
		o = owner_is(SNAP_NO_MODULE, 0, 0.1, "the allocation was seen without its stack");
		o.class = CLASS_unexplained;
	} else if (w.owner != NO_FRAME) {
		o = owner_in_frame(s, site, &w);
		refine(s, site, &w, &o);
		o.collected = find_collected(s, site, &w, &o);
	} else {
		o = owner_of_plumbing(s, site, &w);
		refine(s, site, &w, &o);
		o.collected = w.collected;
	}
	set_class(s, site, &o);
	return o;
}

int attrib_find_owners(const struct snapshot *s, struct owner *ret)
{
	auto_free struct tally *tallies = NULL;
	size_t count = 0, i;

	if (s->fd_count && s->site_count) {
		tallies = calloc(s->site_count, sizeof(*tallies));
		if (!tallies)
			return -ENOMEM;
	}
	for (i = 0; i < s->site_count; i++) {
		ret[i] = attrib_find_owner(s, &s->sites[i]);
		if (tallies && s->sites[i].kind == MT_SITE_SOCKET)
			tallies[count++] = (struct tally){ .site_id = s->sites[i].id, .site = i };
	}
	if (!count)
		return 0;
	qsort(tallies, count, sizeof(*tallies), compare_tallies);
	count_sockets(s, tallies, count);
	set_socket_class(ret, tallies, count);
	return 0;
}
