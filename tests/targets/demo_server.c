/*
 * The example of `make demo`: a little server that answers requests from a list of users. Every
 * request allocates and frees; every session also leaves a note behind that nobody ever frees,
 * about 150 kB a second. Its cache is bounded and fills up at the start. Runs until killed.
 */
#include "target.h"

#define CACHE_SLOTS 256

static char *cache[CACHE_SLOTS];

struct request {
	int user;
	char *path;
	char *body;
};

static NOINLINE struct request *read_request(int n)
{
	struct request *r = malloc(sizeof(*r));

	r->user = n;
	r->path = strdup("/account/settings");
	r->body = malloc(256 + n % 2048);
	memset(r->body, 'x', 256 + n % 2048);
	return r;
}

static NOINLINE void free_request(struct request *r)
{
	free(r->path);
	free(r->body);
	free(r);
}

/* The leak. */
static NOINLINE void remember_session(const struct request *r)
{
	char *note = malloc(512);

	snprintf(note, 512, "user %d asked for %s", r->user, r->path);
	memset(note + 64, 0, 448);
	forget(note);
}

static NOINLINE const char *render_page(const struct request *r)
{
	char **slot = &cache[r->user % CACHE_SLOTS];

	if (!*slot) {
		*slot = malloc(4096);
		memset(*slot, 'p', 4096);
	}
	return *slot;
}

int main(void)
{
	printf("%d\n", getpid());
	fflush(stdout);
	for (int n = 0;; n++) {
		struct request *r = read_request(n);

		forget((void *)render_page(r));
		remember_session(r);
		free_request(r);
		pause_ns(3000000);
	}
}
