"""The bundled measurements of maps, and how they are shown."""

import json
import re

import pandas as pd
import pytest
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from kdcore.explain.quality.trust import CONTROLS
from kdcore.inspection import map_cards
from pages.parts.attention import trust

from ..conftest import SECONDS, FakeRunner


def page(reference: str, architecture: str, map_name: str | None) -> None:
    from types import SimpleNamespace

    from pages.parts.attention import trust

    trust.show({"Teacher": SimpleNamespace(reference=reference, architecture=architecture)}, map_name)


def opened(reference: str = "cues-teacher", architecture: str = "vit", map_name: str | None = "grad_cam") -> AppTest:
    return AppTest.from_function(page, default_timeout=SECONDS, args=(reference, architecture, map_name)).run()


def text(test: AppTest) -> str:
    return "\n".join(element.value for element in (*test.markdown, *test.caption, *test.info))


def test_every_map_about_an_image_is_measured():
    measured = json.loads(trust.FILE.read_text(encoding="utf-8"))
    assert list(measured["models"]) == ["cues-teacher", "cues-student", "cues-twin"]
    could = {name for name, card in map_cards().items() if not card.takes_query}
    assert set(measured["models"]["cues-teacher"]) == could | set(CONTROLS)
    no_attention = {name for name in could if map_cards()[name].any_network}
    assert set(measured["models"]["cues-student"]) == no_attention | set(CONTROLS)
    assert trust.CONTROLS == CONTROLS
    assert measured["command"].startswith("python -m benchmarks.trust ")


def test_the_network_that_is_shown_comes_first(runner: FakeRunner):
    assert opened("cues-twin", "cnn").segmented_control[0].value == "cues-twin"
    assert opened("run:a/student", "cnn").segmented_control[0].value == "cues-student"
    assert opened("cifar10-teacher", "vit").segmented_control[0].value == "cues-teacher"


def test_the_table_holds_the_maps_beside_noise_and_a_blob(runner: FakeRunner):
    test = opened()
    assert not test.exception
    table = test.dataframe[0].value
    assert list(table["Map"][-2:]) == ["A blob in the middle", "Noise"]
    shown = table_as_shown(test)
    assert set(shown["Object"][:-2]) == {"\u2713", "\u2014"}
    assert list(shown["Object"][-2:]) == ["", ""]
    passed = [list(row).count("\u2713") for row in shown[:-2].itertuples()]
    assert passed == sorted(passed, reverse=True)
    assert len(set(passed)) > 1
    assert table[trust.SIGNED].min().min() < 0
    displayed = test.dataframe[0].proto.arrow_data.styler.display_values
    assert "\u22120.".encode() in displayed
    assert b"-0." not in displayed
    alike = table[:-2][[count == passed[0] for count in passed]]
    assert list(alike["Inside"]) == sorted(alike["Inside"], reverse=True)


def table_as_shown(test: AppTest) -> pd.DataFrame:
    return convert_arrow_bytes_to_pandas_df(test.dataframe[0].proto.arrow_data.styler.display_values)


@pytest.mark.parametrize("title", ["Object", "Faithful", "Learnt"])
@pytest.mark.parametrize("network", ["cues-teacher", "cues-student"])
def test_a_column_of_ticks_is_sorted_by_what_was_measured(runner: FakeRunner, title: str, network: str):
    test = opened(network)
    table, shown = test.dataframe[0].value, table_as_shown(test)
    assert table[title].notna().all()  # a browser would sort an empty cell as 0, among those that have a figure
    best_first = table[title].sort_values(ascending=False).index
    ticks = "".join(shown[title][place] or " " for place in best_first)
    assert re.fullmatch("\u2713*\u2014* *", ticks)
    assert ticks.endswith("  ")  # the controls
    measured = json.loads(trust.FILE.read_text(encoding="utf-8"))["models"][network]
    cards = {card.title: name for name, card in map_cards().items()}
    named = [measured[cards[table["Map"][place]]] for place in best_first[:-2]]
    effects = {
        "Object": [each["margins"]["object"][0][0] for each in named],
        "Faithful": [min(each["margins"]["faithful"][0][0], each["margins"]["faithful"][1][0]) for each in named],
        "Learnt": [-each["cascade"][-1]["spearman"][0] for each in named],
    }[title]
    passing = ticks.count("\u2713")
    assert effects[:passing] == sorted(effects[:passing], reverse=True)
    assert effects[passing:] == sorted(effects[passing:], reverse=True)


def test_the_chosen_map_in_words(runner: FakeRunner):
    assert "**Grad-CAM** of the" in text(opened())
    assert "Patch attention is about one patch, not about the image" in text(opened(map_name="patch_attention"))
    missing = "Attention rollout is not measured on cues-student. Networks that have it: ViT with a class token."
    assert missing in text(opened("cues-student", "cnn", "rollout"))
    assert not opened(map_name=None).exception


def test_without_figures_it_says_how_to_get_them(runner: FakeRunner, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(trust, "FILE", tmp_path / "trust.json")
    assert "There are no measurements: `python -m benchmarks.trust --write` makes them" in text(opened())
