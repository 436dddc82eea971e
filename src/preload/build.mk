# The library of `memtrace run --preload`, for programs of others: nothing but libc, no symbols but
# the allocator's, no lazy binding. Not a part of memtrace itself.
PRELOAD        := $(O)/libmemtrace-preload.so
PRELOAD_CFLAGS := -std=gnu11 $(WARN) -D_GNU_SOURCE -Iinclude -iquote src -O2 -g -fPIC -fvisibility=hidden \
                  -ftls-model=initial-exec -fno-builtin -fasynchronous-unwind-tables -fexceptions

$(PRELOAD): $(wildcard src/preload/*.[ch]) include/memtrace/weight.h src/preload/build.mk
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(PRELOAD_CFLAGS) -shared -Wl,-z,relro,-z,now -Wl,-z,defs \
		-Wl,-soname,$(@F) $(filter %.c,$^) -o $@
