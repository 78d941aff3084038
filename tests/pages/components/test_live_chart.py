"""The curves: which ones a run has, and what the browser does with them."""

import dataclasses
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.store import RunState
from pages.parts import palette
from pages.parts.components import loading
from pages.parts.components.live_chart import live_chart

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
STUDENT = ModelRecipe(model="tiny")
RUN = RunState(id="a", name="a")

# A server in the page: `points` so far, and whether more will come.
SERVER = """
window.asked = []; window.points = 100; window.active = true; window.gone = false;
window.fetch = async (url) => {
  asked.push(url);
  if (gone) return {ok: false, status: 404};
  const since = +new URL(url, "http://x").searchParams.get("since"), steps = [];
  for (let step = since + 1; step <= points; step++) if (step > 0) steps.push(step);
  return {ok: true, status: 200, json: async () => ({status: "running", active, step: points, epochs: 10, reset: since < 0,
    steps_per_epoch: 20, teacher: {top1: 0.9}, series: {"loss/student/total": [steps, steps.map((s) => 1 / s)]}})};
};
const frame = document.querySelector("#chart");
window.mount = (version = "running") => draw({parentElement: frame, data: {runs: [{id: "r", version}], panels: [
  {title: "Loss", unit: "", log: true, series: [
    {run: 0, name: "loss/student/total", label: "Student", colour: "primary", smooth: false},
    {run: 0, level: "top1", label: "Teacher", colour: "violet"}]}]}});
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


def test_compared_runs_differ_by_colour_and_their_twins_are_dashed():
    recipes = [Recipe(student=STUDENT, twin=True), Recipe(student=STUDENT)]
    accuracy, loss = live_chart.panels_to_compare([RUN, RUN], recipes)
    assert [(line.run, line.colour, line.dash) for line in accuracy.lines] == [
        (0, "primary", False), (0, "primary", True), (1, "orange", False),
    ]  # fmt: skip
    assert [line.run for line in loss.lines] == [0, 1]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["s: lr 0.01, seed 0", "s: lr 0.01, seed 1"], ["seed 0", "seed 1"]),
        (["a long study: lr 0.01, seed 0", "a long study: lr 0.02, seed 0"], ["lr 0.01, seed 0", "lr 0.02, seed 0"]),
        (["quick", "quick at night"], ["quick", "quick at night"]),
        (["s: one"], ["s: one"]),
        (["quick", "all-labels"], ["quick", "all-labels"]),
    ],
)
def test_a_legend_leaves_out_what_all_runs_are_called(names, shown):
    assert live_chart.legend([dataclasses.replace(RUN, name=name) for name in names]) == shown


def test_a_legend_tells_runs_of_one_name_apart_by_their_time():
    runs = [dataclasses.replace(RUN, name="quick", created=stamp) for stamp in (1.7e9, 1.8e9)]
    first, second = live_chart.legend(runs)
    assert first != second
    assert not {"", "quick"} & {first, second}


def test_no_term_has_the_colour_of_a_network():
    assert not set(palette.TERM_COLOURS) & set(palette.COLOURS.values())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        yield browser.new_page(viewport={"width": 800, "height": 600})
        browser.close()


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
