/* Between the driver and the oracle: what the driver's own breakpoints mean. */
#pragma once

/* In rax. rdi: enum mark_fn; rsi: the size asked for; rdx: the result, at MARK_END. */
enum mark { MARK_READY = 1, MARK_BEGIN, MARK_END };

enum mark_fn { FN_malloc, FN_calloc, FN_aligned_alloc, FN_memalign, FN_other, FNS };
