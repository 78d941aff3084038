"""An address of a view leads to a page of the app and nowhere else."""

import json
import re
from pathlib import Path

import pytest

from kdcore.errors import UserError
from pages.parts import page_table
from pages.parts.attention import shared_photos
from pages.parts.stage.address import NOT_OF_A_VIEW, address, parse


def test_the_addresses_are_those_of_the_page_table():
    table = Path(page_table.__file__).read_text(encoding="utf-8")
    assert set(page_table.addresses()) == {"", *re.findall(r'url_path="(.*?)"', table)}


@pytest.mark.parametrize(
    "text, kept",
    [
        ("/", "/"),
        ("/train?run=one", "/train?run=one"),
        ("attention?photo=cat&deeper=Over the epochs", "/attention?photo=cat&deeper=Over%20the%20epochs"),
        ("/runs?run=a&run=b&present=1&notes=1&embed=true", "/runs?run=a&run=b"),  # a window's own parameters
        ("/attention?photo=shared-1&remove=key", "/attention?photo=shared-1"),  # the sharer's alone
        ("/runs?run=a#part", "/runs?run=a"),
        ("/runs?empty=", "/runs?empty="),
        ("/train?run=%22%3E%3Cscript%3E", "/train?run=%22%3E%3Cscript%3E"),  # text, which pages show as text
    ],
)
def test_pages_and_their_parameters_are_kept(text, kept):
    assert str(parse(text)) == kept
    assert str(parse(kept)) == kept


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/", "//evil.example/train", "/\\evil.example", "javascript:alert(1)", "/train/../admin", "/nowhere",
        "/%2e%2e/x", "data:text/html,x", "/train/?x=1", "/TRAIN",
    ],
)  # fmt: skip
def test_what_is_no_page_of_the_app_is_refused(text):
    with pytest.raises(UserError, match="is no page of this app. Its pages: /, /attention, /methods"):
        parse(text)


@pytest.mark.parametrize(
    "query, why",
    [
        ("x" * 2001, "text of at most 2,000 characters"),
        ("&".join(f"a{n}=1" for n in range(41)), "at most 40 parameters"),
        ("run=%ff", "in UTF-8"),
        ("run=a%0d%0aSet-Cookie", "is no parameter"),
        ("a%20b=1", "'a b' is no parameter"),
        ("__proto__=1", "'__proto__' is no parameter"),
        (7, "text of at most"),
    ],
)
def test_parameters_that_no_page_has_are_refused(query, why):
    with pytest.raises(UserError, match=why):
        address("train", query)


def test_the_browser_leaves_out_the_same_parameters():
    views = Path(page_table.__file__).with_name("components") / "stage_bar" / "views.js"
    (written,) = re.findall(r"const OF_A_WINDOW = (\[.*?\]);", views.read_text(encoding="utf-8"))
    assert set(json.loads(written)) == NOT_OF_A_VIEW


def test_the_key_that_removes_a_shared_photo_is_no_part_of_a_view():
    assert shared_photos.REMOVE in NOT_OF_A_VIEW


@pytest.mark.parametrize("page", [None, 7, ["train"], {"train": 1}])
def test_a_page_is_named_by_text(page):
    with pytest.raises(UserError, match="is no page of this app"):
        address(page)
