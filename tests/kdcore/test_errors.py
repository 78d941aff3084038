from kdcore.errors import clipped, shortened


def test_what_is_short_is_written_as_python_writes_it():
    for value in (3, -2.5, "many", {"lin": [3, 1]}, [1, (2,), None], b"ab", {}, float("nan")):
        assert shortened(value) == repr(value)


def test_what_is_long_loses_its_middle_or_its_end():
    assert shortened("a" * 10**6) == "'" + "a" * 37 + "..." + "a" * 38 + "'"
    assert shortened(list(range(10**5))) == "[0, 1, 2, 3, 4, 5, ...]"
    assert shortened({n: n for n in range(10**5)}) == "{0: 0, 1: 1, 2: 2, 3: 3, ...}"
    assert shortened(b"x" * 10**6).endswith("x'...")
    assert shortened(10**5000) == "a number of about 5,001 digits"
    assert len(shortened([["x" * 100] * 9] * 9)) <= 200
    assert clipped("/folder/" * 100, 20) == "/folder/.../folder/"


def test_what_holds_itself_is_written():
    value: list[object] = []
    value.append(value)
    assert shortened(value) == "[[[[[...]]]]]"
