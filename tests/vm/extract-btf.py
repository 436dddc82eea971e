#!/usr/bin/python3
"""Takes the type information (BTF) out of an arm64 kernel image, for bpftool.

    extract-btf.py IMAGE OUT

IMAGE is what a package puts into /boot: a plain image, or one compressed with gzip. The largest
blob with a plausible BTF header wins.
"""
import gzip
import re
import struct
import sys

MAGIC = b"\x9f\xeb\x01\x00"  # little-endian 0xeb9f, version 1, no flags
HEADER = struct.Struct("<HBBIIIII")
LEAST = 1 << 20  # a kernel's types; a module's, or chance, are smaller


def blobs(data):
    for m in re.finditer(re.escape(MAGIC), data):
        at = m.start()
        if at + HEADER.size > len(data):
            continue
        _, _, _, header, type_at, type_len, str_at, str_len = HEADER.unpack_from(data, at)
        size = header + str_at + str_len
        fits = header == HEADER.size and type_at == 0 and type_len == str_at
        if fits and size >= LEAST and at + size <= len(data):
            yield data[at:at + size]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    found = sorted(blobs(data), key=len)
    if not found:
        sys.exit(f"{sys.argv[1]}: no BTF found")
    with open(sys.argv[2], "wb") as f:
        f.write(found[-1])
    print(f"{sys.argv[2]}: {len(found[-1])} bytes of BTF")


main()
