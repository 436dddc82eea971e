/*
 * Residency by address. PAGEMAP_SCAN returns runs of pages with the same properties and skips what
 * has no page tables; it is asked for spans of neighbouring ranges, since one call costs more than
 * looking at a few hundred pages nobody asked for. Which of its forms the kernel has is found by
 * trying. Without it the entries of /proc/PID/pagemap are read one by one.
 */
#include "sys/residency.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/present.h"
#include "sys/procfs.h"
#include "sys/procio.h"

/* From linux/fs.h of 6.7 and later, in names of our own: older headers lack it. */
struct scan_region {
	uint64_t start, end, categories;
};
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
_Static_assert(sizeof(struct scan_arg) == 96, "layout of the kernel's pm_scan_arg");
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_PRESENT (1u << 3)
#define SCAN_SWAPPED (1u << 4)
#define SCAN_PFNZERO (1u << 5)
#define SCAN_HUGE (1u << 6)
#define SCAN_GUARD (1u << 8) /* 6.15 and later */

#define ENTRY_PFN ((UINT64_C(1) << 55) - 1)
#define ENTRY_GUARD (UINT64_C(1) << 58)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_PRESENT (UINT64_C(1) << 63)

/* Of one call, which keeps the process from mapping memory as long: some ms where all is resident.
 */
#define SPAN_BYTES (512ull << 20)
/* Where nothing was found the next call is of twice as much: 20 TB are reserved with ASan. */
#define SPAN_MAX (1ull << 40)
#define REGIONS 8192
#define ENTRIES 8192
#define SPAN_GAP (UINT64_C(1) << 20)
#define READ_BYTES (UINT64_C(64) << 30)
#define KERNEL_HALF (UINT64_C(1) << 63)
#ifdef __x86_64__
#define ADDRESS_END (UINT64_C(1) << 47) /* beyond: vsyscall, and what only 5-level tables hold */
#else
#define ADDRESS_END (UINT64_C(1) << 52)
#endif

/* Ranges still to be credited: regions come in order, so those behind are never looked at again. */
struct todo {
	struct residency *ranges;
	size_t count, at;
	struct present *present; /* NULL: not wanted */
};

static bool in_reach(const struct residency *r)
{
	return r->end <= ADDRESS_END;
}

static bool in_order(const struct residency *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ranges[i].start >= ranges[i].end)
			return false;
		if (i && ranges[i].start < ranges[i - 1].end)
			return false;
	}
	return true;
}

/* 0 for all, so that regions can be added up; unknown for what will not be asked about. */
static void reset_ranges(struct residency *ranges, size_t count, bool huge_told)
{
	for (size_t i = 0; i < count; i++) {
		struct residency *r = &ranges[i];

		/* The kernel's half holds no memory of a process: [vsyscall] is 0, not unknown. */
		r->resident_bytes = in_reach(r) || r->start >= KERNEL_HALF ? 0 : FACT_UNKNOWN;
		r->swapped_bytes = r->resident_bytes;
		r->huge_bytes = huge_told ? r->resident_bytes : FACT_UNKNOWN;
	}
}

static void set_unknown(struct residency *r)
{
	r->resident_bytes = r->swapped_bytes = FACT_UNKNOWN;
}

static void note_run(struct present *p, uint64_t categories, uint64_t start, uint64_t end)
{
	if (p && (categories & SCAN_PRESENT))
		present_add(&p->in, start, end);
	else if (p && (categories & SCAN_SWAPPED))
		present_add(&p->swapped, start, end);
}

static uint64_t overlap(const struct residency *r, uint64_t start, uint64_t end)
{
	uint64_t from = start > r->start ? start : r->start, to = end < r->end ? end : r->end;

	return from < to ? to - from : 0;
}

static void credit_region(struct todo *t, const struct scan_region *region)
{
	while (t->at < t->count && t->ranges[t->at].end <= region->start)
		t->at++;
	for (size_t i = t->at; i < t->count && t->ranges[i].start < region->end; i++) {
		struct residency *r = &t->ranges[i];
		uint64_t bytes = overlap(r, region->start, region->end);

		note_run(t->present, region->categories,
			 r->start > region->start ? r->start : region->start,
			 r->end < region->end ? r->end : region->end);
		if (region->categories & SCAN_PRESENT)
			r->resident_bytes += bytes;
		else if (region->categories & SCAN_SWAPPED)
			r->swapped_bytes += bytes;
		if (region->categories & SCAN_HUGE)
			r->huge_bytes += bytes;
	}
}

/* What is asked about together, and how much of it with the first call. */
struct scan_span {
	uint64_t start, end, step;
};

static int scan_span(int fd, uint64_t exclude, struct scan_region *regions, struct todo *t,
		     const struct scan_span *what)
{
	uint64_t page = sysconf(_SC_PAGESIZE), span = what->step, start = what->start & -page,
		 end = (what->end + page - 1) & -page;

	while (start < end) {
		struct scan_arg arg = {
			.size = sizeof(arg),
			.start = start,
			.end = end - start > span ? start + span : end,
			.vec = (uintptr_t)regions,
			.vec_len = REGIONS,
			.max_pages = SPAN_BYTES / page,
			.category_inverted = exclude,
			.category_mask = exclude,
			.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
			.return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_HUGE,
		};
		int n = ioctl(fd, SCAN_IOCTL, &arg);
		uint64_t reached;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n > REGIONS)
			return -EIO;
		for (int i = 0; i < n; i++)
			credit_region(t, &regions[i]);
		/* After 512 regions walk_end can stay behind what was returned (seen on 6.18). */
		reached =
			n && regions[n - 1].end > arg.walk_end ? regions[n - 1].end : arg.walk_end;
		if (reached <= start)
			return -EIO;
		start = reached;
		span = n ? what->step : span < SPAN_MAX ? 2 * span : span;
	}
	return 0;
}

/*
 * The ranges from `first` on that are asked about together; the first that is not. Where nothing
 * lies between them it is their bytes that count, however far apart they are: a process may have
 * thousands of small mappings all over its address space.
 */
static size_t next_span(const struct residency_cfg *cfg, const struct residency *ranges,
			size_t first, size_t count, struct scan_span *ret)
{
	struct scan_span s = { ranges[first].start, ranges[first].end, SPAN_BYTES };
	uint64_t bytes = s.end - s.start;
	size_t i;

	for (i = first + 1; i < count && in_reach(&ranges[i]); i++) {
		bytes += ranges[i].end - ranges[i].start;
		if (cfg->whole ? bytes > SPAN_BYTES : ranges[i].start - s.end > SPAN_GAP)
			break;
		s.end = ranges[i].end;
	}
	if (cfg->whole && i > first + 1)
		s.step = s.end - s.start;
	*ret = s;
	return i;
}

static int scan_ranges(const struct residency_cfg *cfg, int fd, uint64_t exclude,
		       struct residency *ranges, size_t count)
{
	struct todo t = { ranges, count, 0, cfg->present };
	auto_free struct scan_region *regions = NULL;
	size_t next;
	int r;

	regions = malloc(REGIONS * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	reset_ranges(ranges, count, true);
	for (size_t i = 0; i < count && in_reach(&ranges[i]); i = next) {
		struct scan_span span;

		next = next_span(cfg, ranges, i, count, &span);
		r = scan_span(fd, exclude, regions, &t, &span);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The zero page's frame, from a page of our own that was only read; 0 when frames are hidden. */
static uint64_t find_zero_frame(const char *root)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t entry = 0;
	auto_close int fd = -1;
	volatile char *own;
	uint32_t self;

	if (procfs_own_pid(root, &self) < 0 || procio_open(root, self, "pagemap", &fd) < 0)
		return 0;
	own = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return 0;
	(void)*own;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)own / page * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	munmap((void *)own, page);
	return entry & ENTRY_PRESENT ? entry & ENTRY_PFN : 0;
}

static uint64_t entry_category(uint64_t entry, uint64_t zero_frame)
{
	if (entry & ENTRY_PRESENT)
		return zero_frame && (entry & ENTRY_PFN) == zero_frame ? 0 : SCAN_PRESENT;
	return (entry & ENTRY_SWAPPED) && !(entry & ENTRY_GUARD) ? SCAN_SWAPPED : 0;
}

static void credit_entry(const struct residency_cfg *cfg, struct residency *r, uint64_t category,
			 uint64_t at, uint64_t page)
{
	uint64_t bytes = overlap(r, at, at + page), start = at > r->start ? at : r->start;

	note_run(cfg->present, category, start, start + bytes);
	if (category & SCAN_PRESENT)
		r->resident_bytes += bytes;
	else if (category & SCAN_SWAPPED)
		r->swapped_bytes += bytes;
}

static int read_range(const struct residency_cfg *cfg, int fd, struct residency *r,
		      uint64_t *entries, uint64_t zero_frame)
{
	uint64_t page = sysconf(_SC_PAGESIZE), at = r->start & -page;

	while (at < r->end) {
		uint64_t want = (r->end - at + page - 1) / page;
		ssize_t n;

		if (want > ENTRIES)
			want = ENTRIES;
		n = pread(fd, entries, want * sizeof(*entries), at / page * sizeof(*entries));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n < sizeof(*entries)) {
			set_unknown(r);
			return 0;
		}
		for (size_t i = 0; i < n / sizeof(*entries); i++, at += page)
			credit_entry(cfg, r, entry_category(entries[i], zero_frame), at, page);
	}
	return 0;
}

static int read_ranges(const struct residency_cfg *cfg, int fd, struct residency *ranges,
		       size_t count, struct residency_info *info)
{
	uint64_t left = cfg->max_read_bytes ? cfg->max_read_bytes : READ_BYTES;
	uint64_t zero_frame = find_zero_frame(cfg->root);
	auto_free uint64_t *entries = NULL;
	int r;

	entries = malloc(ENTRIES * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	reset_ranges(ranges, count, false);
	for (size_t i = 0; i < count && in_reach(&ranges[i]); i++) {
		uint64_t bytes = ranges[i].end - ranges[i].start;

		if (bytes > left) {
			set_unknown(&ranges[i]); /* a smaller one behind it may still fit */
			continue;
		}
		left -= bytes;
		r = read_range(cfg, fd, &ranges[i], entries, zero_frame);
		if (r < 0)
			return r;
	}
	info->source = RESIDENCY_PAGEMAP;
	info->zero_pages_told = zero_frame != 0;
	return 0;
}

/* True for the answers of a kernel that does not have the call, or not in this form. */
static bool not_supported(int r)
{
	return r == -ENOTTY || r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS;
}

int residency_read(const struct residency_cfg *cfg, uint32_t pid, struct residency *ranges,
		   size_t count, struct residency_info *ret)
{
	struct residency_info info = { .source = RESIDENCY_SCAN, .zero_pages_told = true };
	auto_close int fd = -1;
	uint64_t entry;
	int r;

	if (!in_order(ranges, count))
		return -EINVAL;
	r = procio_open(cfg->root, pid, "pagemap", &fd);
	if (r < 0)
		return r;
	r = cfg->no_scan ? -ENOTTY : scan_ranges(cfg, fd, SCAN_PFNZERO | SCAN_GUARD, ranges, count);
	if (r == -EINVAL)
		r = scan_ranges(cfg, fd, SCAN_PFNZERO, ranges, count);
	if (not_supported(r))
		r = read_ranges(cfg, fd, ranges, count, &info);
	if (r < 0)
		return r;
	/* After exec or exit the file stands for memory that is gone: zeros would be a lie. */
	if (pread(fd, &entry, sizeof(entry), 0) != sizeof(entry))
		return -ESRCH;
	for (size_t i = 0; i < count; i++)
		info.unknown += ranges[i].resident_bytes == FACT_UNKNOWN;
	*ret = info;
	return 0;
}
