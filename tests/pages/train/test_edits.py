"""What is edited in the form is in its address, and a link with it opens the form as it was."""

import pytest

from kdcore import recipe as recipes
from kdcore.recipe import library
from pages.parts.train import edits


def number(page, label):
    (found,) = [each for each in page.number_input if each.label == label]
    return found


def settings(page):
    found = page.query_params.get("set", [])
    return [found] if isinstance(found, str) else found


def test_a_link_shows_the_edited_form(open_page):
    page = open_page("train.py", preset="quick")
    assert settings(page) == []
    number(page, "Epochs").set_value(3).run()
    number(page, "Labelled images").set_value(200).run()
    assert settings(page) == ["data.labels=200", "epochs=3"]
    assert number(page, "Epochs").value == 3  # its own address does not make the form begin anew
    linked = open_page("train.py", preset="quick", set=settings(page))
    assert (number(linked, "Epochs").value, number(linked, "Labelled images").value) == (3, 200)
    assert settings(linked) == settings(page)


def test_an_edit_that_is_taken_back_leaves_the_address_as_it_was(open_page):
    page = open_page("train.py", set=["epochs=3"])
    number(page, "Epochs").set_value(5).run()
    assert settings(page) == ["epochs=5"]
    number(page, "Epochs").set_value(3).run()
    assert settings(page) == ["epochs=3"]


def test_back_shows_the_form_as_the_address_says(open_page):
    page = open_page("train.py")
    number(page, "Epochs").set_value(3).run()
    page.query_params.pop("set")
    assert number(page.run(), "Epochs").value == 8
    assert settings(page) == []


def test_another_preset_begins_without_the_edits_of_the_last_one(open_page, tmp_path):
    (tmp_path / "recipes" / "slow.yaml").write_text((tmp_path / "recipes" / "quick.yaml").read_text().replace("8", "9"))
    page = open_page("train.py", preset="quick", set=["epochs=3"])
    page.selectbox(key="preset").set_value("slow").run()
    assert number(page, "Epochs").value == 9
    assert settings(page) == []


def test_an_address_is_not_made_longer_than_others_accept(open_page):
    long = f"terms={[{'method': 'ce', 'name': 70 * letter} for letter in 'abcdefgh']}"
    recipe = library.recipe("quick")
    assert edits.shareable(recipe, recipes.with_overrides(recipe, [long])) == []


def test_an_address_has_no_more_settings_than_are_read_from_it(monkeypatch):
    recipe = library.recipe("quick")
    edited = recipes.with_overrides(recipe, ["epochs=3", "data.labels=200"])
    monkeypatch.setattr(edits, "MOST", 2)
    assert len(edits.shareable(recipe, edited)) == 2
    monkeypatch.setattr(edits, "MOST", 1)
    assert edits.shareable(recipe, edited) == []


@pytest.mark.parametrize(
    "secret", ["data.path=/home/ada/birds", "teacher.weights=/home/ada/net.safetensors", "note=/home/ada", "name=ada"]
)
def test_no_file_of_this_machine_and_no_name_is_in_an_address(secret):
    recipe = library.recipe("quick")
    edited = recipes.with_overrides(recipe, [secret, "epochs=3"])
    assert edits.shareable(recipe, edited) == ["epochs=3"]


def test_an_address_of_a_form_with_an_own_folder_opens_with_all_else_that_was_edited(open_page):
    """Its folder is hidden, so its dataset stays out too: a folder without a path was refused, and every other setting with it."""
    recipe = library.recipe("quick")
    folder = [
        "data.name=folder",
        "data.path=/home/ada/birds",
        "data.image_size=224",
        "data.train_images=null",
        "data.labels=all",
    ]
    edited = recipes.with_overrides(recipe, [*folder, "data.batch_size=32", "epochs=3"])
    shared = edits.shareable(recipe, edited)
    assert shared == ["data.batch_size=32", "epochs=3"]
    page = open_page("train.py", preset="quick", set=shared)
    assert (number(page, "Epochs").value, number(page, "Batch size").value) == (3, 32)
    assert not page.error
