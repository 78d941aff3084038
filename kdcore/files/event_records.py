"""TensorBoard's event files, written without TensorBoard: numbers by tag and step, as protocol buffers in checked records.

The format: https://www.tensorflow.org/tutorials/load_data/tfrecord and tensorflow/core/util/event.proto. A record is its length, a
checksum of it, the bytes and their checksum; the bytes are one `Event`.
"""

import struct
from collections.abc import Mapping
from typing import BinaryIO

POLYNOMIAL = 0x82F63B78  # of CRC-32C, reversed
MASK = 0xA282EAD8


def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF)


def write_start(file: BinaryIO, when: float) -> None:
    """The first two records: the version of the format, and that steps begin anew, so that a reader drops what it read before."""
    _write(file, _double(1, when) + _bytes(3, b"brain.Event:2"))
    _write(file, _double(1, when) + _varint(2, 0) + _bytes(7, _varint(1, 1)))  # a session log with the status START


def write_numbers(file: BinaryIO, when: float, step: int, numbers: Mapping[str, float]) -> None:
    """A record with all numbers of a step. when: seconds since 1970."""
    values = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + _tag(2, 5) + struct.pack("<f", value)) for tag, value in numbers.items()
    )
    _write(file, _double(1, when) + _varint(2, step) + _bytes(5, values))


def _write(file: BinaryIO, event: bytes) -> None:
    length = struct.pack("<Q", len(event))
    file.write(length + masked(length) + event + masked(event))


def _tag(field: int, kind: int) -> bytes:
    return bytes([field << 3 | kind])


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _varint(field: int, value: int) -> bytes:
    return _tag(field, 0) + _number(value)


def _double(field: int, value: float) -> bytes:
    return _tag(field, 1) + struct.pack("<d", value)


def _bytes(field: int, data: bytes) -> bytes:
    return _tag(field, 2) + _number(len(data)) + data
