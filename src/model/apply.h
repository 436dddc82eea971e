/* Events as changes of the model; see model_apply(). Private to the model. */
#pragma once
#include <stdbool.h>

#include "decode/event.h"
#include "model/sites.h"

struct model;
struct proc;

int apply_event(struct model *m, const struct event *ev);

/* One system call on descriptors of process p. */
int apply_descriptor(struct model *m, struct proc *p, const struct mt_ev_sys *e);

bool apply_failed(const struct mt_ev_sys *e);
/* The site of what a call made; *ret NULL when it has none or an allocator made it. */
int apply_find_site(struct model *m, struct proc *p, const struct mt_ev_sys *e,
		    enum mt_site_kind kind, struct site **ret);
