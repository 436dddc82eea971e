/* Numbers of the system calls in syscalls.def that an architecture or older headers may lack. */
#pragma once
#include <sys/syscall.h>

#define SYSCALL_ABSENT 0xffff /* beyond every table: the row is skipped */

#ifndef SYS_open
#define SYS_open SYSCALL_ABSENT
#endif
#ifndef SYS_creat
#define SYS_creat SYSCALL_ABSENT
#endif
#ifndef SYS_dup2
#define SYS_dup2 SYSCALL_ABSENT
#endif
#ifndef SYS_pipe
#define SYS_pipe SYSCALL_ABSENT
#endif
#ifndef SYS_eventfd
#define SYS_eventfd SYSCALL_ABSENT
#endif
#ifndef SYS_epoll_create
#define SYS_epoll_create SYSCALL_ABSENT
#endif
#ifndef SYS_signalfd
#define SYS_signalfd SYSCALL_ABSENT
#endif
#ifndef SYS_inotify_init
#define SYS_inotify_init SYSCALL_ABSENT
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret SYSCALL_ABSENT
#endif
#ifndef SYS_epoll_wait
#define SYS_epoll_wait SYSCALL_ABSENT
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 SYSCALL_ABSENT
#endif
#ifndef SYS_poll
#define SYS_poll SYSCALL_ABSENT
#endif
#ifndef SYS_select
#define SYS_select SYSCALL_ABSENT
#endif
