/* Names as compilers wrote them, or as somebody wants us to believe they did. */
#include "fuzz.h"

#include "symbol/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char readable[DEMANGLE_NAME_BYTES], tiny[4];
	char *name = strndup((const char *)data, size);

	CLAIM(name);
	memset(readable, 'x', sizeof(readable));
	memset(tiny, 'x', sizeof(tiny));
	if (!demangle_name(name, readable, sizeof(readable)) && strlen(name) < sizeof(readable))
		CLAIM(strncmp(readable, name, strlen(readable)) == 0);
	CLAIM(strnlen(readable, sizeof(readable)) < sizeof(readable));
	demangle_name(name, tiny, sizeof(tiny));
	CLAIM(strnlen(tiny, sizeof(tiny)) < sizeof(tiny));
	free(name);
	return 0;
}
