"""The curves: which ones a run has, and what the browser does with them."""

import dataclasses
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.store import RunState
from pages.parts import palette
from pages.parts.components import loading
from pages.parts.components.live_chart import live_chart
from tests.chromium import launched

STUDENT = ModelRecipe(model="tiny")
RUN = RunState(id="a", name="a")

# A server in the page: `points` so far, and whether more will come.
SERVER = """
window.asked = []; window.points = 100; window.active = true; window.gone = false;
window.fetch = async (url) => {
  asked.push(url);
  if (gone) return {ok: false, status: 404};
  const since = +new URL(url, "http://x").searchParams.get("since"), steps = [];
  if (url.includes("to=")) return {ok: true, status: 200, json: async () => ({series: {"loss/student/total": [[40, 41, 42], [7, 7, 7]]}})};
  for (let step = since + 1; step <= points; step++) if (step > 0) steps.push(step);
  return {ok: true, status: 200, json: async () => ({status: "running", active, step: points, epochs: 10, reset: since < 0,
    steps_per_epoch: 20, train_images: 640, teacher: {top1: 0.9}, marks: [[30, "kd weight 0.9 → 1.8"]],
    series: {"loss/student/total": [steps, steps.map((s) => 1 / s), ...(window.thinned ? [steps, steps.map((s) => 1 / s), 1] : [])]}})};
};
const frame = document.querySelector("#chart");
window.mount = (version = "running", parentElement = frame) => draw({parentElement, data: {runs: [{id: "r", version}], panels: [
  {title: "Loss", unit: "", log: true, fixed: null, series: [
    {run: 0, name: "loss/student/total", label: "Student", colour: "primary", style: 0, smooth: false},
    {run: 0, level: "top1", label: "Teacher", colour: "violet", style: 1}]}]}});
window.unmount = mount();
"""


def test_a_run_with_a_twin_shows_three_networks_and_each_term():
    recipe = Recipe(
        student=STUDENT, teacher=TeacherRecipe(weights="t"), twin=True, terms=(Term(method="ce"), Term(method="kd"))
    )
    accuracy, total, losses, shares = live_chart.panels_of(recipe, RUN)
    assert [(line.label, line.colour) for line in accuracy.lines] == [
        ("Student", "primary"), ("Twin", "orange"), ("Teacher", "violet"),
    ]  # fmt: skip
    assert [line.name for line in total.lines] == ["loss/student/total", "loss/twin/total"]
    assert [line.name for line in losses.lines] == ["loss/student/ce", "loss/student/kd"]
    assert [line.name for line in shares.lines] == ["share/ce", "share/kd"]


def test_one_term_has_no_shares_to_show():
    assert [panel.title for panel in live_chart.panels_of(Recipe(student=STUDENT), RUN)] == ["Accuracy", "Total loss"]


def test_the_share_of_the_gradient_is_shown_where_it_was_measured():
    recipe = Recipe(student=STUDENT, teacher=TeacherRecipe(weights="t"), terms=(Term(method="ce"), Term(method="kd")))
    for run in (RunState(id="a", name="a", status="running"), RunState(id="a", name="a", gradients=({"step": 1},))):
        panel = live_chart.panels_of(recipe, run)[-1]
        assert panel.title == "Share of the gradient"
        assert [line.name for line in panel.lines] == ["gradient_share/ce", "gradient_share/kd"]


HINTS = Term(method="fitnets", weight=250)


@pytest.mark.parametrize(
    "changes, knobs",
    [
        ({"terms": (Term(method="kd"), Term(method="fitnets", weight={"linear": [250, 0]}))}, {}),
        ({"terms": (Term(method="kd", from_epoch=6), HINTS)}, {}),
        ({"terms": (Term(method="kd"), Term(method="fitnets", weight=250, adapt={"patience": 1}))}, {}),
        ({"terms": (Term(method="kd"), HINTS), "weighting": "uncertainty"}, {}),
        ({"terms": (Term(method="kd"), HINTS)}, {"weight/kd": 0.5}),
    ],
)
def test_weights_that_change_are_drawn(changes, knobs):
    recipe = Recipe(student=STUDENT, teacher=TeacherRecipe(weights="t"), **changes)
    panel = live_chart.panels_of(recipe, RunState(id="a", name="a", knobs=knobs))[-1]
    assert panel.title == "Weight of each term"
    assert [line.name for line in panel.lines] == ["weight/kd", "weight/fitnets"]


def test_weights_that_stay_are_not_drawn():
    recipe = Recipe(student=STUDENT, teacher=TeacherRecipe(weights="t"), terms=(Term(method="kd"), HINTS))
    panels = live_chart.panels_of(recipe, RunState(id="a", name="a", knobs={"learning_rate": 0.5}))
    assert "Weight of each term" not in [panel.title for panel in panels]


def test_without_validation_images_accuracy_is_of_training():
    recipe = Recipe(student=STUDENT, data=DataRecipe(validation=0), teacher=TeacherRecipe(weights="t"))
    accuracy = live_chart.panels_of(recipe, RUN)[0]
    assert accuracy.note == "on training images"
    assert [line.name for line in accuracy.lines] == ["train_top1/student"]


def test_compared_runs_differ_by_line_style_and_networks_keep_their_colours():
    recipes = [Recipe(student=STUDENT, twin=True), Recipe(student=STUDENT)]
    accuracy, loss = live_chart.panels_to_compare(recipes, ["one", "two"])
    assert [(line.label, line.run, line.colour, line.style) for line in accuracy.lines] == [
        ("one", 0, "primary", 0), ("one, twin", 0, "orange", 0), ("two", 1, "primary", 1),
    ]  # fmt: skip
    assert [line.run for line in loss.lines] == [0, 1]
    assert {line.colour for line in (*accuracy.lines, *loss.lines)} <= set(palette.COLOURS.values())


def test_no_term_has_the_colour_of_a_network():
    assert not set(palette.TERM_COLOURS) & set(palette.COLOURS.values())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with launched() as browser:
        yield browser.new_page(viewport={"width": 800, "height": 600})


@pytest.fixture
def chart(chromium: Page) -> Page:
    script = loading.script("live_chart").replace("export default function", "const draw = function")
    script = script.replace("EVERY = 1000", "EVERY = 100")
    body, style = loading.text("live_chart", "html"), loading.text("live_chart", "css")
    chromium.goto("about:blank")
    chromium.set_content(f"<style>{style} .panels {{width: 700px}}</style><div id=chart>{body}</div>")
    chromium.add_script_tag(content=script + SERVER, type="module")
    chromium.wait_for_function("document.querySelector('canvas')?.ariaLabel?.includes('Student')")
    return chromium


def view(page: Page) -> str:
    """What is in the canvas, as a picture."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.evaluate("document.querySelector('canvas').toDataURL()")


def epoch_at(page: Page, x: int) -> str:
    """The epoch at the crosshair: the same place, the same epoch, while the view is the same.

    A button that appears moves the charts, which takes the crosshair away until the pointer moves again.
    """
    for _ in range(50):
        page.mouse.move(x - 1, 250)
        page.mouse.move(x, 250)
        view(page)
        if word := page.locator(".word").inner_text():
            return word
    raise AssertionError("no crosshair under the pointer")


@pytest.mark.browser
def test_new_points_are_requested_once(chart):
    chart.evaluate("points = 120")
    chart.wait_for_function("asked.length >= 3 && asked.at(-1).includes('since=120')")
    assert "since=-1" in chart.evaluate("asked[0]")
    assert "since=100" in chart.evaluate("asked[1]")
    assert "Student 0.00833" in chart.locator("canvas").get_attribute("aria-label")


@pytest.mark.browser
def test_zoom_is_kept_when_points_come_and_undone_by_a_double_click(chart):
    whole = epoch_at(chart, 600)
    chart.mouse.move(300, 250)  # what is under the pointer stays there
    chart.mouse.wheel(0, -300)
    chart.locator(".whole").wait_for(state="visible")
    near = epoch_at(chart, 600)
    assert near != whole
    chart.evaluate("points = 120")
    chart.wait_for_function("asked.at(-1).includes('since=120')")
    assert epoch_at(chart, 600) == near
    chart.locator("canvas").dblclick()
    chart.locator(".whole").wait_for(state="hidden")
    assert epoch_at(chart, 600) == whole


@pytest.mark.browser
def test_requests_end_with_the_run_and_begin_again_when_it_is_resumed(chart):
    chart.evaluate("active = false")
    chart.wait_for_timeout(300)
    asked = chart.evaluate("asked.length")
    chart.wait_for_timeout(400)
    assert chart.evaluate("asked.length") == asked
    chart.evaluate("active = true; mount('resumed'); 0")
    chart.wait_for_function(f"asked.length > {asked} + 1")


@pytest.mark.browser
def test_a_run_that_was_deleted_is_not_requested_again(chart):
    chart.evaluate("gone = true")
    chart.wait_for_timeout(300)
    asked = chart.evaluate("asked.length")
    chart.wait_for_timeout(300)
    assert chart.evaluate("asked.length") == asked


@pytest.mark.browser
def test_a_line_can_be_hidden_and_a_value_read(chart):
    legend = chart.locator(".legend button").first
    shown = view(chart)
    legend.click()
    assert legend.get_attribute("aria-pressed") == "false"
    assert view(chart) != shown
    legend.click()
    chart.mouse.move(300, 250)
    chart.wait_for_function("document.querySelector('.word').textContent.startsWith('epoch')")
    assert "0.01 " not in legend.inner_text()  # not the last value any more


SECOND_CHART = """() => {
  const other = document.body.appendChild(frame.cloneNode(true));
  other.id = "other";
  mount("running", other);
  window.cursors = [];
  distillationCursor.subscribe((value) => cursors.push(value));
}"""


@pytest.mark.browser
def test_all_charts_of_a_page_have_one_cursor_and_one_zoom(chart):
    chart.evaluate(SECOND_CHART.replace("frame", "document.querySelector('#chart')"))
    other, canvas = chart.locator("#other canvas"), chart.locator("#chart canvas")
    chart.wait_for_function("document.querySelector('#other canvas')?.ariaLabel?.includes('Student')")
    canvas.hover(trial=True)  # waits until it has its place
    box = canvas.bounding_box()
    at = lambda share: box["x"] + 52 + share * (box["width"] - 62)  # noqa: E731
    chart.mouse.move(at(0.5), box["y"] + 60)
    word = "document.querySelector('#other .word').textContent.match(/^epoch ([0-9.]+)$/)?.[1]"
    half = float(chart.wait_for_function(word).json_value())
    assert chart.evaluate("cursors.at(-1).epoch") == pytest.approx(half, abs=0.01)
    chart.mouse.down()
    chart.mouse.move(at(0.75), box["y"] + 60)
    chart.mouse.up()
    chart.locator("#other .whole").wait_for(state="visible")
    assert chart.evaluate("[cursors.at(-1).from, cursors.at(-1).to]") == pytest.approx([half, 1.5 * half], rel=0.02)
    chart.mouse.dblclick(at(0.5), box["y"] + 60)
    chart.locator("#other .whole").wait_for(state="hidden")
    chart.mouse.move(0, 0)
    chart.wait_for_function("document.querySelector('#other .word').textContent === ''")
    other.focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "Enter"):
        chart.keyboard.press(key)
    chart.wait_for_function("document.querySelector('#chart .word').textContent === 'epoch 0.15, kept'")
    assert "Student 0.333" in other.get_attribute("aria-valuetext")
    assert "kd weight 0.9 → 1.8 at epoch 1.50" in other.get_attribute("aria-label")


@pytest.mark.browser
def test_a_zoom_into_a_thinned_series_requests_its_points(chart):
    chart.evaluate("thinned = true; active = false; mount('finished'); 0")
    chart.wait_for_function("asked.at(-1).includes('since=-1')")
    chart.evaluate("distillationCursor.set({epoch: 2, from: 1.8, to: 2.4}, 'test')")
    chart.wait_for_function("asked.at(-1).includes('to=')")
    assert "since=30&to=54&" in chart.evaluate("asked.at(-1)")  # with half of the stretch at either side
    chart.wait_for_function("document.querySelector('canvas').ariaValueText.includes('Student 7')")


@pytest.mark.browser
def test_a_chart_is_saved_as_svg_and_png(chart):
    for kind, start in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with chart.expect_download() as saved:
            chart.get_by_role("button", name=f"Download Loss as {kind}").click()
        assert saved.value.suggested_filename == f"r-loss.{kind.lower()}"
        assert saved.value.path().read_bytes().startswith(start)


@pytest.mark.browser
def test_an_unmounted_chart_requests_nothing(chart):
    chart.evaluate("unmount()")
    asked = chart.evaluate("asked.length")
    chart.wait_for_timeout(300)
    assert chart.evaluate("asked.length") <= asked + 1


@pytest.mark.parametrize("teacher, note", [
    ({"top1": 0.9}, "on validation images"),
    ({"top1": 0.9, "seen": 0.0}, "on validation images"),
    ({"top1": 0.9, "seen": 0.8775}, "on validation images; the teacher was trained on 88 % of them"),
])  # fmt: skip
def test_the_teachers_line_says_how_many_of_the_images_were_its_own(teacher, note):
    recipe = Recipe(student=STUDENT, teacher=TeacherRecipe(weights="cues-teacher"), terms=(Term(method="kd"),))
    accuracy = live_chart.panels_of(recipe, dataclasses.replace(RUN, teacher=teacher))[0]
    assert accuracy.note == note
