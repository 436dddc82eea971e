/*
 * The child asks to be traced and executes; at the stop after exec a breakpoint is put on its
 * entry point (from the auxiliary vector), and it runs up to there: the dynamic loader has then
 * mapped all libraries. The instruction is restored and the child is held until released. Should
 * memtrace die meanwhile, the kernel kills the child that never began.
 */
#include "app/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#if defined(__x86_64__)
#define BREAKPOINT 0xccL
#define BREAKPOINT_MASK 0xffL
#define BREAKPOINT_SKIP 1 /* the instruction pointer stands behind it */
#elif defined(__aarch64__)
#define BREAKPOINT 0xd4200000L
#define BREAKPOINT_MASK 0xffffffffL
#define BREAKPOINT_SKIP 0
#endif

static void child_run(const struct launch_cfg *cfg, int errors)
{
	sigset_t none;
	int e;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if ((cfg->keep_stdout || dup2(STDERR_FILENO, STDOUT_FILENO) >= 0) &&
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		execvpe(cfg->argv[0], cfg->argv, cfg->envp ? cfg->envp : environ);
	e = errno;
	if (write(errors, &e, sizeof(e)) != sizeof(e))
		_exit(126);
	_exit(127);
}

static uint64_t entry_address(pid_t pid)
{
	char path[32];
	uint64_t pair[2];
	auto_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, pair, sizeof(pair)) == sizeof(pair) && pair[0] != AT_NULL)
		if (pair[0] == AT_ENTRY)
			return pair[1];
	return 0;
}

/* Waits for the next stop; signals that arrive meanwhile are handed on. */
static int wait_for_trap(pid_t pid)
{
	int status;

	for (;;) {
		if (waitpid(pid, &status, 0) != pid)
			return -errno;
		if (!WIFSTOPPED(status))
			return -ESRCH;
		if (WSTOPSIG(status) == SIGTRAP)
			return 0;
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(uintptr_t)WSTOPSIG(status)))
			return -errno;
	}
}

static int step_back(pid_t pid)
{
#if defined(__x86_64__)
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
		return -errno;
	regs.rip -= BREAKPOINT_SKIP;
	if (ptrace(PTRACE_SETREGS, pid, NULL, &regs))
		return -errno;
#endif
	(void)pid;
	return 0;
}

static int run_to_entry(pid_t pid)
{
	uint64_t entry = entry_address(pid);
	long word;
	int r;

	if (!entry)
		return -ENODATA;
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)entry, NULL);
	if (errno)
		return -errno;
	if (ptrace(PTRACE_POKETEXT, pid, (void *)entry,
		   (void *)((word & ~BREAKPOINT_MASK) | BREAKPOINT)))
		return -errno;
	if (ptrace(PTRACE_CONT, pid, NULL, NULL))
		return -errno;
	r = wait_for_trap(pid);
	if (r)
		return r;
	if (ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)word))
		return -errno;
	return step_back(pid);
}

int launch_start(const struct launch_cfg *cfg, struct launch *ret, struct err *err)
{
	struct launch l = { 0 };
	int errors[2], child_errno = 0, status, r;

	if (pipe2(errors, O_CLOEXEC))
		return err_set(err, -errno, "cannot make a pipe (%s)", strerror(errno));
	l.pid = fork();
	if (l.pid == 0)
		child_run(cfg, errors[1]);
	close(errors[1]);
	if (l.pid < 0) {
		close(errors[0]);
		return err_set(err, -errno, "cannot start a process (%s)", strerror(errno));
	}
	r = read(errors[0], &child_errno, sizeof(child_errno));
	close(errors[0]);
	waitpid(l.pid, &status, 0);
	if (r == sizeof(child_errno) || !WIFSTOPPED(status))
		/* the command's fault: EACCES would blame memtrace's privileges */
		return err_set(err, -ENOEXEC, "cannot run %s (%s)", cfg->argv[0],
			       strerror(child_errno ? child_errno : ECHILD));
	ptrace(PTRACE_SETOPTIONS, l.pid, NULL, (void *)PTRACE_O_EXITKILL);
	l.held = true;
	r = run_to_entry(l.pid);
	if (r == -ESRCH) {
		l.held = false;
		return err_set(err, r, "%s ended before it began", cfg->argv[0]);
	}
	l.at_entry = r == 0;
	*ret = l;
	return 0;
}

void launch_release(struct launch *l)
{
	if (l->held)
		ptrace(PTRACE_DETACH, l->pid, NULL, NULL);
	l->held = false;
}

void launch_abort(struct launch *l)
{
	if (!l->held)
		return;
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	l->held = false;
}
