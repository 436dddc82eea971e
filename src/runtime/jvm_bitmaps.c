/*
 * Mark bitmaps of G1, one bit for each word of the heap. Each is described by {start of the heap,
 * words of the heap, shift, address, bits} inside of an object that the heap's own object points
 * to; five words that agree with the heap are taken for one.
 */
#include "runtime/jvm.h"
#include "runtime/view.h"

#define HEAP_OBJECT_WORDS 256 /* of OpenJDK 17: 130, of 25: 190; what follows harms nothing */
#define OBJECT_WORDS 64
#define WORDS 5

static bool is_bitmap(const struct jvm *j, const uint64_t w[WORDS])
{
	uint64_t words = (j->end - j->start) / 8;

	return w[0] == j->start && w[1] == words && (w[2] & UINT32_MAX) == 0 && w[3] &&
	       w[3] % 4096 == 0 && w[4] == words && w[3] + words / 8 > w[3] &&
	       (w[3] >= j->end || w[3] + words / 8 <= j->start);
}

static void look_into(struct jvm *j, const struct process_view *v, uint64_t object)
{
	uint64_t w[OBJECT_WORDS];

	if (object % 8 || view_read(v, object, w, sizeof(w)) < 0)
		return;
	for (int i = 0; i + WORDS <= OBJECT_WORDS && j->bitmaps < JVM_BITMAPS_MAX; i++)
		if (is_bitmap(j, w + i))
			j->bitmap[j->bitmaps++] = object + i * 8;
}

int jvm_bitmaps_add(struct jvm *j, const struct process_view *v, struct inner_ranges *ranges)
{
	uint64_t w[HEAP_OBJECT_WORDS];
	int r = 0;

	if (j->gc != JVM_G1)
		return 0;
	if (!j->bitmaps && view_read(v, j->heap, w, sizeof(w)) == 0)
		for (int i = 0; i < HEAP_OBJECT_WORDS && !j->bitmaps; i++)
			look_into(j, v, w[i]);
	for (int i = 0; !r && i < j->bitmaps; i++) {
		if (view_read(v, j->bitmap[i], w, WORDS * 8) < 0 || !is_bitmap(j, w))
			j->bitmaps = 0; /* looked for anew */
		else
			r = inner_ranges_add(ranges, w[3], w[3] + w[4] / 8, INNER_RUNTIME);
	}
	return r;
}
