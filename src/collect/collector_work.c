/* The timers of work.bpf.c: one on each CPU, while they are wanted. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "collect/collector_impl.h"
#include "sys/cpus.h"
#include "sys/perflimit.h"

/* Not in step with anything that happens every millisecond or every tick. */
#define SLOW_NS 3913331ull
#define FAST_NS 121343ull

/* What the kernel counts per tick varies by one or two. */
#define ROOM 1.25

#define CPUS_NS 1000000000ull /* from one look at which CPUs are on to the next */

static uint64_t period_of(enum collector_pace pace)
{
	return pace == WORK_FAST ? FAST_NS : SLOW_NS;
}

/*
 * Above its limit the kernel leaves samples out, and no program hears of that: work in windows,
 * where they are many, would look less than it is. At one pace all the time a share stays what it
 * is.
 */
static enum collector_pace allowed(enum collector_pace pace)
{
	uint64_t per_s;

	if (pace != WORK_FAST)
		return pace;
	return !perflimit_read("/proc", &per_s) && per_s >= ROOM * 1e9 / FAST_NS ? WORK_FAST
										 : WORK_SLOW;
}

/* -ENODEV: the CPU is off. */
static int open_event(int cpu, enum collector_pace pace, int *ret_fd)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_CPU_CLOCK,
					.sample_period = period_of(pace),
					.exclude_kernel = 1,
					.exclude_idle = 1,
					.disabled = 1 };
	int fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int attach_cpu(struct collector *c, int cpu, enum collector_pace pace)
{
	int fd = -1, r = open_event(cpu, pace, &fd);

	if (r)
		return r == -ENODEV ? 0 : r;
	c->work[cpu] = bpf_program__attach_perf_event(c->skel->progs.mt_work, fd);
	if (!c->work[cpu]) {
		r = -errno;
		close(fd);
		return r;
	}
	c->work_event[cpu] = fd;
	return 0;
}

static void detach_cpu(struct collector *c, int cpu)
{
	bpf_link__destroy(c->work[cpu]);
	c->work[cpu] = NULL;
	c->work_event[cpu] = -1;
}

void collector_work_done(struct collector *c)
{
	for (int cpu = 0; c->work && c->work_event && cpu < c->cpus; cpu++)
		detach_cpu(c, cpu);
	free(c->work);
	free(c->work_event);
	c->work = NULL;
	c->work_event = NULL;
	c->work_pace = c->work_wanted = WORK_OFF;
}

static int start(struct collector *c, enum collector_pace pace)
{
	int r = 0;

	c->work = calloc(c->cpus, sizeof(struct bpf_link *));
	c->work_event = calloc(c->cpus, sizeof(*c->work_event));
	if (!c->work || !c->work_event)
		r = -ENOMEM;
	for (int cpu = 0; !r && cpu < c->cpus; cpu++)
		c->work_event[cpu] = -1;
	for (int cpu = 0; !r && cpu < c->cpus; cpu++)
		r = attach_cpu(c, cpu, pace);
	if (r)
		collector_work_done(c);
	return r;
}

/* The timer of a CPU that went off is gone for good. */
static int set_period(struct collector *c, uint64_t period)
{
	int r = 0;

	for (int cpu = 0; cpu < c->cpus; cpu++) {
		if (c->work_event[cpu] < 0 ||
		    !ioctl(c->work_event[cpu], PERF_EVENT_IOC_PERIOD, &period))
			continue;
		if (errno == ENODEV)
			detach_cpu(c, cpu);
		else
			r = -errno;
	}
	return r;
}

/* A CPU that came gets a timer; what is left of one whose CPU went is given up. */
static void follow_cpus(struct collector *c)
{
	auto_free bool *on = calloc(c->cpus, sizeof(*on));
	uint64_t now_ns = clock_monotonic_ns();

	if (!c->work || now_ns < c->work_look_ns)
		return;
	c->work_look_ns = now_ns + CPUS_NS;
	if (!on || cpus_read_online("/sys", on, c->cpus))
		return;
	for (int cpu = 0; cpu < c->cpus; cpu++) {
		if (on[cpu] == (c->work_event[cpu] >= 0))
			continue;
		if (on[cpu])
			attach_cpu(c, cpu, c->work_pace);
		else
			detach_cpu(c, cpu);
		log_debug("work on CPU %d is %s", cpu,
			  c->work_event[cpu] >= 0 ? "sampled" : "not sampled");
	}
}

int collector_set_work(struct collector *c, enum collector_pace wanted)
{
	enum collector_pace pace;
	uint64_t period;
	int r;

	if (c->work_refused)
		return 0;
	follow_cpus(c);
	if (wanted == c->work_wanted)
		return 0;
	c->work_wanted = wanted;
	pace = allowed(wanted);
	period = period_of(pace);
	if (pace == c->work_pace)
		return 0;
	if (pace == WORK_OFF) {
		collector_work_done(c);
		return 0;
	}
	/* while some timers have the one and some the other, each counts for the shorter one */
	if (pace == WORK_FAST)
		__atomic_store_n(&c->skel->bss->work_period_ns, period, __ATOMIC_RELAXED);
	r = c->work ? set_period(c, period) : start(c, pace);
	if (!r) {
		__atomic_store_n(&c->skel->bss->work_period_ns, period, __ATOMIC_RELAXED);
		c->work_pace = pace;
		return 0;
	}
	collector_work_done(c);
	c->work_refused = true;
	return r;
}
