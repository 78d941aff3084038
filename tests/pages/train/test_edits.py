"""What is edited in the form is in its address, and a link with it opens the form as it was."""

import pytest

from kdcore import recipe as recipes
from kdcore.checks.findings import Finding
from kdcore.recipe import library
from pages.parts.roles import role
from pages.parts.train import drafts, edits


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


def started_from(page):
    return page.selectbox(key="preset").value


def reloaded(open_page, page):
    """The same address in a new visit, as after F5."""
    return open_page("train.py", **{name: page.query_params[name] for name in page.query_params})


def applied(open_page, text):
    """The form after a text was applied under Edit the full recipe."""
    page = open_page("train.py")
    page.text_area[0].set_value(text)
    (apply,) = [each for each in page.button if each.label == "Apply"]
    return apply.click().run()


def test_a_reload_shows_a_recipe_that_was_edited_as_text_and_what_was_changed_since(open_page):
    page = applied(open_page, "{name: mine, student: {model: three_stage_cnn}, epochs: 4}")
    again = reloaded(open_page, page)
    assert (started_from(again), number(again, "Epochs").value) == ("Edited recipe", 4)
    number(again, "Epochs").set_value(6).run()
    again = reloaded(open_page, again)
    assert (started_from(again), number(again, "Epochs").value) == ("Edited recipe", 6)
    assert "name: mine" in again.text_area[0].value


def test_a_text_that_is_applied_twice_shows_the_second(open_page):
    page = applied(open_page, "{student: {model: three_stage_cnn}, epochs: 4}")
    page.text_area[0].set_value("{student: {model: three_stage_cnn}, epochs: 5}")
    (apply,) = [each for each in page.button if each.label == "Apply"]
    apply.click().run()
    assert number(page, "Epochs").value == 5
    assert number(reloaded(open_page, page), "Epochs").value == 5


def test_a_reload_shows_an_uploaded_recipe(open_page):
    page = open_page("train.py")
    file = ("mine.yaml", b"{student: {model: three_stage_cnn}, epochs: 4}", "")
    again = reloaded(open_page, page.file_uploader[0].set_value(file).run())
    assert (started_from(again), number(again, "Epochs").value) == ("mine.yaml", 4)


def test_a_reload_shows_an_own_folder_whose_name_is_not_in_the_address(open_page, tmp_path):
    page = open_page("train.py")
    number(page, "Epochs").set_value(3).run()
    page.segmented_control[0].set_value("folder").run()
    page.text_input[0].set_value(str(tmp_path / "birds")).run()
    assert str(tmp_path) not in str(page.query_params)
    again = reloaded(open_page, page)
    assert (again.text_input[0].value, number(again, "Epochs").value) == (str(tmp_path / "birds"), 3)


def test_a_reload_shows_more_edits_than_an_address_holds(open_page, monkeypatch):
    monkeypatch.setattr(edits, "MOST", 1)
    page = open_page("train.py")
    number(page, "Epochs").set_value(3).run()
    number(page, "Labelled images").set_value(200).run()
    again = reloaded(open_page, page)
    assert (number(again, "Epochs").value, number(again, "Labelled images").value) == (3, 200)


def test_a_recipe_that_cannot_run_is_shown_after_a_reload_too(open_page, runner):
    runner.findings = (Finding("pairing", "stop", "attention needs a teacher with attention."),)
    page = open_page("train.py")
    number(page, "Epochs").set_value(3).run()
    assert number(reloaded(open_page, page), "Epochs").value == 3


def test_another_preset_wins_over_the_run_that_led_to_the_form(open_page, make_run, tmp_path):
    (tmp_path / "recipes" / "slow.yaml").write_text((tmp_path / "recipes" / "quick.yaml").read_text().replace("8", "9"))
    run_id = make_run(name="first try")
    assert open_page("train.py", like=run_id).selectbox(key="preset").index > 0
    page = open_page("train.py", like=run_id, preset="slow")  # as the browser writes it when another one is chosen
    assert (started_from(page), number(page, "Epochs").value) == ("slow", 9)


def test_an_edited_text_wins_over_the_run_that_led_to_the_form(open_page, make_run):
    page = open_page("train.py", like=make_run(name="first try"))
    page.text_area[0].set_value("{student: {model: three_stage_cnn}, epochs: 4}")
    (apply,) = [each for each in page.button if each.label == "Apply"]
    again = reloaded(open_page, apply.click().run())
    assert (started_from(again), number(again, "Epochs").value) == ("Edited recipe", 4)


def test_an_edited_recipe_that_is_gone_is_named(open_page):
    page = open_page("train.py", draft="0123456789abcdef", set=["epochs=3"])
    assert "is not kept any more" in page.warning[0].value
    assert number(page, "Epochs").value == 3


def test_a_visitor_does_not_open_the_operator_s_draft(open_page, monkeypatch):
    address = applied(open_page, "{name: secret, student: {model: three_stage_cnn}, epochs: 4}").query_params["draft"]
    monkeypatch.setattr(role, "is_operator", lambda: False)
    page = open_page("train.py", draft=address)
    assert "or is the operator's" in page.warning[0].value
    assert "secret" not in page.text_area[0].value


def test_the_oldest_draft_goes_and_a_long_one_is_not_kept(monkeypatch):
    monkeypatch.setattr(drafts, "MOST", 2)
    monkeypatch.setattr(drafts, "_kept", {True: {}, False: {}})
    first, second = drafts.keep("a", "1"), drafts.keep("a", "2")
    assert drafts.keep("a", "1") == first  # used again, so the other one is the oldest
    drafts.keep("b", "1")
    assert (drafts.find(first), drafts.find(second)) == (drafts.Draft("a", "1"), None)
    assert drafts.keep("a", "x" * (drafts.LONGEST + 1)) == ""
