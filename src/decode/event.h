/* A record from the kernel after its size and numbers were checked. Values only: copy it freely. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memtrace/wire.h"

struct event {
	enum mt_kind kind;
	union {
		struct mt_hdr hdr; /* every member begins with it */
		struct mt_ev_site site;
		struct mt_ev_sys sys;
		struct mt_ev_region region;
		struct mt_ev_code code;
		struct mt_ev_task task;
		struct mt_ev_alloc alloc;
		struct mt_ev_fault fault;
	};
};
