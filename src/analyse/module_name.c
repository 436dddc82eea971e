/* By the habits of Python and node: suffixes of files, names of folders. */
#include "analyse/module_name.h"

#include <stdio.h>
#include <string.h>

/* What stands behind the last occurrence of a folder in a path, or NULL. */
static const char *behind(const char *path, const char *folder)
{
	const char *found = NULL;

	for (const char *at = path; at && (at = strstr(at, folder)); at++)
		found = at + strlen(folder);
	return found;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && !strcmp(text + len - n, end);
}

/* numpy/core/x.so gives numpy.core */
static void set_python(const char *path, struct module_name *n)
{
	const char *below = behind(path, "/site-packages/"), *end;

	n->name[strcspn(n->name, ".")] = '\0';
	if (!below)
		below = behind(path, "/dist-packages/");
	end = below ? strrchr(below, '/') : NULL;
	if (!end)
		return;
	snprintf(n->package, sizeof(n->package), "%.*s", (int)(end - below), below);
	for (char *p = n->package; *p; p++)
		if (*p == '/')
			*p = '.';
}

/* node_modules/@scope/name/build/x.node gives @scope/name */
static void set_node(const char *path, struct module_name *n)
{
	const char *below = behind(path, "/node_modules/");
	size_t len;

	if (!below)
		return;
	len = strcspn(below, "/");
	if (*below == '@' && below[len])
		len += 1 + strcspn(below + len + 1, "/");
	if (below[len])
		snprintf(n->package, sizeof(n->package), "%.*s", (int)len, below);
}

static bool is_python(const char *name, const char *path)
{
	if (strstr(name, ".cpython-") || ends_with(name, ".abi3.so"))
		return true;
	return ends_with(name, ".so") && strncmp(name, "lib", 3) != 0 &&
	       (behind(path, "/site-packages/") || behind(path, "/dist-packages/") ||
		behind(path, "/lib-dynload/"));
}

void module_name_of(const struct snap_module *m, struct module_name *ret)
{
	struct module_name n = {};
	const char *path;

	if (!m || !m->name || !*m->name) {
		snprintf(n.name, sizeof(n.name), "unknown");
		*ret = n;
		return;
	}
	path = m->path ? m->path : "";
	snprintf(n.name, sizeof(n.name), "%s", m->name);
	if (is_python(m->name, path))
		set_python(path, &n);
	else if (ends_with(m->name, ".node"))
		set_node(path, &n);
	*ret = n;
}
