/*
 * See debugfile.h. Places are tried one by one; the CRC of a file is computed in pieces, so that no
 * step takes long.
 */
#include "symbol/debugfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "sys/elf.h"
#include "sys/inside.h"

#define LINK_BYTES_MAX 4096
#define CRC_PIECE_BYTES ((size_t)256 << 10)
#define CRC_STEP_BYTES ((size_t)8 << 20)
#define DEBUG_FOLDER "/usr/lib/debug"

enum place_kind { BY_BUILD_ID, BESIDE, IN_FOLDER, BELOW_DEBUG, PLACE_KINDS };

struct debug_search {
	const struct elf_file *elf; /* borrowed */
	char *root[2];		    /* owned; NULL: not to be looked at */
	char *name, *build_id;	    /* owned; "" when not known */
	char *link;		    /* owned: of .gnu_debuglink; NULL without one */
	uint32_t link_crc;
	unsigned int next;	    /* place: root times PLACE_KINDS plus kind */
	struct elf_file *candidate; /* owned: its CRC is being computed */
	uint64_t crc_at;
	uint32_t crc;
	char *piece; /* owned */
	struct debug_refusals refused;
	char path[PATH_MAX]; /* of the last file that was found */
};

/* A section that begins with a text, and a NUL behind it. The caller frees *ret. */
static int read_text(const struct elf_file *f, const char *section, char **ret, size_t *ret_size)
{
	struct elf_bytes s;
	int r;

	r = elf_section(f, section, LINK_BYTES_MAX, &s);
	if (r < 0)
		return r;
	*ret = calloc(1, s.len + 1);
	if (*ret)
		memcpy(*ret, s.bytes, s.len);
	*ret_size = s.len;
	free(s.bytes);
	return *ret ? 0 : -ENOMEM;
}

/* A name without folders, a NUL, padding to four bytes, the CRC. */
static int read_link(struct debug_search *s)
{
	auto_free char *bytes = NULL;
	size_t size, len;
	int r;

	r = read_text(s->elf, ".gnu_debuglink", &bytes, &size);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	len = strlen(bytes);
	if (len == 0 || len > NAME_MAX || strchr(bytes, '/') || (len + 4) / 4 * 4 + 4 > size)
		return 0;
	memcpy(&s->link_crc, bytes + (len + 4) / 4 * 4, sizeof(s->link_crc));
	s->link = steal(bytes);
	return 0;
}

static char *copy_text(const char *text)
{
	return strdup(text ? text : "");
}

int debug_search_new(const struct elf_file *f, const struct debug_place *place,
		     struct debug_search **ret)
{
	auto_clean(debug_search_freep) struct debug_search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->elf = f;
	s->name = copy_text(place->name);
	s->build_id = copy_text(place->build_id);
	s->root[0] = copy_text(place->root);
	s->root[1] = copy_text(place->host);
	if (!s->name || !s->build_id || !s->root[0] || !s->root[1])
		return -ENOMEM;
	r = read_link(s);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void debug_search_free(struct debug_search *s)
{
	if (!s)
		return;
	free(s->root[0]);
	free(s->root[1]);
	free(s->name);
	free(s->build_id);
	free(s->link);
	free(s->piece);
	elf_close(s->candidate);
	free(s);
}

void debug_search_freep(struct debug_search **s)
{
	debug_search_free(*s);
	*s = NULL;
}

const char *debug_search_path(const struct debug_search *s)
{
	return s->path;
}

struct debug_refusals debug_search_refusals(const struct debug_search *s)
{
	return s->refused;
}

/* Failures of this process rather than of the file. */
static bool passes(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -EINTR;
}

/* must: without a build id it is refused; otherwise it only may not have another one. */
static int open_checked(int fd, const char *build_id, bool must, struct debug_refusals *count,
			struct elf_file **ret)
{
	auto_clean(elf_closep) struct elf_file *f = NULL;
	struct module_fact fact;
	int r;

	r = elf_open_debug_fd(fd, &f);
	if (r == 0 && elf_file_bytes(f) > DEBUG_FILE_BYTES_MAX)
		r = -EFBIG;
	if (r < 0) {
		count->broken += !passes(r);
		return passes(r) ? r : -ENOENT;
	}
	elf_describe(f, &fact);
	if (strcmp(fact.build_id, build_id) != 0 && (must || (fact.build_id[0] && build_id[0]))) {
		count->mismatched++;
		return -ENOENT;
	}
	*ret = steal(f);
	return 0;
}

static int open_path(const char *root, const char *path, const char *build_id, bool must,
		     struct debug_refusals *count, struct elf_file **ret)
{
	auto_close int fd = -1;
	struct stat st;
	int r = inside_open_linked(root, path, &st, &fd);

	if (r < 0) {
		count->broken += r == -EPERM;
		return passes(r) ? r : -ENOENT;
	}
	return open_checked(fd, build_id, must, count, ret);
}

int debug_file_open(int fd, const char *build_id, struct debug_refusals *count,
		    struct elf_file **ret)
{
	return open_checked(fd, build_id, true, count, ret);
}

/* "/usr/lib/debug/.build-id/ab/cdef.debug"; false when it does not fit or the id is too short. */
static bool build_id_path(const char *build_id, char *ret, size_t size)
{
	int n = snprintf(ret, size, DEBUG_FOLDER "/.build-id/%.2s/%s.debug", build_id,
			 build_id + strnlen(build_id, 2));

	return strlen(build_id) > 2 && n > 0 && (size_t)n < size;
}

/* The path of a place; false when there is nothing to try. */
static bool place_path(const struct debug_search *s, enum place_kind kind, char *ret, size_t size)
{
	const char *slash = strrchr(s->name, '/');
	int n, folder = slash ? (int)(slash - s->name) : 0;

	if (kind == BY_BUILD_ID)
		return build_id_path(s->build_id, ret, size);
	if (!s->link || !slash || s->name[0] != '/')
		return false;
	n = snprintf(ret, size, "%s%.*s%s/%s", kind == BELOW_DEBUG ? DEBUG_FOLDER : "", folder,
		     s->name, kind == IN_FOLDER ? "/.debug" : "", s->link);
	return n > 0 && (size_t)n < size;
}

/* Goes on with the CRC of the candidate. 0: it is the one; -ENOENT: it is not. */
static int compare_crc(struct debug_search *s)
{
	ssize_t n;

	if (!s->piece)
		s->piece = malloc(CRC_PIECE_BYTES);
	if (!s->piece)
		return -ENOMEM;
	for (size_t done = 0; done < CRC_STEP_BYTES; done += (size_t)n) {
		n = pread(elf_fd(s->candidate), s->piece, CRC_PIECE_BYTES, (off_t)s->crc_at);
		if (n < 0 && errno == EINTR)
			return -EAGAIN;
		if (n < 0 || s->crc_at > DEBUG_FILE_BYTES_MAX) {
			s->refused.broken++;
			return -ENOENT;
		}
		if (n == 0) {
			s->refused.mismatched += s->crc != s->link_crc;
			return s->crc == s->link_crc ? 0 : -ENOENT;
		}
		s->crc = (uint32_t)crc32(s->crc, (const Bytef *)s->piece, (uInt)n);
		s->crc_at += (uint64_t)n;
	}
	return -EAGAIN;
}

static int try_place(struct debug_search *s, struct elf_file **ret)
{
	const char *root = s->root[s->next / PLACE_KINDS];
	const enum place_kind kind = s->next % PLACE_KINDS;
	int r;

	if (!root[0] || !place_path(s, kind, s->path, sizeof(s->path)))
		return -ENOENT;
	r = open_path(root, s->path, s->build_id, kind == BY_BUILD_ID, &s->refused, ret);
	if (r < 0 || kind == BY_BUILD_ID)
		return r;
	s->candidate = steal(*ret);
	s->crc_at = 0;
	s->crc = (uint32_t)crc32(0, NULL, 0);
	return -EAGAIN;
}

static int compare_candidate(struct debug_search *s, struct elf_file **ret)
{
	int r = compare_crc(s);

	if (r == -EAGAIN || r == -ENOMEM)
		return r;
	if (r == 0)
		*ret = steal(s->candidate);
	elf_closep(&s->candidate);
	return r;
}

int debug_search_step(struct debug_search *s, struct elf_file **ret)
{
	int r;

	while (s->candidate || s->next < 2 * PLACE_KINDS) {
		r = s->candidate ? compare_candidate(s, ret) : try_place(s, ret);
		if (passes(r))
			return r;
		if (r == -EAGAIN && s->crc_at > 0)
			return r;
		if (r == -EAGAIN)
			continue;
		s->next++;
		if (r == 0)
			return 0;
	}
	return -ENOENT;
}

static void to_hex(const char *bytes, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		snprintf(ret + 2 * i, 3, "%02x", (unsigned char)bytes[i]);
}

/* The folder of path, unless name is absolute, then name. */
static bool join_path(const char *path, const char *name, char *ret, size_t size)
{
	const char *slash = name[0] != '/' && path ? strrchr(path, '/') : NULL;
	int n = snprintf(ret, size, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path ? path : "",
			 name);

	return n > 0 && (size_t)n < size && ret[0] == '/';
}

/* Content: a path and, behind its NUL, a build id. */
int debug_file_open_shared(const struct elf_file *f, const char *path_of_f,
			   const struct debug_place *place, struct debug_refusals *count,
			   struct elf_file **ret)
{
	const char *roots[] = { place->root, place->host };
	char id[sizeof(((struct module_fact *)0)->build_id)], path[PATH_MAX];
	auto_free char *link = NULL;
	size_t size, len;
	int r;

	r = read_text(f, ".gnu_debugaltlink", &link, &size);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	len = strlen(link) + 1;
	if (len >= size || (size - len) * 2 >= sizeof(id))
		return -ENOENT;
	to_hex(link + len, size - len, id);
	for (size_t i = 0; i < 2; i++) {
		if (!roots[i] || !roots[i][0])
			continue;
		r = -ENOENT;
		if (build_id_path(id, path, sizeof(path)))
			r = open_path(roots[i], path, id, true, count, ret);
		if (r == -ENOENT && join_path(path_of_f, link, path, sizeof(path)))
			r = open_path(roots[i], path, id, true, count, ret);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}
