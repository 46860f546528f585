#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make a snapshot that is whole on the outside and wrong inside.

    snapshot_forge.py IN OUT sql STATEMENT...    its database after these statements
    snapshot_forge.py IN OUT head JSON           its header with these members changed

Checksum, sizes and digests of what comes out are right: only who looks inside can tell. The frame is
described in state/snapshot_internal.h; zstd comes from the library that the programs use.
"""

import ctypes
import hashlib
import json
import os
import sqlite3
import struct
import sys
import tempfile

PREFIX, TRAILER = 16, 32
size_t = ctypes.c_size_t
zstd = ctypes.CDLL("libzstd.so.1")
for name in ("ZSTD_compressBound", "ZSTD_compress", "ZSTD_decompress"):
    getattr(zstd, name).restype = size_t


def unpack(data, length):
    room = ctypes.create_string_buffer(length)
    if zstd.ZSTD_decompress(room, size_t(length), data, size_t(len(data))) != length:
        sys.exit("the payload cannot be unpacked")
    return room.raw


def pack(data):
    bound = zstd.ZSTD_compressBound(size_t(len(data)))
    room = ctypes.create_string_buffer(bound)
    length = zstd.ZSTD_compress(room, size_t(bound), data, size_t(len(data)), 1)
    return room.raw[:length]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def change(image, statements):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "state.db")
        with open(path, "wb") as file:
            file.write(image)
        database = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            database.execute(statement)
        database.close()
        with open(path, "rb") as file:
            return file.read()


def main():
    source, target, what = sys.argv[1:4]
    with open(source, "rb") as file:
        data = file.read()
    magic, form, flags, length = struct.unpack(">4sHHI", data[:12])
    header = json.loads(data[PREFIX:PREFIX + length])
    image = unpack(data[PREFIX + length:-TRAILER], header["raw_size"])
    if what == "sql":
        image = change(image, sys.argv[4:])
        header.update(raw_size=len(image), raw_sha256=hashlib.sha256(image).hexdigest())
    else:
        header.update(json.loads(sys.argv[4]))
    text = json.dumps(header, separators=(",", ":")).encode()
    start = struct.pack(">4sHHI", magic, form, flags, len(text))
    frame = start + struct.pack(">I", crc32c(start + text)) + text + pack(image)
    with open(target, "wb") as file:
        file.write(frame + hashlib.sha256(frame).digest())


main()
