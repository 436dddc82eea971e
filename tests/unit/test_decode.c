/* Records of every size and content: what is wrong is refused, what is right arrives unchanged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/decode.h"

static struct mt_ev_site a_site(uint16_t frames)
{
	struct mt_ev_site s = { .hdr = { .kind = MT_KIND_site, .tgid = 7 },
				.site = 3,
				.site_kind = MT_SITE_HEAP,
				.frames = frames };

	s.hdr.size = offsetof(struct mt_ev_site, pc) + frames * 8;
	for (unsigned int i = 0; i < frames && i < MT_MAX_FRAMES; i++)
		s.pc[i] = 0x1000 + i;
	return s;
}

static void a_site_arrives_with_its_frames_and_nothing_more(void **state)
{
	struct mt_ev_site s = a_site(2);
	struct event ev;

	(void)state;
	s.pc[2] = 0xdead;
	assert_int_equal(decode_event(&s, s.hdr.size, &ev), 0);
	assert_int_equal(ev.kind, MT_KIND_site);
	assert_int_equal(ev.site.pc[1], 0x1001);
	assert_int_equal(ev.site.pc[2], 0);
}

static void more_frames_than_bytes_is_refused(void **state)
{
	struct mt_ev_site s = a_site(2);
	struct event ev = { .kind = 99 };

	(void)state;
	s.frames = 3;
	assert_int_equal(decode_event(&s, s.hdr.size, &ev), -EBADMSG);
	s.frames = MT_MAX_FRAMES + 1;
	assert_int_equal(decode_event(&s, sizeof(s), &ev), -EBADMSG);
	assert_int_equal(ev.kind, 99);
}

static void site_zero_is_nobodys_and_never_sent(void **state)
{
	struct mt_ev_site s = a_site(1);
	struct event ev;

	(void)state;
	s.site = MT_SITE_NONE;
	assert_int_equal(decode_event(&s, s.hdr.size, &ev), -EBADMSG);
}

static void an_unknown_kind_is_told_apart_from_a_broken_record(void **state)
{
	struct mt_hdr h = { .kind = 250, .size = sizeof(h) };
	struct event ev;

	(void)state;
	assert_int_equal(decode_event(&h, sizeof(h), &ev), -ENOTSUP);
	h.size = 4;
	assert_int_equal(decode_event(&h, sizeof(h), &ev), -EBADMSG);
}

static void a_record_longer_than_it_says_or_shorter_is_judged_by_what_it_says(void **state)
{
	struct mt_ev_region r = { .hdr = { .kind = MT_KIND_region, .size = sizeof(r) },
				  .addr = 1 << 21 };
	struct event ev;

	(void)state;
	assert_int_equal(decode_event(&r, sizeof(r), &ev), 0);
	assert_int_equal(decode_event(&r, sizeof(r) - 1, &ev), -EBADMSG);
	r.hdr.size--;
	assert_int_equal(decode_event(&r, sizeof(r), &ev), -EBADMSG);
}

static void code_without_a_table_is_told_with_its_file(void **state)
{
	struct mt_ev_code c = { .hdr = { .kind = MT_KIND_code, .size = sizeof(c) },
				.start = 0x1000,
				.end = 0x2000,
				.file = { .inode = 7, .dev = 8 },
				.file_size = 9 };
	struct event ev;

	(void)state;
	assert_int_equal(decode_event(&c, sizeof(c), &ev), 0);
	assert_int_equal(ev.kind, MT_KIND_code);
	assert_memory_equal(&ev.code, &c, sizeof(c));
	c.hdr.size--;
	assert_int_equal(decode_event(&c, sizeof(c), &ev), -EBADMSG);
}

static void copied_memory_never_exceeds_the_record(void **state)
{
	struct mt_ev_sys s = { .hdr = { .kind = MT_KIND_sys, .size = sizeof(s) },
			       .op = MT_SYS_CONNECT,
			       .extra_len = MT_EXTRA_BYTES };
	struct event ev;

	(void)state;
	assert_int_equal(decode_event(&s, sizeof(s), &ev), 0);
	s.extra_len = MT_EXTRA_BYTES + 1;
	assert_int_equal(decode_event(&s, sizeof(s), &ev), -EBADMSG);
	s.extra_len = 1;
	s.hdr.size = offsetof(struct mt_ev_sys, extra);
	assert_int_equal(decode_event(&s, sizeof(s), &ev), -EBADMSG);
}

static void random_bytes_never_crash_the_decoder(void **state)
{
	uint8_t bytes[sizeof(struct mt_ev_site) + 16];
	struct event ev;
	int taken = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		size_t len = rand() % sizeof(bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = rand();
		if (len >= sizeof(struct mt_hdr)) { /* likely kinds and sizes, else all are refused
						       early */
			struct mt_hdr h = { .kind = rand() % (MT_KIND_MAX + 1), .size = len };

			memcpy(bytes, &h, sizeof(h));
		}
		taken += decode_event(bytes, len, &ev) == 0;
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_site_arrives_with_its_frames_and_nothing_more),
		cmocka_unit_test(more_frames_than_bytes_is_refused),
		cmocka_unit_test(site_zero_is_nobodys_and_never_sent),
		cmocka_unit_test(an_unknown_kind_is_told_apart_from_a_broken_record),
		cmocka_unit_test(a_record_longer_than_it_says_or_shorter_is_judged_by_what_it_says),
		cmocka_unit_test(code_without_a_table_is_told_with_its_file),
		cmocka_unit_test(copied_memory_never_exceeds_the_record),
		cmocka_unit_test(random_bytes_never_crash_the_decoder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
