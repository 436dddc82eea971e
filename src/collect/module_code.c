/* SPDX-License-Identifier: GPL-2.0-only */
#include "collect/module_code.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/search.h"
#include "collect/points.h"
#include "collect/probe_x86.h"

#define TABLE_BYTES_MAX ((size_t)8 << 20)
#define STUB_BYTES 16
#define REACH_DEPTH 1 /* calls of calls */
/* What looking up a callee takes, in the time of decoding one instruction. */
#define RELOCATIONS_OF_WORK 128
#define IFUNC_WORK 16384 /* all symbols are read */

void module_code_freep(struct module_code **m)
{
	if (!*m)
		return;
	free((*m)->function);
	free((*m)->relocation[0].bytes);
	free((*m)->relocation[1].bytes);
	free((*m)->symbols.bytes);
	free((*m)->names.bytes);
	free((*m)->allocates);
	free(*m);
	*m = NULL;
}

static bool take_work(struct module_code *m, uint64_t work)
{
	if (work > m->work_left) {
		m->work_left = 0;
		return false;
	}
	m->work_left -= work;
	return true;
}

/* The function that holds vaddr; false when none does, or more than one. */
static bool find_function(const struct module_code *m, uint64_t vaddr, struct cfi_range *ret)
{
	size_t low = search_first(m->functions, i, m->function[i].start <= vaddr);

	if (!low || vaddr >= m->function[low - 1].end ||
	    (low < m->functions && m->function[low].start < m->function[low - 1].end))
		return false;
	*ret = m->function[low - 1];
	return true;
}

static size_t bytes_at(void *ctx, uint64_t vaddr, const uint8_t **ret)
{
	struct module_code *m = ctx;
	struct cfi_range function;
	size_t len;

	if (!find_function(m, vaddr, &function) || function.end - vaddr > sizeof(m->bytes))
		return 0;
	len = (size_t)(function.end - vaddr);
	if (elf_read_at(m->f, vaddr, m->bytes, len) != (int64_t)len)
		return 0;
	*ret = m->bytes;
	return len;
}

/* Where a stub of the procedure linkage table takes its target from; false when it is none. */
static bool stub_slot(const struct module_code *m, uint64_t vaddr, uint64_t *ret)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint8_t b[STUB_BYTES];
	size_t i = 0;

	if (elf_read_at(m->f, vaddr, b, sizeof(b)) != (int64_t)sizeof(b))
		return false;
	if (memcmp(b, endbr64, sizeof(endbr64)) == 0)
		i += sizeof(endbr64);
	if (b[i] == 0xf2) /* bnd */
		i++;
	if (b[i] != 0xff || b[i + 1] != 0x25)
		return false;
	*ret = vaddr + i + 6 + (uint64_t)(int64_t)probe_x86_rel32(b + i + 2);
	return true;
}

struct ifunc {
	uint64_t resolver;
	enum flow_callee callee;
};

static enum flow_callee callee_of_name(const char *name)
{
	static const char *const ends[] = { "abort", "exit", "_exit", "__assert_fail",
					    "__stack_chk_fail" };
	static const char *const gives_back[] = { "memset", "memcpy", "memmove" };
	const size_t len = strcspn(name, "@");
	const struct point *row = points_find(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strlen(ends[i]) == len && memcmp(name, ends[i], len) == 0)
			return FLOW_CALLEE_ENDS;
	for (size_t i = 0; i < sizeof(gives_back) / sizeof(gives_back[0]); i++)
		if (strlen(gives_back[i]) == len && memcmp(name, gives_back[i], len) == 0)
			return FLOW_CALLEE_GIVES_BACK;
	return row && row->call.fn != MT_FN_FREE ? FLOW_CALLEE_ALLOCATES : FLOW_CALLEE_PLAIN;
}

static int on_ifunc(void *ctx, const struct elf_symbol *s)
{
	struct ifunc *i = ctx;

	if (!s->ifunc || s->vaddr != i->resolver)
		return 0;
	i->callee = callee_of_name(s->name);
	return i->callee != FLOW_CALLEE_PLAIN;
}

/* A symbol of the dynamic table that need not be defined here. */
static enum flow_callee callee_of_symbol(const struct module_code *m, uint32_t index)
{
	Elf64_Sym sym;

	if (index >= m->symbols.len / sizeof(sym))
		return FLOW_CALLEE_ALLOCATES;
	memcpy(&sym, m->symbols.bytes + index * sizeof(sym), sizeof(sym));
	if (sym.st_name >= m->names.len ||
	    !memchr(m->names.bytes + sym.st_name, 0, m->names.len - sym.st_name))
		return FLOW_CALLEE_ALLOCATES;
	return callee_of_name((const char *)m->names.bytes + sym.st_name);
}

/* What is not known might be malloc() itself. */
static enum flow_callee callee_of_slot(struct module_code *m, uint64_t slot)
{
	struct ifunc ifunc;
	Elf64_Rela rela;

	for (unsigned t = 0; t < 2; t++) {
		if (!take_work(m, m->relocation[t].len / sizeof(rela) / RELOCATIONS_OF_WORK))
			return FLOW_CALLEE_ALLOCATES;
		for (size_t at = 0; at + sizeof(rela) <= m->relocation[t].len; at += sizeof(rela)) {
			memcpy(&rela, m->relocation[t].bytes + at, sizeof(rela));
			if (rela.r_offset != slot)
				continue;
			if (ELF64_R_TYPE(rela.r_info) != R_X86_64_IRELATIVE)
				return callee_of_symbol(m, ELF64_R_SYM(rela.r_info));
			if (!take_work(m, IFUNC_WORK))
				return FLOW_CALLEE_ALLOCATES;
			ifunc = (struct ifunc){ .resolver = (uint64_t)rela.r_addend };
			elf_each_function(m->f, on_ifunc, &ifunc);
			return ifunc.callee;
		}
	}
	return FLOW_CALLEE_ALLOCATES;
}

static bool is_one_of(uint64_t vaddr, const uint64_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == vaddr)
			return true;
	return false;
}

static enum flow_callee callee_at(void *ctx, uint64_t vaddr)
{
	struct module_code *m = ctx;
	enum flow_callee callee = FLOW_CALLEE_PLAIN;
	uint64_t slot;

	for (size_t i = 0; i < m->memos; i++)
		if (m->memo[i].vaddr == vaddr)
			return m->memo[i].callee;
	if (!take_work(m, MODULE_CODE_CALLEE))
		return FLOW_CALLEE_ALLOCATES;
	if (is_one_of(vaddr, m->allocates, m->allocations))
		callee = FLOW_CALLEE_ALLOCATES;
	else if (stub_slot(m, vaddr, &slot))
		callee = callee_of_slot(m, slot);
	if (m->memos < MODULE_CODE_MEMOS) {
		m->memo[m->memos].vaddr = vaddr;
		m->memo[m->memos++].callee = callee;
	}
	return callee;
}

static int take(int r)
{
	return r == -ENOMEM ? r : 0;
}

int module_code_new(const struct elf_file *f, uint64_t *allocates, size_t allocations,
		    struct module_code **ret)
{
	auto_clean(module_code_freep) struct module_code *m = calloc(1, sizeof(*m));

	if (!m) {
		free(allocates);
		return -ENOMEM;
	}
	m->f = f;
	m->allocates = allocates;
	m->allocations = allocations;
	m->work_left = MODULE_CODE_WORK;
	m->code = (struct flow_code){ m, bytes_at, callee_at };
	if (take(cfi_functions(f, &m->function, &m->functions)) ||
	    take(elf_section(f, ".rela.plt", TABLE_BYTES_MAX, &m->relocation[0])) ||
	    take(elf_section(f, ".rela.dyn", TABLE_BYTES_MAX, &m->relocation[1])) ||
	    take(elf_section(f, ".dynsym", TABLE_BYTES_MAX, &m->symbols)) ||
	    take(elf_section(f, ".dynstr", TABLE_BYTES_MAX, &m->names)))
		return -ENOMEM;
	*ret = steal(m);
	return 0;
}

struct reach {
	struct module_code *m;
	const uint64_t *target; /* NULL: what allocates */
	size_t targets;
};

static bool is_target(const struct reach *r, uint64_t vaddr)
{
	return r->target ? is_one_of(vaddr, r->target, r->targets)
			 : callee_at(r->m, vaddr) == FLOW_CALLEE_ALLOCATES;
}

/* Every direct call and jump of code, which is decoded from its beginning. */
static bool may_reach(const struct reach *r, uint64_t vaddr, size_t len, unsigned depth)
{
	auto_clean(probe_decoder_done) struct probe_decoder d = {};
	auto_free uint8_t *code = malloc(len ? len : 1);
	struct cfi_range function;
	struct insn insn;

	if (!code || !len || elf_read_at(r->m->f, vaddr, code, len) != (int64_t)len ||
	    !probe_decoder_init(&d, PROBE_X86_64))
		return true;
	for (size_t at = 0; at < len; at += insn.len) {
		if (!take_work(r->m, 1) || !probe_decode(&d, code + at, len - at, vaddr + at))
			return true;
		probe_insn_read(&d, PROBE_NOPS_STEPPED, &insn);
		if (r->target && !depth &&
		    (insn.kind == INSN_UNCLEAR || insn.kind == INSN_CALL_INDIRECT))
			return true;
		if (insn.kind < INSN_JUMP || insn.kind > INSN_CALL ||
		    (insn.target >= vaddr && insn.target < vaddr + len))
			continue;
		if (is_target(r, insn.target))
			return true;
		if (depth < REACH_DEPTH && find_function(r->m, insn.target, &function) &&
		    function.end - function.start <= MODULE_CODE_BYTES &&
		    may_reach(r, function.start, (size_t)(function.end - function.start),
			      depth + 1))
			return true;
	}
	return false;
}

bool module_code_may_reach(struct module_code *m, uint64_t vaddr, size_t len,
			   const uint64_t *target, size_t targets)
{
	const struct reach r = { m, target, targets };

	return len > MODULE_CODE_BYTES || may_reach(&r, vaddr, len, 0);
}

bool module_code_allocates(struct module_code *m, uint64_t vaddr, size_t len)
{
	const struct reach r = { .m = m };

	return len > MODULE_CODE_BYTES || may_reach(&r, vaddr, len, 0);
}
