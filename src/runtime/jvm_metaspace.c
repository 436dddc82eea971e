#include "runtime/jvm_metaspace.h"

#include "runtime/view.h"

#define BLOCK_BYTES (4ull << 20)
#define FIRST_MAJOR 16
#define CLASSES_MAX 2048 /* in one look: 2 to 4 ms */
#define PARTS_MAX 128	 /* looks for one walk: a list that long has no end */
#define LOOK_AGAIN 16	 /* looks between two walks */

static const struct hotspot_field wanted[JVM_META_FACTS] = {
	[JM_GRAPH] = { "ClassLoaderDataGraph", "_head" },
	[JM_NEXT_LOADER] = { "ClassLoaderData", "_next" },
	[JM_CLASSES] = { "ClassLoaderData", "_klasses" },
	[JM_NEXT_CLASS] = { "Klass", "_next_link" },
	[JM_LOADER] = { "Klass", "_class_loader_data" },
	[JM_LAYOUT] = { "Klass", "_layout_helper" },
	[JM_CONSTANTS] = { "InstanceKlass", "_constants" },
	[JM_HOLDER] = { "ConstantPool", "_pool_holder" },
};

void jvm_metaspace_learn(struct jvm_metaspace *m, struct hotspot_memory *memory, uint64_t structs,
			 uint32_t major)
{
	m->can = hotspot_fields(memory, structs, wanted, JVM_META_FACTS, m->fact) ==
			 JVM_META_FACTS &&
		 major >= FIRST_MAJOR;
}

/* --- the walk */

static bool is_known(const struct jvm_metaspace *m, uint64_t address)
{
	for (size_t i = 0; i < m->count; i++)
		if (address - m->block[i].start < BLOCK_BYTES)
			return true;
	return false;
}

/* The block around an address, if `witness` holds that word. */
static void take(struct jvm_metaspace *m, const struct process_view *v, uint64_t address,
		 uint64_t witness, uint64_t word)
{
	uint64_t there;

	if (m->count < METASPACE_BLOCKS_MAX && !is_known(m, address) &&
	    view_u64(v, witness, &there) == 0 && there == word)
		m->block[m->count++] =
			(struct meta_block){ address / BLOCK_BYTES * BLOCK_BYTES, witness, word };
}

/* Goes on to the next loader and its first class. False: there is none, or it cannot be read. */
static bool next_loader(struct jvm_metaspace *m, const struct process_view *v)
{
	uint64_t from = m->walking ? m->loader + m->fact[JM_NEXT_LOADER] : m->fact[JM_GRAPH];

	m->walking = true;
	return view_u64(v, from, &m->loader) == 0 && m->loader &&
	       view_u64(v, m->loader + m->fact[JM_CLASSES], &m->class) == 0;
}

/* What of a class is read at once, and the class behind it. */
static void look_at_class(struct jvm_metaspace *m, const struct process_view *v)
{
	uint64_t class = m->class, loader = 0, constants = 0;
	uint64_t least = UINT64_MAX, most = 0;
	int32_t layout = 0;
	struct peek_at at[] = {
		{ class + m->fact[JM_NEXT_CLASS], &m->class, sizeof(m->class), false },
		{ class + m->fact[JM_LOADER], &loader, sizeof(loader), false },
		{ class + m->fact[JM_LAYOUT], &layout, sizeof(layout), false },
		{ class + m->fact[JM_CONSTANTS], &constants, sizeof(constants), false },
	};

	m->class = 0; /* the next loader's, if this one cannot be read */
	for (int i = 0; i < 4; i++) {
		least = at[i].address < least ? at[i].address : least;
		most = at[i].address > most ? at[i].address : most;
	}
	if (most - least > 4096 || !view_has(v, least, most - least + 8) ||
	    peek_read_many(v->peek, at, 4) < 0 || loader != m->loader)
		m->class = 0;
	if (loader != m->loader)
		return;
	take(m, v, class, at[1].address, loader);
	if (layout > 0 && constants)
		take(m, v, constants, constants + m->fact[JM_HOLDER], class);
}

static void walk(struct jvm_metaspace *m, const struct process_view *v)
{
	if (m->wait) {
		m->wait--;
		return;
	}
	for (int i = 0; i < CLASSES_MAX; i++) {
		if (m->class) {
			look_at_class(m, v);
		} else if (!next_loader(m, v)) {
			m->parts = PARTS_MAX;
			break;
		}
	}
	if (++m->parts < PARTS_MAX)
		return; /* the rest at the next look */
	m->walking = false;
	m->class = m->loader = 0;
	m->parts = 0;
	m->wait = LOOK_AGAIN;
}

/* --- ranges */

/* Leaves out the blocks whose witness has gone. */
static int check_blocks(struct jvm_metaspace *m, const struct process_view *v)
{
	uint64_t word[METASPACE_BLOCKS_MAX];
	struct peek_at at[METASPACE_BLOCKS_MAX];
	size_t n = 0, kept = 0;
	int r;

	for (size_t i = 0; i < m->count; i++) {
		if (!view_has(v, m->block[i].witness, sizeof(word[0])))
			continue;
		m->block[n] = m->block[i];
		at[n] = (struct peek_at){ m->block[n].witness, &word[n], sizeof(word[0]), false };
		n++;
	}
	r = peek_read_many(v->peek, at, n);
	for (size_t i = 0; !r && i < n; i++)
		if (at[i].ok && word[i] == m->block[i].word)
			m->block[kept++] = m->block[i];
	m->count = kept;
	return r;
}

/* What of a block can be written; the archive of classes is a file's and stays that. */
static int add_block(const struct process_view *v, uint64_t start, struct inner_ranges *ranges)
{
	uint64_t end = start + BLOCK_BYTES;
	int r = 0;

	for (size_t i = 0; !r && i < v->maps->count && v->maps->vma[i].start < end; i++) {
		const struct vma *m = &v->maps->vma[i];
		uint64_t from = m->start > start ? m->start : start;

		if (m->end <= start || !m->writable || m->executable || m->shared || m->inode)
			continue;
		r = inner_ranges_add(ranges, from, m->end < end ? m->end : end, INNER_RUNTIME);
	}
	return r;
}

int jvm_metaspace_add(struct jvm_metaspace *m, const struct process_view *v,
		      struct inner_ranges *ranges)
{
	int r;

	if (!m->can)
		return 0;
	r = check_blocks(m, v);
	if (r)
		return r;
	walk(m, v);
	for (size_t i = 0; !r && i < m->count; i++)
		r = add_block(v, m->block[i].start, ranges);
	return r;
}
