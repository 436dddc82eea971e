/*
 * Compares the rows of src/unwind with what libdw says, at every row boundary of either side, and
 * the packed tables with the rows; prints sizes and build times.
 *   tables compare PATH...   files, and folders with all that is in them, each file once
 *   tables sizes FILE...     one line per file
 * Exit 1 when something differs or nothing was compared.
 */
#include <elf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <ftw.h>
#include <gelf.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/elf.h"
#include "theirs.h"
#include "unwind/table.h"

#define SHOWN_MAX 10 /* differences of one file */
#define BUILDS 5     /* of one file, of which the fastest counts */

struct totals {
	size_t files, without, fdes, rows, points, differences, unread, outside, gaps;
	size_t refused[CFI_REFUSED_MAX];
	size_t refused_files;
	double ours_s, theirs_s;
};

struct file {
	const char *path;
	const struct elf_file *ours;
	Dwarf *dwarf;
	Dwarf_CFI *eh, *debug;
	struct cfi_rows rows;
	struct unwind_table table;
	const struct mt_unwind_rule *rules;
	struct totals *sum;
	uint64_t *starts; /* owned: of functions */
	size_t start_count, start_cap;
	size_t shown;
};

static struct totals sum;
static struct unwind_dict *dict;
static void *seen; /* inodes, a tree */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const char *format_rule(struct mt_unwind_rule r, char *buf, size_t size)
{
	static const char *const cfa[] = { "frame", "end", "sp",     "bp",	   "*sp",
					   "*bp",   "plt", "signal", "unsupported" };

	snprintf(buf, size, "%s%+d bp %d%+d", r.cfa < 9 ? cfa[r.cfa] : "?", r.off, r.bp, r.bp_off);
	return buf;
}

static void differ(struct file *f, uint64_t vaddr, const char *what, struct mt_unwind_rule ours,
		   struct mt_unwind_rule theirs)
{
	char a[64], b[64];

	f->sum->differences++;
	if (f->shown++ < SHOWN_MAX)
		printf("%s %#llx: ours %s, %s %s\n", f->path, (unsigned long long)vaddr,
		       format_rule(ours, a, sizeof(a)), what, format_rule(theirs, b, sizeof(b)));
}

static Dwarf_Frame *find_frame(struct file *f, uint64_t vaddr)
{
	Dwarf_Frame *frame = NULL;

	if (f->eh && dwarf_cfi_addrframe(f->eh, vaddr, &frame) == 0)
		return frame;
	if (f->debug && dwarf_cfi_addrframe(f->debug, vaddr, &frame) == 0)
		return frame;
	return NULL;
}

/* frame: what libdw knows at vaddr; NULL when nothing, which to us is the rule without table. */
static void compare_at(struct file *f, uint64_t vaddr, Dwarf_Frame *frame)
{
	const struct mt_unwind_rule ours = cfi_rule_at(&f->rows, vaddr);
	struct mt_unwind_rule theirs = {}, packed;
	size_t next;
	uint64_t offset;

	if (elf_vaddr_to_offset(f->ours, vaddr, &offset) < 0) {
		f->sum->outside++;
		return;
	}
	f->sum->points++;
	packed = f->rules[unwind_table_find(&f->table, offset)];
	if (memcmp(&packed, &ours, sizeof(ours)) != 0)
		differ(f, vaddr, "packed", ours, packed);
	if (frame)
		theirs = theirs_rule(frame);
	if (memcmp(&ours, &theirs, sizeof(ours)) == 0)
		return;
	/* A small gap between two functions belongs to the first. */
	next = cfi_find_row(&f->rows, vaddr);
	if (!frame && next < f->rows.count && f->rows.row[next].vaddr - vaddr <= CFI_GAP_MAX)
		f->sum->gaps++;
	else
		differ(f, vaddr, frame ? "libdw" : "libdw has nothing:", ours, theirs);
}

/* Row by row as libdw counts them, from a function's first address to the next function. */
static void compare_function(struct file *f, uint64_t start, uint64_t next)
{
	Dwarf_Addr to = start;
	Dwarf_Frame *frame;

	for (uint64_t at = start; at < next && (frame = find_frame(f, at)); at = to) {
		compare_at(f, at, frame);
		dwarf_frame_info(frame, NULL, &to, NULL);
		free(frame);
		if (to <= at)
			return;
	}
}

static void add_start(void *ctx, uint64_t start)
{
	struct file *f = ctx;

	if (f->start_count == f->start_cap) {
		f->start_cap = f->start_cap ? f->start_cap * 2 : 1024;
		f->starts = reallocarray(f->starts, f->start_cap, sizeof(*f->starts));
		if (!f->starts)
			exit(1);
	}
	f->starts[f->start_count++] = start;
}

static int compare_numbers(const void *pa, const void *pb)
{
	const uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return a < b ? -1 : a > b;
}

static void compare_their_rows(struct file *f)
{
	qsort(f->starts, f->start_count, sizeof(*f->starts), compare_numbers);
	for (size_t i = 0; i < f->start_count; i++)
		compare_function(f, f->starts[i],
				 i + 1 < f->start_count ? f->starts[i + 1] : UINT64_MAX);
	free(f->starts);
}

static void compare_our_rows(struct file *f)
{
	for (size_t i = 0; i < f->rows.count; i++) {
		Dwarf_Frame *frame = find_frame(f, f->rows.row[i].vaddr);

		compare_at(f, f->rows.row[i].vaddr, frame);
		free(frame);
	}
}

static void find_functions(struct file *f, Elf *e)
{
	Elf_Scn *section = NULL;
	GElf_Shdr sh;
	size_t names;

	if (elf_getshdrstrndx(e, &names) < 0)
		return;
	while ((section = elf_nextscn(e, section)) && gelf_getshdr(section, &sh)) {
		const char *name = elf_strptr(e, names, sh.sh_name);
		struct theirs_section s = { .ident = elf_getident(e, NULL), .vaddr = sh.sh_addr };

		if (!name || sh.sh_type == SHT_NOBITS)
			continue;
		s.eh = strcmp(name, ".eh_frame") == 0;
		if (!s.eh && (strcmp(name, ".debug_frame") != 0 || !f->debug))
			continue;
		if (sh.sh_flags & SHF_COMPRESSED)
			elf_compress(section, 0, 0);
		s.data = elf_getdata(section, NULL);
		if (s.data && s.data->d_buf)
			f->sum->unread += theirs_each_function(&s, add_start, f);
	}
}

static void compare_file(struct file *f, int fd)
{
	Elf *e = elf_begin(fd, ELF_C_READ_MMAP_PRIVATE, NULL);
	const double began = now_s();

	if (!e)
		return;
	f->eh = dwarf_getcfi_elf(e);
	/* Of Go's .debug_frame we take nothing, on purpose. */
	f->dwarf = elf_is_go(f->ours) ? NULL : dwarf_begin_elf(e, DWARF_C_READ, NULL);
	f->debug = f->dwarf ? dwarf_getcfi(f->dwarf) : NULL;
	find_functions(f, e);
	compare_their_rows(f);
	compare_our_rows(f);
	if (f->dwarf)
		dwarf_end(f->dwarf);
	if (f->eh)
		dwarf_cfi_end(f->eh);
	elf_end(e);
	sum.theirs_s += now_s() - began;
}

static void count_refused(const struct file *f)
{
	size_t all = 0;

	for (int i = 0; i < CFI_REFUSED_MAX; i++) {
		sum.refused[i] += f->table.refused[i];
		all += f->table.refused[i];
		if (f->table.refused[i])
			printf("%s: %zu refused: %s\n", f->path, f->table.refused[i],
			       unwind_refused_name(i));
	}
	sum.refused_files += all != 0;
}

/* A dictionary per file: comparing a whole machine must not fill a single one. */
static int compare_ours(int fd, const struct elf_file *ours, const char *path)
{
	struct file f = { .path = path, .ours = ours, .sum = &sum };
	const double began = now_s();
	size_t rule_count;
	int r;

	unwind_dict_free(dict);
	r = unwind_dict_new(&dict);
	if (r == 0)
		r = cfi_read(ours, &f.rows, NULL);
	if (r == 0)
		r = unwind_table_pack(ours, &f.rows, dict, &f.table);
	sum.ours_s += now_s() - began;
	if (r < 0) {
		printf("%s: %s\n", path, strerror(-r));
		sum.differences++;
	} else {
		f.rules = unwind_dict_rules(dict, &rule_count);
		sum.files++;
		sum.fdes += f.rows.fdes;
		sum.rows += f.rows.count;
		sum.without += f.rows.count == 0;
		count_refused(&f);
		compare_file(&f, fd);
		unwind_table_done(&f.table);
	}
	cfi_rows_done(&f.rows);
	return 0;
}

static int compare_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct elf_file *ours = NULL;

	if (fd < 0)
		return 0;
	if (elf_open_fd(fd, &ours, NULL) == 0 && elf_is_64(ours) && elf_machine(ours) == EM_X86_64)
		compare_ours(fd, ours, path);
	elf_close(ours);
	close(fd);
	return 0;
}

static int compare_inodes(const void *pa, const void *pb)
{
	const struct stat *a = pa, *b = pb;

	if (a->st_ino != b->st_ino)
		return a->st_ino < b->st_ino ? -1 : 1;
	return a->st_dev < b->st_dev ? -1 : a->st_dev > b->st_dev;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	struct stat *copy;

	(void)where;
	if (type != FTW_F || !S_ISREG(st->st_mode) || tfind(st, &seen, compare_inodes))
		return 0;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return 1;
	*copy = *st;
	tsearch(copy, &seen, compare_inodes);
	return compare_path(path);
}

static int compare_all(int count, char **paths)
{
	for (int i = 0; i < count; i++) {
		char *real = realpath(paths[i], NULL);

		if (real)
			nftw(real, visit, 32, FTW_PHYS);
		free(real);
	}
	tdestroy(seen, free);
	unwind_dict_free(dict);
	printf("%zu files (%zu without tables), %zu functions, %zu rows, %zu points compared: "
	       "%zu differences\n",
	       sum.files, sum.without, sum.fdes, sum.rows, sum.points, sum.differences);
	printf("%zu points in gaps of %u bytes and less, %zu in no load segment, %zu entries not "
	       "read by this program, %zu files with something refused\n",
	       sum.gaps, CFI_GAP_MAX, sum.outside, sum.unread, sum.refused_files);
	printf("tables built in %.2f s, compared in %.1f s\n", sum.ours_s, sum.theirs_s);
	return sum.differences || sum.points == 0;
}

static uint64_t section_kib(const struct elf_file *f)
{
	struct elf_bytes b;
	size_t len;

	if (elf_eh_frame(f, CFI_SECTION_BYTES_MAX, &b) < 0)
		return 0;
	len = b.len;
	free(b.bytes);
	return len / 1024;
}

static uint64_t text_kib(const struct elf_file *f)
{
	struct elf_code_segment s[8];
	size_t n = elf_code_segments(f, s, 8);
	uint64_t bytes = 0;

	for (size_t i = 0; i < n && i < 8; i++)
		bytes += s[i].bytes;
	return bytes / 1024;
}

/* Of this thread, so that other load on the machine counts little. */
static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* From an open descriptor to a packed table, the fastest of several; -1 when it failed. */
static double build_ms(int fd, struct unwind_dict *d, struct unwind_table *ret)
{
	double best = -1;

	for (int i = 0; i < BUILDS; i++) {
		const double began = cpu_s();
		struct elf_file *f = NULL;
		double ms;
		int r;

		unwind_table_done(ret);
		r = elf_open_fd(fd, &f, NULL);
		if (r == 0)
			r = unwind_table_build(f, d, ret, NULL);
		elf_close(f);
		ms = (cpu_s() - began) * 1e3;
		if (r < 0)
			return -1;
		best = best < 0 || ms < best ? ms : best;
	}
	return best;
}

static int print_sizes(int count, char **paths)
{
	size_t rule_count = 0, words = 0;
	double total = 0, ms;

	if (unwind_dict_new(&dict) < 0)
		return 1;
	printf("%-16s %9s %9s %8s %8s %10s %6s %9s\n", "file", "text KiB", "eh KiB", "FDEs", "rows",
	       "packed KiB", "pieces", "CPU ms");
	for (int i = 0; i < count; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		const char *name = strrchr(paths[i], '/');
		struct unwind_table t = {};
		struct elf_file *f = NULL;

		if (fd < 0 || elf_open_fd(fd, &f, NULL) < 0 || (ms = build_ms(fd, dict, &t)) < 0) {
			printf("%-16.40s cannot be read\n", paths[i]);
		} else {
			printf("%-16.16s %9llu %9llu %8zu %8zu %10zu %6zu %9.2f\n",
			       name ? name + 1 : paths[i], (unsigned long long)text_kib(f),
			       (unsigned long long)section_kib(f), t.fdes, t.rows,
			       t.words * 4 / 1024, t.count, ms);
			words += t.words;
			total += ms;
		}
		unwind_table_done(&t);
		elf_close(f);
		if (fd >= 0)
			close(fd);
	}
	unwind_dict_rules(dict, &rule_count);
	printf("all: %zu KiB packed, %zu rules, %.1f ms of CPU time\n", words * 4 / 1024,
	       rule_count, total);
	unwind_dict_free(dict);
	return words == 0;
}

int main(int argc, char **argv)
{
	elf_version(EV_CURRENT);
	if (argc >= 3 && strcmp(argv[1], "compare") == 0)
		return compare_all(argc - 2, argv + 2);
	if (argc >= 3 && strcmp(argv[1], "sizes") == 0)
		return print_sizes(argc - 2, argv + 2);
	fprintf(stderr, "usage: %s compare PATH... | sizes FILE...\n", argv[0]);
	return 2;
}
