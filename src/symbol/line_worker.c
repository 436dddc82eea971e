/*
 * See line_worker.h. Answers come in the order of the questions, so the oldest open one is what the
 * child is busy with, and to blame when it dies. What the child says is checked as if a stranger
 * said it.
 */
#include "symbol/line_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fdpass.h"

#define OPEN_MAX 512 /* open questions */

struct question {
	uint32_t file;
	uint64_t vaddr;
};

struct line_worker {
	struct line_worker_cfg cfg;
	pid_t child;	   /* 0: none */
	int socket;	   /* owned; -1 */
	uint64_t since_ns; /* the oldest question is what the child is busy with since then */
	struct {
		uint32_t file;
		uint64_t used; /* turn; 0: free */
	} slot[LINE_SLOTS];
	uint64_t turn;
	struct question open[OPEN_MAX]; /* a ring */
	size_t first, count;
	size_t stale;			/* of the oldest: asked of a child that is gone */
	uint64_t cpu_before_ns, cpu_ns; /* of former children, of this one */
	struct line_worker_stats stats;
	char in[LINE_ANSWER_BYTES];
	char text[LINE_ANSWER_BYTES + 2 * LINE_FRAMES_MAX]; /* of the last answer, with NULs */
};

int line_worker_new(const struct line_worker_cfg *cfg, struct line_worker **ret)
{
	struct line_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->cfg = *cfg;
	w->socket = -1;
	*ret = w;
	return 0;
}

/* The child is gone, or goes now; its questions are stale. */
static void end_child(struct line_worker *w)
{
	if (!w->child)
		return;
	kill(w->child, SIGKILL);
	while (waitpid(w->child, NULL, 0) < 0 && errno == EINTR)
		;
	close(w->socket);
	w->socket = -1;
	w->child = 0;
	w->stale = w->count;
	w->cpu_before_ns += w->cpu_ns;
	w->cpu_ns = 0;

	memset(w->slot, 0, sizeof(w->slot));
}

void line_worker_free(struct line_worker *w)
{
	if (!w)
		return;
	end_child(w);
	free(w);
}

static int start_child(struct line_worker *w)
{
	const int parent = (int)getpid();
	int pair[2];
	pid_t pid;

	if (w->stats.children >= w->cfg.children_max)
		return -EIO;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -EAGAIN;
	pid = fork();
	if (pid == 0)
		line_child_run(pair[1], parent);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	w->stats.children++;
	w->child = pid;
	w->socket = pair[0];
	return 0;
}

/* The slot of a file; *ret_new: the child does not have it yet. */
static uint32_t take_slot(struct line_worker *w, uint32_t file, bool *ret_new)
{
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < LINE_SLOTS; i++) {
		if (w->slot[i].used && w->slot[i].file == file) {
			*ret_new = false;
			return i;
		}
		if (w->slot[i].used < w->slot[oldest].used)
			oldest = i;
	}
	*ret_new = true;
	return oldest;
}

static int send_question(const struct line_worker *w, const struct line_question *q,
			 const struct line_file *file)
{
	const int fd[2] = { file->fd, file->shared_fd };

	return fdpass_send(w->socket, q, sizeof(*q), fd, q->files, MSG_DONTWAIT);
}

int line_worker_ask(struct line_worker *w, const struct line_file *file, uint64_t vaddr)
{
	struct line_question q = { .vaddr = vaddr };
	bool fresh;
	int r;

	if (w->count == OPEN_MAX || w->stale)
		return -EAGAIN;
	r = w->child ? 0 : start_child(w);
	if (r < 0)
		return r;
	q.slot = take_slot(w, file->number, &fresh);
	if (fresh)
		q.files = file->shared_fd >= 0 ? 2 : 1;
	r = send_question(w, &q, file);
	if (r < 0) /* EPIPE, too: line_worker_receive() finds out */
		return -EAGAIN;
	w->slot[q.slot].file = file->number;
	w->slot[q.slot].used = ++w->turn;
	if (w->count == 0)
		w->since_ns = w->cfg.now_ns();
	w->open[(w->first + w->count++) % OPEN_MAX] = (struct question){ file->number, vaddr };
	return 0;
}

static void take_question(struct line_worker *w, struct line_answer *ret)
{
	const struct question *q = &w->open[w->first];

	ret->file = q->file;
	ret->vaddr = q->vaddr;
	ret->count = 0;
	w->first = (w->first + 1) % OPEN_MAX;
	w->count--;
	w->since_ns = w->cfg.now_ns();
}

/* The next text of the datagram, as a string of its own; NULL for an empty one. */
static const char *take_text(const char **in, size_t bytes, char **out)
{
	char *text = *out;

	if (bytes == 0)
		return NULL;
	memcpy(text, *in, bytes);
	text[bytes] = '\0';
	*in += bytes;
	*out += bytes + 1;
	return text;
}

/* False when the datagram is not what a child of ours would send. */
static bool read_answer(struct line_worker *w, size_t size, struct line_answer *ret)
{
	const char *at = w->in + sizeof(struct line_answer_head), *end = w->in + size;
	struct line_answer_head head;
	struct line_answer_frame f;
	char *text = w->text;

	if (size < sizeof(head))
		return false;
	memcpy(&head, w->in, sizeof(head));
	if (head.frames > LINE_FRAMES_MAX || head.error > 0 || (head.error && head.frames))
		return false;
	for (uint32_t i = 0; i < head.frames; i++) {
		if ((size_t)(end - at) < sizeof(f))
			return false;
		memcpy(&f, at, sizeof(f));
		at += sizeof(f);
		if ((size_t)(end - at) < (size_t)f.symbol_bytes + f.file_bytes)
			return false;
		ret->frames[i].symbol = take_text(&at, f.symbol_bytes, &text);
		ret->frames[i].file = take_text(&at, f.file_bytes, &text);
		ret->frames[i].line = f.line;
		ret->frames[i].inlined = f.inlined;
	}
	ret->error = head.error;
	ret->count = head.frames;
	w->cpu_ns = head.cpu_ns;

	return true;
}

/* The child is lost, and the question that it was busy with is to blame. */
static int give_up(struct line_worker *w, struct line_answer *ret)
{
	end_child(w);
	if (w->count == 0)
		return 0;
	take_question(w, ret);
	w->stale = w->count;
	w->stats.lost++;
	ret->error = -ECHILD;
	return 1;
}

int line_worker_receive(struct line_worker *w, struct line_answer *ret)
{
	ssize_t n;

	if (w->stale) {
		take_question(w, ret);
		w->stale--;
		ret->error = -ESTALE;
		return 1;
	}
	if (!w->child)
		return 0;
	do
		n = recv(w->socket, w->in, sizeof(w->in), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		if (w->count == 0 || w->cfg.now_ns() - w->since_ns < w->cfg.patience_ns)
			return 0;
		return give_up(w, ret);
	}
	if (n <= 0 || (size_t)n > sizeof(w->in) || w->count == 0 || !read_answer(w, (size_t)n, ret))
		return give_up(w, ret);
	n = (ssize_t)ret->count;
	take_question(w, ret);
	ret->count = (size_t)n;
	return 1;
}

size_t line_worker_open_questions(const struct line_worker *w)
{
	return w->count;
}

int line_worker_fd(const struct line_worker *w)
{
	return w->socket;
}

int line_worker_pid(const struct line_worker *w)
{
	return w->child;
}

void line_worker_get_stats(const struct line_worker *w, struct line_worker_stats *ret)
{
	*ret = w->stats;
	ret->cpu_ns = w->cpu_before_ns + w->cpu_ns;
}
