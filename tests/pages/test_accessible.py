"""Names for screen readers, and contrast: WCAG 2.2, level AA, computed from the theme in both modes."""

import ast
import re
import tomllib
from collections.abc import Iterator

import pytest

from kdcore.paths import PROJECT

THEME = tomllib.loads((PROJECT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
# Streamlit's own, where the theme leaves them: background, second background, text, faded text (as on the page).
USUAL = {
    "light": {"backgroundColor": "#ffffff", "secondaryBackgroundColor": "#f8f8f7", "textColor": "#2f2d2b"},
    "dark": {"backgroundColor": "#171614", "secondaryBackgroundColor": "#2d2b27", "textColor": "#edebe8"},
}
TEXT, LARGE = 4.5, 3.0  # least contrast of text, and of large text, icons and the borders of controls
WIDGETS = frozenset((
    "selectbox", "multiselect", "pills", "segmented_control", "slider", "select_slider", "toggle", "checkbox", "text_input",
    "number_input", "radio", "text_area", "file_uploader", "camera_input",
))  # fmt: skip
PICTURES = re.compile(r"heat|canvas|\.tile|interval|disabled|pressed|\.size|band|brush")  # and what cannot be used now
FRAME = (PROJECT / "pages" / "parts" / "server" / "frame.css").read_text(encoding="utf-8")
MARKUP = re.compile(r":[a-z-]+\[|\*\*|`")


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def theme(kind: str) -> dict[str, str]:
    return {**USUAL[kind], **{name: value for name, value in THEME[kind].items() if isinstance(value, str)}}


def over(colour: str, background: str, opacity: float) -> str:
    """A colour that is drawn with an opacity."""
    mixed = [
        round(int(colour[i : i + 2], 16) * opacity + int(background[i : i + 2], 16) * (1 - opacity)) for i in (1, 3, 5)
    ]
    return "#" + "".join(f"{value:02x}" for value in mixed)


def test_the_formula_gives_the_known_contrasts():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("kind", ["light", "dark"])
@pytest.mark.parametrize("text", ["textColor", "violetTextColor", "orangeTextColor", "primaryColor"])
def test_text_in_every_networks_colour_can_be_read(kind, text):
    colours = theme(kind)
    for background in ("backgroundColor", "secondaryBackgroundColor"):
        found = contrast(colours[text], colours[background])
        assert found >= (TEXT if background == "backgroundColor" else LARGE), f"{text} on {background}: {found:.2f} : 1"


@pytest.mark.parametrize(("kind", "place"), [("light", 0), ("dark", 1)])
def test_words_on_buttons_can_be_read(kind, place):
    words = re.search(r"stBaseButton-primary.*?light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", FRAME)
    assert words
    assert contrast(words.groups()[place], theme(kind)["primaryColor"]) >= TEXT


@pytest.mark.parametrize(("kind", "place"), [("light", 0), ("dark", 1)])
def test_words_on_the_chosen_button_and_on_tags_can_be_read(kind, place):
    colours = theme(kind)
    tint = over(colours["primaryColor"], colours["backgroundColor"], 0.1)
    for element, ground in (("stButtonGroup", tint), ("stMultiSelectTagsContainer", colours["primaryColor"])):
        words = re.search(element + r".*?light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", FRAME)
        assert words
        assert contrast(words.groups()[place], ground) >= TEXT


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_words_at_the_axes_of_charts_can_be_read(kind):
    pale = re.search(r"role-axis-label.*?fill: currentColor; opacity: ([0-9.]+)", FRAME)
    assert pale
    colours = theme(kind)
    assert (
        contrast(over(colours["textColor"], colours["backgroundColor"], float(pale[1])), colours["backgroundColor"])
        >= TEXT
    )


@pytest.mark.parametrize("kind", ["light", "dark"])
@pytest.mark.parametrize("colour", ["violetColor", "primaryColor", "orangeColor"])
def test_labels_of_curves_in_a_networks_colour_can_be_read(kind, colour):
    assert contrast(theme(kind)[colour], theme(kind)["backgroundColor"]) >= TEXT


def test_words_on_the_accent_in_components_are_those_of_buttons():
    for path in sorted((PROJECT / "pages" / "parts").rglob("*.css")):
        for rule in re.findall(
            r"\{([^{}]*background: var\(--st-primary-color\)[^{}]*)\}", path.read_text(encoding="utf-8")
        ):
            words = re.search(r"(?<![-\w])color: ([^;]+);", rule)
            assert not words or words[1] == "light-dark(#ffffff, #000000)", f"{path.name}: {rule.strip()}"


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_captions_can_be_read(kind):
    colours, pale = theme(kind), re.search(r"stCaptionContainer.*?color: inherit !important; opacity: ([0-9.]+)", FRAME)
    assert pale
    for background in ("backgroundColor", "secondaryBackgroundColor"):
        ground = colours[background]
        assert contrast(over(colours["textColor"], ground, float(pale[1])), ground) >= TEXT


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_curves_stand_out_from_the_page(kind):
    colours = theme(kind)
    for name in ("violetColor", "primaryColor", "orangeColor"):
        assert contrast(colours[name], colours["backgroundColor"]) >= LARGE


def faded() -> Iterator[tuple[str, float]]:
    """Where the styles of the components make text paler: the rule, and the opacity of its words."""
    for path in sorted((PROJECT / "pages" / "parts").rglob("*.css")):
        text = re.sub(
            r"/\*.*?\*/|@keyframes[^{]*\{[^{}]*\{[^{}]*\}\s*\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        for selector, rule in re.findall(r"([^{}]*)\{([^{}]*)\}", text):
            pale = re.search(r"(?<![-\w])(?:fill-)?opacity: (0?\.\d+)", rule)
            mixed = re.search(
                r"(?<![-\w])(?:color|fill): color-mix\(in srgb, (?:var\(--st-text-color\)|currentColor) (\d+)%", rule
            )
            if mixed or (pale and not PICTURES.search(selector)):
                yield f"{path.name}: {selector.strip()}", float(pale[1]) if pale else int(mixed[1]) / 100


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_pale_words_of_the_components_can_be_read(kind):
    colours, found = theme(kind), list(faded())
    assert len(found) > 10
    ground = colours["backgroundColor"]
    low = {
        where: opacity
        for where, opacity in found
        if contrast(over(colours["textColor"], ground, opacity), ground) < TEXT
    }
    assert low == {}


def labels() -> Iterator[tuple[str, str]]:
    """Where, and the constant parts of a widget's label."""
    for path in sorted((PROJECT / "pages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in WIDGETS
                and node.args
            ):
                parts = [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                yield f"{path.name}:{node.lineno}", "".join(part for part in parts if isinstance(part, str))


def test_widgets_are_named_in_plain_words():
    """A screen reader spells out markup: “colon violet bracket Teacher”."""
    found = list(labels())
    assert len(found) > 40
    assert [(where, label) for where, label in found if MARKUP.search(label)] == []


def test_buttons_have_a_name_before_a_script_changes_it():
    """What draws a button by its style alone must name it, also where it was never pressed."""
    found = [
        (path.name, button, words)
        for path in sorted((PROJECT / "pages" / "parts").rglob("*.html"))
        for button, words in re.findall(r"<button([^>]*)>(.*?)</button>", path.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert len(found) > 10
    named = re.compile(r"aria-label=|\bhidden\b")
    assert [each for each in found if not named.search(each[1]) and not re.sub(r"<[^>]*>", "", each[2]).strip()] == []


def test_the_focus_is_never_hidden():
    """Whoever uses the keys must see where they are: an outline that is removed has another sign in its place."""
    for path in sorted((PROJECT / "pages" / "parts").rglob("*.css")):
        text = path.read_text(encoding="utf-8")
        for rule in re.findall(r"[^{}]*\{[^{}]*outline:\s*(?:none|0)[^{}]*\}", text):
            shown = re.escape(rule.split("{")[0].split("}")[-1].strip())
            assert re.search(
                rf"{shown}:focus-visible[^{{}}]*\{{[^{{}}]*(outline|box-shadow|border|background|stroke|fill)", text
            ), f"{path.name}: {rule.strip()}"
