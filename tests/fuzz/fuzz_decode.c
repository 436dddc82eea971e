/* Records from the ring buffer: the decoder takes what has the right size and form, nothing else.
 */
#include "fuzz.h"

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t *record = malloc(size + 8); /* the ring's records are aligned to 8 bytes */
	struct event ev;

	CLAIM(record);
	memcpy(record, data, size);
	if (decode_event(record, size, &ev) == 0) {
		CLAIM(ev.kind > 0 && ev.kind < MT_KIND_MAX && ev.hdr.kind == ev.kind);
		CLAIM(ev.kind != MT_KIND_site || ev.site.frames <= MT_MAX_FRAMES);
		CLAIM(ev.kind != MT_KIND_site || ev.site.end < MT_END_MAX);
		CLAIM(ev.kind != MT_KIND_sys || ev.sys.extra_len <= MT_EXTRA_BYTES);
	}
	free(record);
	return 0;
}
