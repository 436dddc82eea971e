/* Facts about memtrace's own process that the collector needs. */
#pragma once

/* Where in its executable file a function of ours lies. -ENOENT when no mapping of it holds it. */
int self_file_offset(const void *function, unsigned long *ret);

/* The kernel's type information. MEMTRACE_BTF in the environment names another file, for kernels
 * that were built without. */
const char *self_btf_path(void);
const char *self_btf_override(void); /* NULL when the kernel's own is used */
