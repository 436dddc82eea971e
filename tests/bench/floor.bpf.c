/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Programs that do nothing: what the kernel's own part of a probe costs.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("uprobe.multi")
int floor_hit(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
