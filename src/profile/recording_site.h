/* One site record of a recording. */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

/*
 * Adds the record to the profile. 0, -EBADMSG with *why (static text) when it is no site record,
 * -ENOSPC at a limit of the profile, -ENOMEM.
 */
int recording_site(struct profile *p, size_t process, const json_t *record, const char **why);

/* A whole number of a record that is not negative, or PROFILE_UNKNOWN. */
uint64_t recording_number(const json_t *record, const char *key);
