/* Bytes from the ring buffer to a checked event. Pure. */
#pragma once
#include <stddef.h>

#include "decode/event.h"

/*
 * 0 and *ret filled; what the record does not carry is zero. -EBADMSG when sizes contradict each
 * other, -ENOTSUP when the kind is unknown: the caller counts both and goes on.
 */
int decode_event(const void *bytes, size_t len, struct event *ret);
