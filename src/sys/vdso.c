#include "sys/vdso.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/procio.h"

int vdso_copy(const char *root, uint32_t pid, uint64_t start, uint64_t end, int *ret)
{
	auto_close int mem = -1, file = -1;
	auto_free char *image = NULL;
	size_t size = end - start;
	int r;

	if (start >= end || end - start > VDSO_BYTES_MAX)
		return -EFBIG;
	image = malloc(size);
	if (!image)
		return -ENOMEM;
	r = procio_open(root, pid, "mem", &mem);
	if (r < 0)
		return r;
	if (pread(mem, image, size, (off_t)start) != (ssize_t)size)
		return -EIO;
	file = memfd_create("vdso", MFD_CLOEXEC);
	if (file < 0)
		return -errno;
	if (write(file, image, size) != (ssize_t)size)
		return -EIO;
	*ret = steal_fd(&file);
	return 0;
}
