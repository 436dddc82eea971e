/* Files that a tracee maps: described, searched for allocators, probed, and asked for names. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct frame_request;
struct tracee;

struct exe_facts {
	bool is_32bit;
	bool is_go;
	bool is_static;
};

/* What the executable of a process is. -ESRCH, -EACCES, -ENOEXEC. */
int modules_scan_exe(const char *proc, uint32_t pid, struct exe_facts *ret);

/* Every file that the model has not seen described yet. */
int modules_scan(struct tracee *t);

/* Finds the name of one frame, or leaves it open when the time of this tick is spent. */
void modules_scan_name(struct tracee *t, const struct frame_request *frame);
