/* Notes to probes: addresses are corrected for prelinking and turned into file offsets. */
#include "sys/usdt.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/elf_impl.h"

#define OWNER "stapsdt"
#define NOTE_TYPE 3

static size_t padded(uint32_t n)
{
	return ((size_t)n + 3) & ~(size_t)3;
}

/* A text that ends within the bytes left; they are moved behind it. */
static const char *take_text(const uint8_t **at, size_t *left)
{
	const char *text = (const char *)*at;
	const uint8_t *end = memchr(*at, '\0', *left);

	if (!end)
		return NULL;
	*left -= end + 1 - *at;
	*at = end + 1;
	return text;
}

static bool read_note(const uint8_t *at, size_t len, struct usdt_note *ret)
{
	uint64_t address[3];

	if (len < sizeof(address))
		return false;
	memcpy(address, at, sizeof(address));
	at += sizeof(address);
	len -= sizeof(address);
	ret->location = address[0];
	ret->base = address[1];
	ret->semaphore = address[2];
	ret->provider = take_text(&at, &len);
	ret->name = ret->provider ? take_text(&at, &len) : NULL;
	ret->args = ret->name ? take_text(&at, &len) : NULL;
	return ret->args;
}

int usdt_each_note(const void *bytes, size_t len, int (*fn)(void *ctx, const struct usdt_note *n),
		   void *ctx)
{
	const uint8_t *at = bytes;
	struct usdt_note note;
	Elf64_Nhdr h;
	int r = 0;

	while (!r && len >= sizeof(h)) {
		const uint8_t *owner = at + sizeof(h);
		size_t whole;

		memcpy(&h, at, sizeof(h));
		whole = sizeof(h) + padded(h.n_namesz) + padded(h.n_descsz);
		if (whole > len)
			return -EBADMSG;
		if (h.n_type == NOTE_TYPE && h.n_namesz == sizeof(OWNER) &&
		    !memcmp(owner, OWNER, sizeof(OWNER)) &&
		    read_note(owner + padded(h.n_namesz), h.n_descsz, &note))
			r = fn(ctx, &note);
		at += whole;
		len -= whole;
	}
	return r;
}

struct search {
	const struct elf_file *f;
	const char *provider, *name;
	size_t args;
	uint64_t base; /* where .stapsdt.base is; 0: it is not */
	struct usdt_probes *ret;
};

/* File offset of something that is in the file, in code or not. */
static int offset_of(const struct elf_file *f, uint64_t vaddr, bool code, uint64_t *ret)
{
	for (size_t i = 0; i < f->segment_count; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->executable != code || vaddr < s->vaddr || vaddr - s->vaddr >= s->file_bytes)
			continue;
		*ret = s->offset + (vaddr - s->vaddr);
		return 0;
	}
	return -ENOENT;
}

static int resolve(const struct search *s, const struct usdt_note *n, struct usdt_probe *ret)
{
	uint64_t moved = s->base && n->base ? s->base - n->base : 0;
	int r = usdt_parse_args(n->args, s->args, &ret->spec);

	if (!r)
		r = offset_of(s->f, n->location + moved, true, &ret->location);
	ret->semaphore = 0;
	if (!r && n->semaphore)
		r = offset_of(s->f, n->semaphore + moved, false, &ret->semaphore);
	if (!r && ret->semaphore % sizeof(uint16_t)) /* the kernel would refuse all of them */
		r = -EINVAL;
	return r;
}

static int on_note(void *ctx, const struct usdt_note *n)
{
	struct search *s = ctx;
	struct usdt_probes *p = s->ret;

	if (strcmp(n->provider, s->provider) != 0 || strcmp(n->name, s->name) != 0)
		return 0;
	if (p->count == USDT_PROBES_MAX || resolve(s, n, &p->probe[p->count]))
		p->refused++;
	else
		p->count++;
	return 0;
}

int usdt_find(const struct elf_file *f, const char *provider, const char *name, size_t args,
	      struct usdt_probes *ret)
{
	auto_free struct usdt_probes *found = calloc(1, sizeof(*found));
	struct search s = { f, provider, name, args, 0, found };
	struct elf_bytes notes = {}, base = {};
	int r;

	if (!found)
		return -ENOMEM;
	if (!elf_is_64(f) || elf_machine(f) != EM_X86_64)
		return -ENOENT;
	r = elf_section(f, ".note.stapsdt", USDT_NOTES_BYTES_MAX, &notes);
	if (r)
		return r == -ENOMEM ? r : -ENOENT;
	r = elf_section(f, ".stapsdt.base", 4096, &base);
	if (!r)
		s.base = base.vaddr;
	free(base.bytes);
	if (r != -ENOMEM) /* what comes before a broken note is as good as it is */
		usdt_each_note(notes.bytes, notes.len, on_note, &s);
	free(notes.bytes);
	if (r == -ENOMEM)
		return r;
	if (!found->count && !found->refused)
		return -ENOENT;
	*ret = *found;
	return 0;
}
