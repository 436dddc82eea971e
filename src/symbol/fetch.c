/* See fetch.h. The child answers with one datagram: the descriptor, or none, and its result. */
#include "symbol/fetch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "sys/fdpass.h"

#define BUILD_ID_BYTES 128
#define MISSING_MAX 4096		 /* build ids that are known to be nowhere */
#define FILE_BYTES_MAX ((rlim_t)1 << 30) /* of a file that is fetched */

struct fetcher {
	struct fetcher_cfg cfg;
	char (*missing)[BUILD_ID_BYTES]; /* owned */
	size_t missing_count, missing_cap;
	char current[BUILD_ID_BYTES]; /* "" when there is no child */
	pid_t child;
	int socket; /* owned; -1 */
	uint64_t begun_ns;
	char ready[BUILD_ID_BYTES]; /* fetched, not yet taken */
	int ready_fd;		    /* owned; -1 */
	bool unavailable;
};

int fetcher_new(const struct fetcher_cfg *cfg, struct fetcher **ret)
{
	struct fetcher *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->cfg = *cfg;
	f->socket = f->ready_fd = -1;
	*ret = f;
	return 0;
}

static void end_child(struct fetcher *f)
{
	if (!f->current[0])
		return;
	kill(f->child, SIGKILL);
	while (waitpid(f->child, NULL, 0) < 0 && errno == EINTR)
		;
	close(f->socket);
	f->socket = -1;
	f->current[0] = '\0';
}

void fetcher_free(struct fetcher *f)
{
	if (!f)
		return;
	end_child(f);
	close_fd(&f->ready_fd);
	free(f->missing);
	free(f);
}

/* The file's descriptor, or why there is none. */
static int fetch(const char *build_id)
{
	void *(*begin)(void);
	int (*find)(void *client, const unsigned char *id, int len, char **path);
	void *library = dlopen("libdebuginfod.so.1", RTLD_NOW), *client;

	if (!library)
		return -ENOSYS;
	*(void **)&begin = dlsym(library, "debuginfod_begin");
	*(void **)&find = dlsym(library, "debuginfod_find_debuginfo");
	if (!begin || !find)
		return -ENOSYS;
	client = begin();
	/* A length of 0: the id is text in hex. */
	return client ? find(client, (const unsigned char *)build_id, 0, NULL) : -ENOMEM;
}

static _Noreturn void child_run(int socket, int parent, const char *build_id)
{
	const struct rlimit size = { FILE_BYTES_MAX, FILE_BYTES_MAX };
	sigset_t none;
	int null, result;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_IGN); /* of the terminal: for memtrace, which ends this process */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    (socket != 3 && dup2(socket, 3) < 0) || syscall(SYS_close_range, 4u, ~0u, 0u) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &size) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "memtrace-fetch");
	result = fetch(build_id);
	fdpass_send(3, &result, sizeof(result), &result, result >= 0, 0);
	_exit(0);
}

static int start_child(struct fetcher *f, const char *build_id)
{
	const int parent = (int)getpid();
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -EAGAIN;
	pid = fork();
	if (pid == 0)
		child_run(pair[1], parent, build_id);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	f->child = pid;
	f->socket = pair[0];
	f->begun_ns = f->cfg.now_ns();
	memcpy(f->current, build_id, strlen(build_id) + 1);
	return 0;
}

/* -EAGAIN: no answer yet. -ECHILD: there will be none. Else the child's result or a descriptor. */
static int receive(struct fetcher *f)
{
	int result = 0, fd[FDPASS_MAX];
	ssize_t got = fdpass_receive(f->socket, &result, sizeof(result), fd, MSG_DONTWAIT);

	if (got == -EAGAIN)
		return f->cfg.now_ns() - f->begun_ns < f->cfg.patience_ns ? -EAGAIN : -ECHILD;
	if (got != sizeof(result))
		return -ECHILD;
	return fd[0] >= 0 ? fd[0] : result < 0 ? result : -ECHILD;
}

/* Beyond the limit the oldest is asked for again. */
static void note_missing(struct fetcher *f)
{
	if (vec_reserve(&f->missing, sizeof(*f->missing), f->missing_count, &f->missing_cap,
			MISSING_MAX) < 0) {
		if (f->missing_count == 0)
			return;
		vec_close(&f->missing, sizeof(*f->missing), f->missing_count--, 0);
	}
	memcpy(f->missing[f->missing_count++], f->current, sizeof(f->current));
}

static bool is_missing(const struct fetcher *f, const char *build_id)
{
	for (size_t i = 0; i < f->missing_count; i++)
		if (strcmp(f->missing[i], build_id) == 0)
			return true;
	return false;
}

/* Takes in what became of the current file. -EAGAIN: nothing yet. */
static int collect(struct fetcher *f)
{
	int r = receive(f);

	if (r == -EAGAIN)
		return r;
	if (r >= 0) {
		close_fd(&f->ready_fd); /* nobody wants that one any more */
		f->ready_fd = r;
		memcpy(f->ready, f->current, sizeof(f->ready));
	} else {
		f->unavailable |= r == -ENOSYS;
		note_missing(f);
	}
	end_child(f);
	return 0;
}

int fetcher_get(struct fetcher *f, const char *build_id, int *ret_fd)
{
	if (!build_id[0] || strlen(build_id) >= BUILD_ID_BYTES)
		return -EINVAL;
	if (f->current[0] && collect(f) < 0)
		return is_missing(f, build_id) ? -ENOENT : -EAGAIN;
	if (f->ready_fd >= 0 && strcmp(f->ready, build_id) == 0) {
		*ret_fd = steal_fd(&f->ready_fd);
		return 0;
	}
	if (is_missing(f, build_id) || f->unavailable)
		return -ENOENT;
	start_child(f, build_id);
	return -EAGAIN;
}

bool fetcher_is_busy(const struct fetcher *f)
{
	return f->current[0];
}

bool fetcher_is_unavailable(const struct fetcher *f)
{
	return f->unavailable;
}
