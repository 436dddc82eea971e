#include "sys/peek.h"

#include <errno.h>
#include <sys/uio.h>

#define PIECES 512

int peek_read(struct peek *p, uint64_t address, void *ret, size_t len)
{
	struct iovec into = { ret, len }, from = { (void *)(uintptr_t)address, len };
	ssize_t n;

	p->calls++;
	n = process_vm_readv(p->pid, &into, 1, &from, 1, 0);
	if (n == (ssize_t)len) {
		p->bytes += len;
		return 0;
	}
	p->failed++;
	return n < 0 ? -errno : -EFAULT;
}

int peek_u64(struct peek *p, uint64_t address, uint64_t *ret)
{
	uint64_t v;
	int r = peek_read(p, address, &v, sizeof(v));

	if (!r)
		*ret = v;
	return r;
}

int peek_u32(struct peek *p, uint64_t address, uint32_t *ret)
{
	uint32_t v;
	int r = peek_read(p, address, &v, sizeof(v));

	if (!r)
		*ret = v;
	return r;
}

/* One call, which ends at the first piece that is not mapped. The number of pieces it settled. */
static int read_some(struct peek *p, struct peek_at *at, size_t n)
{
	struct iovec into[PIECES], from[PIECES];
	size_t done = 0;
	ssize_t got;

	for (size_t i = 0; i < n; i++) {
		into[i] = (struct iovec){ at[i].into, at[i].len };
		from[i] = (struct iovec){ (void *)(uintptr_t)at[i].address, at[i].len };
		at[i].ok = false;
	}
	p->calls++;
	got = process_vm_readv(p->pid, into, n, from, n, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
	if (got < 0)
		got = 0;
	p->bytes += got;
	for (; done < n && (size_t)got >= at[done].len; done++) {
		got -= at[done].len;
		at[done].ok = true;
	}
	if (done == n)
		return done;
	p->failed++;
	return done + 1;
}

int peek_read_many(struct peek *p, struct peek_at *at, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t some = n - i < PIECES ? n - i : PIECES;
		int r = read_some(p, at + i, some);

		if (r < 0)
			return r;
		i += r;
	}
	return 0;
}
