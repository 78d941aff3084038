from kdcore.store.replay import lines
from kdcore.store.replay.lines import Lines


def read(path, **options) -> list[bytes]:
    return [line for some in Lines().new(path, **options) for line in some]


def test_the_rest_of_a_line_that_is_too_long_is_skipped_to_its_end(tmp_path, monkeypatch):
    """However many reads it takes, and the lines after it are whole."""
    monkeypatch.setattr(lines, "MOST_BYTES", 10)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"first\n" + b"x" * 100 + b"\nlast\n")
    first, beginning, last = read(path, read_bytes=16)
    assert (first, last) == (b"first", b"last")
    assert set(beginning) == set(b"x")
    assert 10 < len(beginning) < 100
    assert read(path) == [b"first", b"x" * 100, b"last"]  # in a single read the line is whole, and still too long
