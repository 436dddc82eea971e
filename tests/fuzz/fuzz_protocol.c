/*
 * Messages of sockets: whatever the bytes, the verdict is one of the table, and nothing behind the
 * bytes is read. Each message: written, how much longer it is than what is seen, bytes.
 */
#include "fuzz.h"

#include "decode/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct protocol_verdict all = {}, v = {};
	size_t at = 0;

	while (size - at > 2) {
		size_t have = size - at - 2 < 128 ? size - at - 2 : 128;
		uint8_t *bytes;
		struct protocol_message m = { .written = data[at] & 1,
					      .len = have + (uint64_t)data[at + 1] };

		if (data[at] & 2 && have > 16)
			have = m.len = 16;
		bytes = malloc(have ? have : 1); /* of its own: what lies behind is guarded */
		CLAIM(bytes);
		memcpy(bytes, data + at + 2, have);
		m.bytes = bytes;
		m.have = have;
		if (protocol_judge(&m, &v)) {
			CLAIM(v.kind > PROTOCOL_NONE && v.kind < PROTOCOL_MAX);
			CLAIM(v.confidence > 0 && v.confidence <= 1);
			CLAIM(protocol_name(v.kind));
			v.inside = data[at] & 4;
			protocol_join(&all, &v);
			CLAIM(all.kind != PROTOCOL_NONE);
			CLAIM(all.confidence > 0 && all.confidence <= 1);
		}
		free(bytes);
		at += 2 + have;
	}
	return 0;
}
