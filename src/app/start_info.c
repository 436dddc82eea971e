/* The `start` record. Everything it points to lives on the stack of the one function that sends. */
#include "app/start_info.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "base/num.h"
#include "version.h"

#define OPTION_TEXT 32

struct option_texts {
	char interval[OPTION_TEXT], duration[OPTION_TEXT], top[OPTION_TEXT], budget[OPTION_TEXT];
	char live_max[OPTION_TEXT], sites_max[OPTION_TEXT];
	char sample[OPTION_TEXT];
	struct start_option list[10];
	size_t count;
};

static void put_option(struct option_texts *o, const char *name, const char *value)
{
	o->list[o->count].name = name;
	o->list[o->count++].value = value;
}

static void fill_options(const struct opts *opts, struct option_texts *o)
{
	o->count = 0;
	snprintf(o->interval, sizeof(o->interval), "%g", opts->interval_s);
	snprintf(o->duration, sizeof(o->duration), "%g", opts->duration_s);
	snprintf(o->top, sizeof(o->top), "%u", opts->top);
	snprintf(o->budget, sizeof(o->budget), "%g%%", opts->budget_pct);
	snprintf(o->live_max, sizeof(o->live_max), "%u", opts->live_max);
	snprintf(o->sites_max, sizeof(o->sites_max), "%u", opts->sites_max);
	put_option(o, "interval", o->interval);
	put_option(o, "duration", o->duration);
	put_option(o, "top", o->top);
	put_option(o, "budget", o->budget);
	if (opts->sample_bytes) {
		snprintf(o->sample, sizeof(o->sample), "%llu",
			 (unsigned long long)opts->sample_bytes);
		put_option(o, "sample-bytes", o->sample);
	}
	put_option(o, "live-max", o->live_max);
	put_option(o, "sites-max", o->sites_max);
	put_option(o, "follow", opts->follow ? "yes" : "no");
	put_option(o, "events", opts->events ? "yes" : "no");
	if (opts->no_sniff)
		put_option(o, "no-sniff", "yes");
}

struct feature_names {
	const char *used[FEATURE_MAX], *missing[FEATURE_MAX];
	size_t used_count, missing_count;
};

static void fill_features(const struct features *f, struct feature_names *ret)
{
	ret->used_count = ret->missing_count = 0;
	for (int i = 0; i < FEATURE_MAX; i++) {
		const char *name = feature_describe(i)->name;

		if (!f->known[i])
			continue;
		if (f->has[i])
			ret->used[ret->used_count++] = name;
		else
			ret->missing[ret->missing_count++] = name;
	}
}

int start_info_send(const struct tracee *t, struct sink *sink, const struct record_head *head)
{
	struct start_allocator allocators[TRACEE_ALLOCATORS_MAX];
	struct start_unmeasured unmeasured[TRACEE_UNMEASURED_MAX];
	struct option_texts options;
	struct feature_names features;
	struct utsname uts = { 0 };
	struct start_info info = { 0 };

	uname(&uts);
	fill_options(t->run->opts, &options);
	fill_features(t->run->features, &features);
	for (size_t i = 0; i < t->allocator_count; i++)
		allocators[i] =
			(struct start_allocator){ t->allocator[i].name, t->allocator[i].module,
						  t->allocator[i].probes };
	for (size_t i = 0; i < t->unmeasured_count; i++)
		unmeasured[i] =
			(struct start_unmeasured){ t->unmeasured[i].what, t->unmeasured[i].why };
	info = (struct start_info){
		.version = MEMTRACE_VERSION,
		.kernel = uts.release,
		.mode = cli_mode_name(t->run->opts->mode),
		.exe = t->exe[0] ? t->exe : NULL,
		.cmdline = t->cmdline,
		.process_age_s = tracee_lived_s(t),
		.runtime_name = t->runtime,
		.runtime_version = t->found.runtime && t->found.runtime->version[0]
					   ? t->found.runtime->version
					   : NULL,
		.allocators = allocators,
		.allocator_count = t->allocator_count,
		.features_used = features.used,
		.features_used_count = features.used_count,
		.features_missing = features.missing,
		.features_missing_count = features.missing_count,
		.options = options.list,
		.option_count = options.count,
		.limit_bytes = t->limits.memory_bytes,
		.limit_kind =
			t->limits.kind == LIMIT_NONE ? NULL : limits_kind_name(t->limits.kind),
		.unmeasured = unmeasured,
		.unmeasured_count = t->unmeasured_count,
	};
	return sink->ops->start(sink->priv, head, &info);
}
