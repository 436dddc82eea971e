/*
 * Header, start, process and end records. The put functions fail only with -ENOMEM, so
 * their results are or-ed and looked at once per record.
 */
#include "report/report_json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "report/names.h"

int report_json_head(const char *type, const char *host, const struct record_head *head,
		     json_t **ret)
{
	json_auto_t *o = json_object();
	int r;

	r = json_put_string(o, "type", type);
	r |= head->time_ns ? json_put_time(o, "time", head->time_ns)
			   : json_put(o, "time", json_null());
	r |= json_put_double_or_null(o, "elapsed_s", head->elapsed_s);
	r |= json_put_string(o, "host", host ? host : "");
	r |= json_put_u64_or_null(o, "pid", head->pid ? head->pid : UINT64_MAX);
	r |= json_put_string(o, "comm", head->comm ? head->comm : "");
	r |= json_put_string(o, "container_id", head->container_id);
	r |= json_put_string(o, "cgroup", head->cgroup);
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}

static json_t *text_list(const char *const *list, size_t count)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count && array; i++) {
		if (json_array_append_new(array, json_clean_string(list[i], strlen(list[i])))) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static int put_allocators(json_t *o, const struct start_info *info)
{
	json_t *list = json_array();
	size_t i;
	int r;

	r = json_put(o, "allocators", list);
	for (i = 0; i < info->allocator_count && !r; i++) {
		const struct start_allocator *a = &info->allocators[i];
		json_t *row = json_object();

		if (json_array_append_new(list, row))
			return -ENOMEM;
		r = json_put_string(row, "name", a->name ? a->name : "");
		r |= json_put_string(row, "module", a->module ? a->module : "");
		r |= json_put_u64_if_known(row, "probes", a->probes);
	}
	return r;
}

static int put_unmeasured(json_t *o, const struct start_info *info)
{
	json_t *list = json_array();
	size_t i;
	int r;

	r = json_put(o, "unmeasured", list);
	for (i = 0; i < info->unmeasured_count && !r; i++) {
		const struct start_unmeasured *u = &info->unmeasured[i];
		json_t *row = json_object();

		if (json_array_append_new(list, row))
			return -ENOMEM;
		r = json_put_string(row, "what", u->what ? u->what : "");
		r |= json_put_string(row, "why", u->why ? u->why : "");
	}
	return r;
}

static int put_options(json_t *o, const struct start_info *info)
{
	json_t *options = json_object();
	size_t i;
	int r;

	r = json_put(o, "options", options);
	for (i = 0; i < info->option_count && !r; i++)
		r = json_put_string(options, info->options[i].name, info->options[i].value);
	return r;
}

static int put_features(json_t *o, const struct start_info *info)
{
	json_t *features = json_object();
	int r;

	r = json_put(o, "features", features);
	if (r)
		return r;
	r = json_put(features, "used", text_list(info->features_used, info->features_used_count));
	return r | json_put(features, "missing",
			    text_list(info->features_missing, info->features_missing_count));
}

static int put_runtime(json_t *o, const struct start_info *info)
{
	json_t *runtime = json_object();
	int r;

	r = json_put(o, "runtime", runtime);
	if (r)
		return r;
	r = json_put_string(runtime, "name", info->runtime_name ? info->runtime_name : "none");
	return r | json_put_string(runtime, "version", info->runtime_version);
}

static int put_limits(json_t *o, const struct start_info *info)
{
	json_t *limits = json_object();
	int r;

	r = json_put(o, "limits", limits);
	if (r)
		return r;
	r = json_put_u64_or_null(limits, "memory_bytes", info->limit_bytes);
	return r | json_put_string(limits, "kind", info->limit_kind);
}

int report_json_start(const struct start_info *info, json_t **ret)
{
	json_auto_t *o = json_object();
	int r;

	r = json_put_u64_if_known(o, "schema", REPORT_SCHEMA);
	r |= json_put_string(o, "version", info->version);
	r |= json_put_string(o, "kernel", info->kernel);
	r |= json_put_string(o, "mode", info->mode);
	r |= json_put_string(o, "exe", info->exe);
	r |= json_put_string(o, "cmdline", info->cmdline);
	if (info->process_age_s > 0)
		r |= json_put_double_if_known(o, "process_age_s", info->process_age_s);
	r |= put_runtime(o, info);
	r |= put_allocators(o, info);
	r |= put_features(o, info);
	r |= put_options(o, info);
	r |= put_limits(o, info);
	r |= put_unmeasured(o, info);
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}

int report_json_process(const struct process_info *info, json_t **ret)
{
	json_auto_t *o = json_object();
	int r;

	r = json_put_string(o, "event", names_process_event(info->event));
	if (info->parent_pid)
		r |= json_put_u64_if_known(o, "parent_pid", info->parent_pid);
	r |= json_put_string(o, "reason", info->reason);
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}

static json_t *active_leaks(const struct findings *f)
{
	json_t *list = json_array();
	char id[24];
	size_t i;

	for (i = 0; f && list && i < f->count; i++) {
		if (!f->list[i].active)
			continue;
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)f->list[i].leak_id);
		if (json_array_append_new(list, json_string(id))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int report_json_end(const struct end_info *info, json_t **ret)
{
	const struct analysis *a = info->last;
	const struct findings *f = a ? a->findings : NULL;
	static const struct snap_counters nothing_seen;
	json_auto_t *o = json_object();
	int r;

	r = json_put_string(o, "reason", names_end_reason(info->reason));
	r |= json_put_string(o, "why", info->why);
	r |= json_put_string(o, "verdict", names_verdict(f ? f->verdict : VERDICT_INCONCLUSIVE));
	r |= json_put_string(o, "verdict_why", f ? f->why : "nothing was measured");
	if (f && f->verdict == VERDICT_INCONCLUSIVE)
		r |= json_put_double_if_known(o, "known_in_s", f->known_in_s);
	r |= json_put(o, "leaks", active_leaks(f));
	r |= json_put_double_or_null(o, "duration_s", info->duration_s);
	r |= json_put_double_or_null(o, "coverage_ratio",
				     a && a->ledger ? a->ledger->coverage_ratio : NAN);
	r |= json_put(o, "overhead", report_json_overhead(info->overhead));
	r |= json_put(o, "lost", report_json_lost(a ? &a->snap->counters : &nothing_seen));
	if (r < 0)
		return r;
	*ret = steal(o);
	return 0;
}
