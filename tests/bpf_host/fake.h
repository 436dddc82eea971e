/*
 * The machine under the BPF programs, on the host. Included once per test after the program.
 * Maps are found by the address of their declaration. A deleted value is poisoned and its memory
 * kept, so that use after delete is seen as 0xdd bytes, not by luck. User memory is a small table
 * of words. Nothing here knows memtrace's records.
 */
#pragma once
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FAKE_MAPS 32
#define FAKE_ENTRIES 4096
#define FAKE_POISON 0xdd
#define FAKE_VMAS 16

struct fake_entry {
	bool used;
	uint8_t key[16];
	uint8_t *value; /* owned */
};

static struct fake_map {
	void *id;
	size_t max;		  /* 0: as declared */
	long refuse;		  /* answer of the next update, once */
	struct fake_entry *entry; /* owned */
	size_t count;
} fake_maps[FAKE_MAPS];

static struct {
	uint64_t now_ns, pid_tgid, cookie, random;
	uint64_t func_ip; /* of the function that is probed */
	bool ring_full;
	size_t sent;
	uint8_t last[4096];
	struct {
		uint64_t addr, word;
	} memory[128];
	size_t words;
	uint64_t stack_start; /* of memory that can be read as a whole; 0: there is none */
	uint64_t stack_end;   /* 0: as large as it is */
	uint8_t stack[16384];
	size_t reads; /* of user memory */
	struct fake_vma {
		struct vm_area_struct vma;
		struct file file;
		struct inode inode;
		struct super_block sb;
	} vma[FAKE_VMAS];
	size_t vmas;
	long find_vma_answer; /* not 0: instead of looking */
	uint32_t shard[2][1 << 18];
	struct xol_area xol;
	struct mm_struct mm;
	struct uprobe_task utask;
	struct task_struct task;
	struct pt_regs regs;  /* the user's, of the current task */
	void *garbage[65536]; /* poisoned values, freed at reset */
	size_t garbage_count;
} fake;

static struct fake_map *fake_map_of(void *id)
{
	for (int i = 0; i < FAKE_MAPS; i++) {
		if (!fake_maps[i].id) {
			fake_maps[i].id = id;
			fake_maps[i].entry = calloc(FAKE_ENTRIES, sizeof(struct fake_entry));
		}
		if (fake_maps[i].id == id)
			return &fake_maps[i];
	}
	abort();
}

static void fake_reset(void)
{
	for (int i = 0; i < FAKE_MAPS; i++) {
		for (int k = 0; fake_maps[i].entry && k < FAKE_ENTRIES; k++)
			free(fake_maps[i].entry[k].value);
		free(fake_maps[i].entry);
	}
	for (size_t i = 0; i < fake.garbage_count; i++)
		free(fake.garbage[i]);
	memset(fake_maps, 0, sizeof(fake_maps));
	memset(&fake, 0, sizeof(fake));
	fake.task.mm = &fake.mm;
	fake.task.utask = &fake.utask;
	fake.mm.uprobes_state.xol_area = &fake.xol;
	fake.xol.vaddr = 0x7fffffffe000;
}

static struct fake_entry *fake_find(struct fake_map *m, const void *key, size_t ks)
{
	for (int i = 0; i < FAKE_ENTRIES; i++)
		if (m->entry[i].used && memcmp(m->entry[i].key, key, ks) == 0)
			return &m->entry[i];
	return NULL;
}

static struct fake_entry *fake_add(struct fake_map *m, const void *key, size_t ks, size_t vs)
{
	for (int i = 0; i < FAKE_ENTRIES; i++) {
		if (m->entry[i].used)
			continue;
		m->entry[i].used = true;
		memset(m->entry[i].key, 0, sizeof(m->entry[i].key));
		memcpy(m->entry[i].key, key, ks);
		m->entry[i].value = calloc(1, vs);
		m->count++;
		return &m->entry[i];
	}
	abort();
}

void *fake_lookup(void *map, const void *key, size_t ks, size_t vs, unsigned int type, size_t max)
{
	struct fake_map *m = fake_map_of(map);
	struct fake_entry *e = fake_find(m, key, ks);

	if (!e && type != BPF_MAP_TYPE_HASH &&
	    type != BPF_MAP_TYPE_LRU_HASH) { /* arrays have every element from the start */
		if (*(const uint32_t *)key >= (m->max ? m->max : max))
			return NULL;
		e = fake_add(m, key, ks, vs);
	}
	return e ? e->value : NULL;
}

long fake_update(void *map, const void *key, const void *value, size_t ks, size_t vs,
		 unsigned int type, size_t max, unsigned long flags)
{
	struct fake_map *m = fake_map_of(map);
	struct fake_entry *e = fake_find(m, key, ks);
	long r = m->refuse;

	m->refuse = 0;
	if (r)
		return r;
	if (e && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!e && type == BPF_MAP_TYPE_HASH && m->count >= (m->max ? m->max : max))
		return -E2BIG;
	if (!e)
		e = fake_add(m, key, ks, vs);
	memcpy(e->value, value, vs);
	return 0;
}

long fake_delete(void *map, const void *key, size_t ks, size_t vs)
{
	struct fake_map *m = fake_map_of(map);
	struct fake_entry *e = fake_find(m, key, ks);

	if (!e)
		return -ENOENT;
	memset(e->value, FAKE_POISON, vs);
	assert(fake.garbage_count < 65536);
	fake.garbage[fake.garbage_count++] = e->value;
	e->value = NULL;
	e->used = false;
	m->count--;
	return 0;
}

static uint8_t fake_reserved[sizeof(fake.last)];

void *bpf_ringbuf_reserve(void *map, uint64_t size, uint64_t flags)
{
	(void)map;
	(void)flags;
	assert(size <= sizeof(fake_reserved));
	memset(fake_reserved, FAKE_POISON, sizeof(fake_reserved)); /* real ones are not zeroed */
	return fake.ring_full ? NULL : fake_reserved;
}

void bpf_ringbuf_submit(void *data, uint64_t flags)
{
	(void)flags;
	memcpy(fake.last, data, sizeof(fake.last));
	fake.sent++;
}

long bpf_ringbuf_output(void *map, void *data, uint64_t size, uint64_t flags)
{
	(void)map;
	(void)flags;
	if (fake.ring_full)
		return -EAGAIN;
	memcpy(fake.last, data, size);
	fake.sent++;
	return 0;
}

uint64_t bpf_ringbuf_query(void *map, uint64_t what)
{
	(void)map;
	return what == BPF_RB_RING_SIZE ? 4096 : 0;
}

uint64_t bpf_ktime_get_ns(void)
{
	return fake.now_ns;
}

/* The same numbers in every run (PCG, O'Neill 2014). */
uint32_t bpf_get_prandom_u32(void)
{
	uint64_t old = fake.random;
	uint32_t x = ((old >> 18) ^ old) >> 27, turn = old >> 59;

	fake.random = old * 6364136223846793005ull + 1442695040888963407ull;
	return x >> turn | x << (-turn & 31);
}

uint64_t bpf_jiffies64(void)
{
	return fake.now_ns / 4000000;
}

uint64_t bpf_get_current_pid_tgid(void)
{
	return fake.pid_tgid;
}

uint32_t bpf_get_smp_processor_id(void)
{
	return 0;
}

uint64_t bpf_get_attach_cookie(void *ctx)
{
	(void)ctx;
	return fake.cookie;
}

/* Of the probe that was hit, at the return too. */
uint64_t bpf_get_func_ip(void *ctx)
{
	(void)ctx;
	return fake.func_ip;
}

struct task_struct *bpf_get_current_task_btf(void)
{
	return &fake.task;
}

long bpf_task_pt_regs(struct task_struct *task)
{
	(void)task;
	return (long)(intptr_t)&fake.regs;
}

static inline void fake_poke(uint64_t addr, uint64_t word)
{
	for (size_t i = 0; i < fake.words; i++) {
		if (fake.memory[i].addr == addr) {
			fake.memory[i].word = word;
			return;
		}
	}
	assert(fake.words < 128);
	fake.memory[fake.words].addr = addr;
	fake.memory[fake.words++].word = word;
}

/* A return probe takes the return address at sp away. */
static inline void fake_hide(uint64_t sp)
{
	static struct return_instance hidden;

	hidden.stack = sp;
	fake.utask.return_instances = &hidden;
	fake_poke(sp, fake.xol.vaddr);
}

/* A word of the stack that can be read as a whole. */
static inline void fake_push(uint64_t addr, uint64_t word)
{
	assert(addr >= fake.stack_start && addr + 8 <= fake.stack_start + sizeof(fake.stack));
	memcpy(fake.stack + (addr - fake.stack_start), &word, 8);
}

static bool fake_is_stack(uint64_t at, uint32_t size)
{
	return fake.stack_start && size <= sizeof(fake.stack) &&
	       at - fake.stack_start <= sizeof(fake.stack) - size &&
	       (!fake.stack_end || at + size <= fake.stack_end);
}

/* Word by word; a word that nobody wrote cannot be read. What cannot be read leaves zeros. */
long bpf_probe_read_user(void *to, uint32_t size, const void *from)
{
	uint64_t at = (uintptr_t)from;

	fake.reads++;
	if (fake_is_stack(at, size)) {
		memcpy(to, fake.stack + (at - fake.stack_start), size);
		return 0;
	}
	for (uint32_t done = 0; done < size; done += 8) {
		bool found = false;

		for (size_t i = 0; i < fake.words && !found; i++) {
			if (fake.memory[i].addr != (uintptr_t)from + done)
				continue;
			memcpy((uint8_t *)to + done, &fake.memory[i].word,
			       size - done < 8 ? size - done : 8);
			found = true;
		}
		if (found)
			continue;
		memset(to, 0, size);
		return -EFAULT;
	}
	return 0;
}

long bpf_probe_read_kernel(void *to, uint32_t size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

long bpf_loop(uint32_t n, void *fn, void *ctx, uint64_t flags)
{
	long (*step)(uint64_t, void *) = fn;
	uint32_t i;

	(void)flags;
	for (i = 0; i < n; i++)
		if (step(i, ctx))
			return i + 1;
	return i;
}

/* inode 0: no file. Returns it, for details. */
static inline struct fake_vma *fake_map(uint64_t start, uint64_t end, uint64_t flags,
					uint64_t inode, uint64_t pgoff)
{
	struct fake_vma *v = &fake.vma[fake.vmas++];

	assert(fake.vmas <= FAKE_VMAS);
	v->vma = (struct vm_area_struct){ .vm_start = start,
					  .vm_end = end,
					  .vm_flags = flags,
					  .vm_pgoff = pgoff,
					  .vm_mm = &fake.mm };
	if (inode)
		v->vma.vm_file = &v->file;
	v->file.f_inode = &v->inode;
	v->inode.i_ino = inode;
	v->inode.i_size = 1 << 20;
	v->inode.i_sb = &v->sb;
	v->sb.s_dev = 8 << 20 | 1;
	return v;
}

long bpf_find_vma(struct task_struct *task, uint64_t addr, void *fn, void *ctx, uint64_t flags)
{
	long (*seen)(struct task_struct *, struct vm_area_struct *, void *) = fn;

	(void)flags;
	if (fake.find_vma_answer)
		return fake.find_vma_answer;
	for (size_t i = 0; i < fake.vmas; i++)
		if (addr >= fake.vma[i].vma.vm_start && addr < fake.vma[i].vma.vm_end)
			return seen(task, &fake.vma[i].vma, ctx);
	return -ENOENT;
}

uint32_t *shard_words(uint32_t shard)
{
	return shard < 2 ? fake.shard[shard] : NULL;
}
