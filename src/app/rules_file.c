/* Reads at most what rules may have, so that an endless file ends. */
#include "app/rules_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/rules.h"
#include "base/cleanup.h"
#include "base/err.h"

int rules_file_read(const char *path, struct rules **ret, struct err *e)
{
	auto_free char *text = malloc(RULES_MAX_BYTES + 1);
	auto_fclose FILE *f = NULL;
	size_t len;

	if (!text)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f)
		return err_set(e, -errno, "--rules %.200s: %s", path, strerror(errno));
	errno = 0;
	len = fread(text, 1, RULES_MAX_BYTES + 1, f);
	if (ferror(f)) {
		int r = errno ? -errno : -EIO;

		return err_set(e, r, "--rules %.200s: %s", path, strerror(-r));
	}
	return rules_parse(text, len, path, ret, e);
}
