/* The descriptor table of a process, by the task_file iterator. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "base/cleanup.h"
#include "collect/collector_impl.h"

#define FDS_MAX 65536

static void link_freep(struct bpf_link **l)
{
	bpf_link__destroy(*l);
}

/* Reads until the end or the limit; the iterator restarts reads at record boundaries. */
static int read_all(int fd, struct mt_fd **ret, size_t *ret_count)
{
	auto_free struct mt_fd *list = NULL;
	size_t used = 0, room = 0;
	ssize_t n;

	do {
		if (used + sizeof(*list) * 64 > room) {
			room = room ? room * 2 : sizeof(*list) * 256;
			void *more = realloc(list, room);

			if (!more)
				return -ENOMEM;
			list = more;
		}
		n = read(fd, (char *)list + used, room - used);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		used += n > 0 ? n : 0;
	} while (n != 0 && used / sizeof(*list) < FDS_MAX);
	*ret_count = used / sizeof(*list);
	*ret = steal(list);
	return 0;
}

int collector_fds(struct collector *c, uint32_t tgid, struct mt_fd **ret, size_t *ret_count)
{
	union bpf_iter_link_info info = { .task = { .pid = tgid } };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	auto_clean(link_freep) struct bpf_link *link = NULL;
	auto_close int fd = -1;

	if (!c->has_fd_iter)
		return -EOPNOTSUPP;
	link = bpf_program__attach_iter(c->skel->progs.mt_fdtable, &opts);
	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0)
		return fd;
	return read_all(fd, ret, ret_count);
}
