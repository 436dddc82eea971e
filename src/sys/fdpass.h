/* Packets between processes with descriptors in them, over a local socket that keeps packets apart.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 2 /* descriptors in a packet */

/* Sends a packet with n descriptors, which stay the caller's. 0 or a negative errno. */
int fdpass_send(int socket, const void *bytes, size_t len, const int *fd, size_t n, int flags);

/*
 * Receives a packet: its length, 0 at the end of the conversation, or a negative errno. Its
 * descriptors, close-on-exec, are the caller's then; those that did not come are -1.
 */
ssize_t fdpass_receive(int socket, void *ret, size_t size, int fd[static FDPASS_MAX], int flags);
