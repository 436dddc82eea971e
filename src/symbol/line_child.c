/*
 * See line_child.h. Before the first byte of a file is read, everything is given up that the child
 * does not need: descriptors, user, memory, system calls. A file that is truncated while it is
 * mapped, or one that leads libdw astray, costs this process and nothing else.
 */
#include "symbol/line_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "symbol/dwarf_reader.h"
#include "sys/fdpass.h"

#define NOBODY 65534
#define HEAP_BYTES_MAX ((rlim_t)768 << 20) /* files are mapped and do not count */
#define SOCKET_BYTES (2 << 20)

#ifdef __x86_64__
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* The sanitizers need more memory and more system calls. */
#ifdef __SANITIZE_ADDRESS__
#define CONFINED false
#else
#define CONFINED true
#endif

struct slot {
	struct dwarf_reader *reader; /* owned; NULL: could not be opened */
	int error;
	int fd[2]; /* owned; -1 */
};

struct child {
	int socket;
	struct slot slot[LINE_SLOTS];
	char out[LINE_ANSWER_BYTES];
	size_t used;
};

static const int allowed[] = {
	SYS_read,	SYS_pread64,	     SYS_lseek,	     SYS_fstat,	       SYS_close,
	SYS_fcntl,	SYS_sendmsg,	     SYS_recvmsg,    SYS_mmap,	       SYS_munmap,
	SYS_mremap,	SYS_mprotect,	     SYS_madvise,    SYS_brk,	       SYS_futex,
	SYS_getrusage,	SYS_clock_gettime,   SYS_getrandom,  SYS_rt_sigreturn, SYS_rt_sigprocmask,
	SYS_exit_group, SYS_restart_syscall, SYS_newfstatat,
};

#define ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

/* Other calls fail with EACCES: libdw likes to look for further files by itself. */
static int confine(void)
{
	struct sock_filter filter[ALLOWED + 6] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { ALLOWED + 6, filter };

	for (size_t i = 0; i < ALLOWED; i++)
		filter[4 + i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i],
							     (uint8_t)(ALLOWED - i), 0);
	filter[4 + ALLOWED] =
		(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES);
	filter[5 + ALLOWED] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static void offer_to_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		errno = 0; /* then as likely as memtrace itself */
	close(fd);
}

static int drop_user(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return -errno;
	return 0;
}

/* Nothing but the socket, which becomes descriptor 3, and standard error for sanitizers. */
static int drop_descriptors(int socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int last = CONFINED ? 2 : 1;

	if (null < 0)
		return -errno;
	for (int fd = 0; fd <= last; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (socket != 3 && dup2(socket, 3) < 0)
		return -errno;
	return syscall(SYS_close_range, 4u, ~0u, 0u) < 0 ? -errno : 0;
}

static int give_up_all(int socket, int parent)
{
	const struct rlimit none = { 0, 0 }, heap = { HEAP_BYTES_MAX, HEAP_BYTES_MAX };
	const int bytes = SOCKET_BYTES;
	int r;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL); /* what cannot be changed needs no change */
	/* Answers wait there until the parent's next tick; less is slower, no more. */
	if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	offer_to_oom_killer();
	r = drop_descriptors(socket);
	if (r == 0)
		r = drop_user();
	if (r < 0)
		return r;
	/* After the user, whose change takes it back. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		return -ESRCH;
	prctl(PR_SET_NAME, "memtrace-lines");
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (!CONFINED)
		return 0;
	if (setrlimit(RLIMIT_DATA, &heap) < 0)
		return -errno;
	return confine();
}

static void put(struct child *c, const void *bytes, size_t n)
{
	if (n > 0)
		memcpy(c->out + c->used, bytes, n);
	c->used += n;
}

static size_t text_bytes(const char *text)
{
	size_t n = text ? strnlen(text, LINE_TEXT_BYTES) : 0;

	return n < LINE_TEXT_BYTES ? n : 0;
}

/* False when there is no room, also not for a frame without texts. */
static bool put_frame(struct child *c, const struct line_frame *f)
{
	size_t symbol = text_bytes(f->symbol), file = text_bytes(f->file);
	struct line_answer_frame out = { .line = f->line, .inlined = f->inlined };
	size_t room = sizeof(c->out) - c->used;

	if (room < sizeof(out))
		return false;
	room -= sizeof(out);
	symbol = symbol <= room ? symbol : 0;
	file = file <= room - symbol ? file : 0;
	out.symbol_bytes = (uint16_t)symbol;
	out.file_bytes = (uint16_t)file;
	put(c, &out, sizeof(out));
	put(c, f->symbol, symbol);
	put(c, f->file, file);
	return true;
}

static int send_answer(struct child *c, int error, const struct line_frame *frames, size_t count)
{
	struct line_answer_head head = { .error = error };
	struct iovec part = { c->out, 0 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct rusage used;
	ssize_t n;

	if (getrusage(RUSAGE_SELF, &used) == 0)
		head.cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 +
			      (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;

	c->used = sizeof(head);
	for (size_t i = 0; i < count && put_frame(c, &frames[i]); i++)
		head.frames++;
	memcpy(c->out, &head, sizeof(head));
	part.iov_len = c->used;
	do
		n = sendmsg(c->socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static void close_slot(struct slot *s)
{
	dwarf_reader_closep(&s->reader);
	for (int i = 0; i < 2; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		s->fd[i] = -1;
	}
}

static int answer(struct child *c, const struct line_question *q, const int fd[2])
{
	struct line_frame frames[LINE_FRAMES_MAX];
	struct slot *s = &c->slot[q->slot];
	size_t count = 0;
	int r;

	if (q->files > 0) {
		close_slot(s);
		s->fd[0] = fd[0];
		s->fd[1] = fd[1];
		s->error = dwarf_reader_open(fd[0], fd[1], &s->reader);
	}
	r = s->reader ? dwarf_reader_find(s->reader, q->vaddr, frames, &count) : s->error;
	return send_answer(c, r, frames, count);
}

/* False at the end of the conversation. */
static bool receive(struct child *c, struct line_question *q, int fd[static FDPASS_MAX])
{
	return fdpass_receive(c->socket, q, sizeof(*q), fd, 0) == sizeof(*q) &&
	       q->slot < LINE_SLOTS && q->files == (fd[0] >= 0) + (fd[1] >= 0);
}

_Noreturn void line_child_run(int socket, int parent)
{
	struct child c = { .socket = 3 };
	struct line_question q;
	int fd[FDPASS_MAX];

	for (size_t i = 0; i < LINE_SLOTS; i++)
		c.slot[i] = (struct slot){ .error = -EBADF, .fd = { -1, -1 } };
	if (give_up_all(socket, parent) < 0)
		_exit(1);
	while (receive(&c, &q, fd) && answer(&c, &q, fd) == 0)
		;
	_exit(0);
}
