"""TensorBoard's record format."""

import io
import struct

from kdcore.files import event_records


def test_checksums_are_crc_32c():
    assert event_records.crc32c(b"123456789") == 0xE3069283  # the check value of the algorithm's catalogue
    assert event_records.crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_a_record_is_its_length_and_the_event_with_their_checksums():
    file = io.BytesIO()
    event_records.write_numbers(file, 1.5, 300, {"loss": 0.25})
    written = file.getvalue()
    value = b"\x0a\x04loss" + b"\x15" + struct.pack("<f", 0.25)  # tag, then simple_value
    event = b"\x09" + struct.pack("<d", 1.5) + b"\x10\xac\x02" + b"\x2a\x0d" + b"\x0a\x0b" + value  # 300 = 0xac 0x02
    length = struct.pack("<Q", len(event))
    assert written == length + event_records.masked(length) + event + event_records.masked(event)
