"""The storyboard's file: written as a whole, and refused in words where it is damaged or leads elsewhere."""

import json

import pytest

from kdcore.errors import NotAllowed, UserError
from kdcore.files import locks
from pages.parts import engine
from pages.parts.engine import storyboard


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KD_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def three():
    return [storyboard.add(f"/train?run={name}", name) for name in ("one", "two", "three")]


def captions():
    return [view.caption for view in storyboard.load()]


def write(plain):
    storyboard.file().parent.mkdir(parents=True, exist_ok=True)
    storyboard.file().write_text(plain if isinstance(plain, str) else json.dumps(plain))


def test_there_is_none_at_first():
    assert storyboard.load() == []


def test_views_are_added_and_read_again(three):
    added = storyboard.add("runs?run=a&present=1", "  Two\n runs ", {"epoch": 3}, 0.5)
    assert storyboard.load() == [*three, added]
    assert (added.address, added.caption, added.cursor, added.scroll) == (
        "/runs?run=a",
        "Two runs",
        {"epoch": 3.0},
        0.5,
    )
    assert json.loads(storyboard.file().read_text())["version"] == 1
    assert {path.name for path in storyboard.file().parent.iterdir()} == {"storyboard.json", "storyboard.lock"}


def test_a_view_without_a_caption_is_called_by_its_address():
    assert storyboard.add("/methods?method=kd", " ").caption == "/methods?method=kd"


def test_views_are_renamed_moved_and_deleted(three):
    storyboard.edit(three[0].id, "The first", "Wait for the map.")
    storyboard.move(three[2].id, -1)
    storyboard.move(three[0].id, -1)  # it is the first already
    assert captions() == ["The first", "three", "two"]
    assert storyboard.load()[0].notes == "Wait for the map."
    storyboard.delete(three[2].id)
    assert captions() == ["The first", "two"]
    for change in (lambda: storyboard.delete(three[2].id), lambda: storyboard.move("nope", 1)):
        with pytest.raises(UserError, match="This view is no longer in the storyboard"):
            change()


def test_there_are_bounds(monkeypatch, three):
    monkeypatch.setattr(storyboard, "MOST_VIEWS", 3)
    with pytest.raises(UserError, match="at most 3 views. Delete some first"):
        storyboard.add("/", "one more")
    with pytest.raises(UserError, match="Notes have at most 4,000 characters, not 4,001"):
        storyboard.edit(three[0].id, "x", "x" * 4001)
    assert len(storyboard.as_caption("x" * 5000)) == 200


def test_notes_that_could_not_be_read_again_are_not_written(monkeypatch, three):
    monkeypatch.setattr(storyboard, "LARGEST", 2000)
    with pytest.raises(UserError, match="would take [0-9,]+ bytes; at most 2,000 are kept. Shorten notes"):
        storyboard.edit(three[0].id, "one", "学" * 600)
    assert storyboard.load() == three


@pytest.mark.parametrize(
    "content, why",
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ([], "has no version 1"),
        ({"version": 2, "views": []}, "has no version 1"),
        ({"version": 1, "views": {}}, "no list of at most 100 views"),
        ({"version": 1, "views": [{"address": "/"}] * 101}, "no list of at most 100 views"),
        ({"version": 1, "views": ["/"]}, "View 1 of storyboard.json needs an address"),
        ({"version": 1, "views": [{"address": "/", "caption": 7}]}, "View 1 of storyboard.json needs"),
        ({"version": 1, "views": [{"caption": "none"}]}, "is no page of this app"),
        ({"version": 1, "views": [{"address": "/"}, {"address": "https://evil.example/"}]}, "View 2 .* is refused: .* is no page"),
        ({"version": 1, "views": [{"address": "//evil.example"}]}, "View 1 .* is refused"),
        ({"version": 1, "views": [{"address": "/", "cursor": {"epoch": "1"}}]}, "The cursor's epoch is a number"),
        ({"version": 1, "views": [{"address": "/", "cursor": {"epoch": 10**400}}]}, "The cursor's epoch is a number"),
        ({"version": 1, "views": [{"address": "/train?run=\ud800"}]}, "View 1 .* is refused: 'run' is no parameter"),
        ({"version": 1, "views": [{"address": "/", "scroll": 1.5}]}, "scroll is a number from 0 to 1"),
        ({"version": 1, "views": [{"address": "/", "id": "a"}] * 2}, "two views with one id"),
        ({"version": 1, "views": [{"address": "/", "notes": "x" * 4001}]}, "The notes of view 1 .* more than 4,000 characters: shorten"),
        ({"version": 1, "views": [{"address": "/", "caption": "x" * 201}]}, "The caption of view 1 .* more than 200 characters"),
    ],
)  # fmt: skip
def test_a_file_that_was_edited_badly_is_refused_and_kept(content, why):
    write(content)
    before = storyboard.file().read_bytes()
    with pytest.raises(UserError, match=why) as refused:
        storyboard.load()
    assert str(refused.value).endswith("Mend or remove the file storyboard.json in the folder of runs.")
    with pytest.raises(UserError, match=why):
        storyboard.add("/", "new")
    assert storyboard.file().read_bytes() == before


def test_a_file_that_is_no_file_or_too_large_is_refused(monkeypatch):
    storyboard.file().mkdir(parents=True)
    with pytest.raises(UserError, match="cannot be read: It is a folder"):
        storyboard.load()
    storyboard.file().rmdir()
    write("x" * (storyboard.LARGEST + 1))
    with pytest.raises(UserError, match="cannot be read: It has 1,048,577 bytes"):
        storyboard.load()


def test_a_view_written_by_hand_needs_an_address_alone():
    write({"version": 1, "views": [{"address": "train?run=one"}, {"address": "/", "caption": "Start", "more": 1}]})
    assert captions() == ["/train?run=one", "Start"]
    assert len({view.id for view in storyboard.load()}) == 2


def test_texts_that_no_browser_takes_are_shown_without_these_characters():
    write(
        {"version": 1, "views": [{"address": "/", "caption": "a\ud800b\0", "notes": "1\n2\udfff\0", "id": "\ud800x"}]}
    )
    (view,) = storyboard.load()
    assert (view.caption, view.notes, view.id) == ("a b", "1\n2", "x")


def test_a_storyboard_is_the_operators(visiting, three):
    for call in (engine.views, lambda: engine.add_view("/", "x"), lambda: engine.delete_view(three[0].id)):
        with pytest.raises(NotAllowed, match="Only the operator can"):
            call()
    assert captions() == ["one", "two", "three"]


def test_no_other_app_changes_the_file_between_reading_and_writing(monkeypatch):
    held = []
    monkeypatch.setattr(
        storyboard, "load", lambda: held.append(locks.is_held(storyboard.file().with_suffix(".lock"))) or []
    )
    storyboard.add("attention", "one")
    assert (held, locks.is_held(storyboard.file().with_suffix(".lock"))) == ([True], False)
