/*
 * BPF helpers as ordinary functions over ordinary memory (see fake.c's head for what they do).
 * Maps keep their declared types, so that key and value sizes are taken from the declaration.
 */
#pragma once
#include <string.h>

#define SEC(name) __attribute__((unused))
#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define barrier_var(v) __asm__ volatile("" : "+r"(v))

#define FAKE_UINT(m, field) (sizeof(*(m)->field) / sizeof(int))

void *fake_lookup(void *map, const void *key, size_t ks, size_t vs, unsigned int type, size_t max);
long fake_update(void *map, const void *key, const void *value, size_t ks, size_t vs,
		 unsigned int type, size_t max, unsigned long flags);
long fake_delete(void *map, const void *key, size_t ks, size_t vs);

#define bpf_map_lookup_elem(m, k)                                                         \
	fake_lookup((m), (k), sizeof(*(m)->key), sizeof(*(m)->value), FAKE_UINT(m, type), \
		    FAKE_UINT(m, max_entries))
#define bpf_map_update_elem(m, k, v, f)                                                        \
	fake_update((m), (k), (v), sizeof(*(m)->key), sizeof(*(m)->value), FAKE_UINT(m, type), \
		    FAKE_UINT(m, max_entries), (f))
#define bpf_map_delete_elem(m, k) fake_delete((m), (k), sizeof(*(m)->key), sizeof(*(m)->value))

void *bpf_ringbuf_reserve(void *map, uint64_t size, uint64_t flags);
void bpf_ringbuf_submit(void *data, uint64_t flags);
long bpf_ringbuf_output(void *map, void *data, uint64_t size, uint64_t flags);
uint64_t bpf_ringbuf_query(void *map, uint64_t what);
uint64_t bpf_ktime_get_ns(void);
uint64_t bpf_jiffies64(void);
uint32_t bpf_get_prandom_u32(void);
uint64_t bpf_get_current_pid_tgid(void);
uint32_t bpf_get_smp_processor_id(void);
uint64_t bpf_get_attach_cookie(void *ctx);
uint64_t bpf_get_func_ip(void *ctx);
struct task_struct *bpf_get_current_task_btf(void);
long bpf_task_pt_regs(struct task_struct *task);
long bpf_probe_read_user(void *to, uint32_t size, const void *from);
long bpf_probe_read_kernel(void *to, uint32_t size, const void *from);
long bpf_loop(uint32_t n, void *fn, void *ctx, uint64_t flags);
long bpf_find_vma(struct task_struct *task, uint64_t addr, void *fn, void *ctx, uint64_t flags);
