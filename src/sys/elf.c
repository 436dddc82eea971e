/*
 * An open ELF file: getters, address translation, bytes of code (elf_headers.c fills it,
 * elf_symbols.c walks its symbols). Contents are read with pread(), never mapped: a file that is
 * truncated meanwhile gives an error, not a SIGBUS.
 */
#include "sys/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "sys/elf_impl.h"

int64_t elf_read_some(const struct elf_file *f, uint64_t offset, void *ret, size_t size)
{
	size_t done = 0;
	ssize_t n;

	if (offset > INT64_MAX - size)
		return -EBADMSG;
	while (done < size) {
		n = pread(f->fd, (char *)ret + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int elf_read_all(const struct elf_file *f, uint64_t offset, void *ret, size_t size)
{
	int64_t n = elf_read_some(f, offset, ret, size);

	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static int open_fd(int fd, bool sparse, struct elf_file **ret, struct err *err)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	int r;

	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->sparse = sparse;
	f->lent = calloc(1, sizeof(*f->lent));
	if (!f->lent)
		return -ENOMEM;
	f->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (f->fd < 0)
		return err_set(err, -errno, "cannot duplicate a descriptor: %s", strerror(errno));
	r = elf_read_headers(f);
	if (r == -ENOEXEC)
		return err_set(err, r, "not an ELF program or library for this machine");
	if (r < 0)
		return err_set(err, r, "cannot read the ELF headers: %s", strerror(-r));
	*ret = steal(f);
	return 0;
}

int elf_open_fd(int fd, struct elf_file **ret, struct err *err)
{
	return open_fd(fd, false, ret, err);
}

int elf_open_debug_fd(int fd, struct elf_file **ret)
{
	return open_fd(fd, true, ret, NULL);
}

void elf_close(struct elf_file *f)
{
	if (!f)
		return;
	close_fd(&f->fd);
	if (f->lent) {
		for (size_t i = 0; i < ELF_TABLES; i++)
			free(f->lent->strings[i]);
		for (size_t i = 0; i < f->lent->code_count; i++)
			free(f->lent->code[i].bytes);
		free(f->lent->code);
		free(f->lent);
	}
	free(f);
}

void elf_closep(struct elf_file **f)
{
	elf_close(*f);
	*f = NULL;
}

void elf_describe(const struct elf_file *f, struct module_fact *ret)
{
	struct module_fact fact = {};

	memcpy(fact.build_id, f->build_id, sizeof(fact.build_id));
	for (size_t i = 0; i < f->segment_count && fact.segment_count < MODULE_SEGMENTS; i++) {
		if (!f->segment[i].executable)
			continue;
		fact.segment[fact.segment_count].file_offset = f->segment[i].offset;
		fact.segment[fact.segment_count].vaddr = f->segment[i].vaddr;
		fact.segment[fact.segment_count].size = f->segment[i].file_bytes;
		fact.segment_count++;
	}
	*ret = fact;
}

uint16_t elf_machine(const struct elf_file *f)
{
	return f->machine;
}

bool elf_is_64(const struct elf_file *f)
{
	return f->is_64;
}

uint64_t elf_file_bytes(const struct elf_file *f)
{
	return f->file_bytes;
}

int elf_fd(const struct elf_file *f)
{
	return f->fd;
}

bool elf_is_go(const struct elf_file *f)
{
	return f->is_go;
}

bool elf_has_interpreter(const struct elf_file *f)
{
	return f->has_interpreter;
}

uint64_t elf_entry(const struct elf_file *f)
{
	return f->entry;
}

bool elf_has_symtab(const struct elf_file *f)
{
	return f->table[ELF_TABLE_SYMTAB].present;
}

int elf_find_bytes(const struct elf_file *f, uint64_t vaddr, uint64_t *ret_offset,
		   uint64_t *ret_left)
{
	for (size_t i = 0; i < f->segment_count; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->file_bytes)
			continue;
		*ret_offset = s->offset + (vaddr - s->vaddr);
		*ret_left = s->file_bytes - (vaddr - s->vaddr);
		return 0;
	}
	return -ENOENT;
}

int elf_vaddr_to_offset(const struct elf_file *f, uint64_t vaddr, uint64_t *ret)
{
	uint64_t left;

	return elf_find_bytes(f, vaddr, ret, &left);
}

/* Segments may share file pages: code is what callers ask about, so executable ones come first. */
int elf_offset_to_vaddr(const struct elf_file *f, uint64_t offset, uint64_t *ret)
{
	for (int executable = 1; executable >= 0; executable--) {
		for (size_t i = 0; i < f->segment_count; i++) {
			const struct elf_segment *s = &f->segment[i];

			if (s->executable != executable || offset < s->offset ||
			    offset - s->offset >= s->file_bytes)
				continue;
			*ret = s->vaddr + (offset - s->offset);
			return 0;
		}
	}
	return -ENOENT;
}

static const struct elf_segment *find_code(const struct elf_file *f, uint64_t vaddr)
{
	for (size_t i = 0; i < f->segment_count; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->executable && vaddr >= s->vaddr && vaddr - s->vaddr < s->file_bytes)
			return s;
	}
	return NULL;
}

static const struct elf_code_piece *find_lent(const struct elf_lent *l, uint64_t vaddr, size_t len)
{
	for (size_t i = 0; i < l->code_count; i++) {
		const struct elf_code_piece *p = &l->code[i];

		if (vaddr >= p->vaddr && vaddr - p->vaddr < p->len &&
		    p->len - (vaddr - p->vaddr) >= len)
			return p;
	}
	return NULL;
}

int elf_code(const struct elf_file *f, uint64_t vaddr, size_t max, const uint8_t **ret_bytes,
	     size_t *ret_len)
{
	const struct elf_segment *s = find_code(f, vaddr);
	const struct elf_code_piece *lent;
	struct elf_lent *l = f->lent;
	auto_free uint8_t *bytes = NULL;
	uint64_t left;
	int64_t n;
	int r;

	if (!s)
		return -ENOENT;
	left = s->file_bytes - (vaddr - s->vaddr);
	max = max > ELF_CODE_MAX ? ELF_CODE_MAX : max;
	max = max > left ? left : max;
	if (max == 0)
		return -EINVAL;
	lent = find_lent(l, vaddr, max);
	if (lent) {
		*ret_bytes = lent->bytes + (vaddr - lent->vaddr);
		*ret_len = max;
		return 0;
	}
	if (max > ELF_CODE_ALL_MAX - l->code_bytes)
		return -E2BIG;
	r = vec_reserve(&l->code, sizeof(*l->code), l->code_count, &l->code_cap, SIZE_MAX);
	if (r < 0)
		return r;
	bytes = malloc(max);
	if (!bytes)
		return -ENOMEM;
	n = elf_read_some(f, s->offset + (vaddr - s->vaddr), bytes, max);
	if (n <= 0)
		return n < 0 ? (int)n : -EBADMSG;
	*ret_bytes = bytes;
	*ret_len = (size_t)n;
	l->code_bytes += max;
	l->code[l->code_count++] = (struct elf_code_piece){ vaddr, (size_t)n, steal(bytes) };
	return 0;
}
