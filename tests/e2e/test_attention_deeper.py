"""What a visitor does on the Attention page beyond a photo: every section further down, with a mouse, a finger and keys."""

import re
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Locator, Page, expect

from kdcore import recipe as recipes
from kdcore.runner import Runner
from pages.parts.attention import samples
from tests.e2e.conftest import PATIENCE_SECONDS, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

RECIPE = {
    "name": "tiny",
    "data": {"name": "cues", "image_size": 32, "train_images": 64, "test_images": 20, "validation": 0.2, "batch_size": 16},
    "teacher": {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 2, "heads": 2}, "accept": True},
    "student": {"model": "three_stage_cnn_16"},
    "twin": True,
    "terms": [{"method": "kd", "temperature": 2.0}],
    "epochs": 4,
    "probes": {"images": 2},
}  # fmt: skip
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
INK = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def run_id(shared_server: Server) -> str:
    """A run of four epochs, over: with a history to look back on."""
    runner = Runner(shared_server.store, device="cpu", threads=1)
    try:
        (run_id,) = runner.start(recipes.from_plain(RECIPE))
        assert runner.wait(run_id, PATIENCE_SECONDS)
    finally:
        runner.close()
    assert shared_server.store.state(run_id).status == "finished"
    return run_id


def network(page: Page, title: str) -> Locator:
    return page.locator("figure", has=page.locator("figcaption").get_by_text(title, exact=True))


def redrawn(canvas: Locator, before: str) -> str:
    """What a canvas shows once that is something else than before."""
    for _ in range(10 * PATIENCE_SECONDS):
        if (now := str(canvas.evaluate(INK))) != before:
            return now
        canvas.page.wait_for_timeout(100)
    raise AssertionError("The map stays as it was.")


def test_the_scrubber_moves_maps_and_curve_and_its_place_is_in_the_link(shared_server: Server, visit, run_id: str):
    # a label of before, as it stands in old links
    link = f"{shared_server.url}/attention?networks={quote_plus(f'Run {run_id}')}&deeper={quote_plus('How did it learn to see this?')}"
    page = visit(link)
    replay = page.get_by_role("region", name=re.compile("^A run over its epochs"))
    scrubber = replay.get_by_role("slider", name="Epoch")
    student = replay.get_by_role("img", name=re.compile("^Where the Student looks"))
    scrubber.focus()
    scrubber.press("Home")  # stops the playing as well
    expect(replay.get_by_text("Epoch 0.0 of 4")).to_be_visible()
    before = student.evaluate(INK)
    scrubber.press("ArrowRight")
    expect(replay.get_by_text("Epoch 1.0 of 4")).to_be_visible()
    redrawn(student, before)
    expect(page).to_have_url(re.compile(r"[?&]epoch=1(&|$)"))

    again = visit(page.url)
    expect(again.get_by_text("Epoch 1.0 of 4")).to_be_visible()
    expect(again.get_by_role("button", name="Play", exact=True)).to_be_visible()  # it rests there

    page.get_by_text("The run's pinned images", exact=True).click()
    expect(replay.get_by_text("Accuracy on validation images")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]time-of=The"))
    expect(page).not_to_have_url(re.compile(r"[?&]epoch="))


def test_the_gallery_goes_through_a_split_can_be_ordered_and_opens_an_image(shared_server: Server, visit, run_id: str):
    page = visit(f"{shared_server.url}/attention?networks={quote_plus(f'Run {run_id}')}&deeper=Where+they+differ+most")
    page.get_by_role("button", name="Compare on 200 images").click()  # the split has 20
    cards = page.get_by_role("group", name="Test images").get_by_role("button")
    expect(cards).not_to_have_count(0)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)  # it is through, and the page is drawn anew
    expect(page.get_by_role("tab", name="By class")).to_have_count(1)
    expect(page.get_by_text("12 of 20 images")).to_be_visible()
    expect(cards).to_have_count(12)
    distances = [float(text.split()[0]) for text in cards.locator(".apart").all_inner_texts()]
    assert distances == sorted(distances, reverse=True)
    page.get_by_role("button", name="Show 8 more").click()
    expect(cards).to_have_count(20)

    page.get_by_role("tab", name="By class").click()
    expect(page.get_by_text("Beyond chance")).not_to_have_count(0)
    page.get_by_role("tab", name="Images").click()
    shown = cards.first.locator(".head b").inner_text()
    cards.first.click()
    expect(page.locator("figure.photo .name")).to_have_text(re.compile(f"^{shown}, test image \\d+"))


def test_a_map_among_layers_and_heads_goes_into_the_comparison(shared_server: Server, visit):
    page = visit(
        f"{shared_server.url}/attention?photo=cues-heart.png&method=Class-token+attention&deeper=Layers+and+heads"
    )
    page.get_by_role("button", name=re.compile("^Layer 2, head 3")).click()
    expect(network(page, "Teacher").locator(".method")).to_have_text("Class-token attention, layer 2 of 6, head 3 of 4")
    expect(page).to_have_url(re.compile(r"[?&]layer=2.*[?&]head=3"))


def test_each_section_opens_on_a_telephone_and_nothing_overflows(shared_server: Server, visit):
    """The first by its address, the others by their buttons."""
    first, *others = samples.found()
    alike = [first, *(each for each in others if each.dataset == first.dataset)]
    sections = {
        "Faithfulness": "Deletion (lower is better)",
        "Agreement over photos": f"Over the {len(alike)} samples",
        "Which maps to trust": "the object's pixels are known",
        "Download": "Maps (NPZ)",
    }
    page = visit(f"{shared_server.url}/attention?deeper={next(iter(sections))}", width=390)
    for section, text in sections.items():
        if section != next(iter(sections)):
            page.get_by_test_id("stButtonGroup").get_by_text(section, exact=True).tap()
        expect(page.get_by_text(text).first).to_be_visible()
        assert page.evaluate(TOO_WIDE) <= 0, f"{section} is wider than the telephone."


def test_with_keys_alone_a_patch_is_read_followed_and_covered(shared_server: Server, visit):
    page = visit(f"{shared_server.url}/attention")
    tile = network(page, "Teacher").get_by_role("img", name=re.compile("^Teacher: .* Arrow keys move over the patches"))
    tile.focus()
    tile.press("ArrowRight")
    expect(page.get_by_text(re.compile(r"^Teacher \d\.\d times the average, Student \d\.\d times"))).to_be_visible()
    read = network(page, "Teacher").locator("canvas").evaluate(INK)
    page.get_by_role("button", name="see what it looks at").press("Enter")
    expect(network(page, "Teacher").locator(".method")).to_contain_text("What this patch attends to")
    expect(network(page, "Student").locator(".method")).to_contain_text("Places similar to this one")
    redrawn(network(page, "Teacher").locator("canvas"), read)
    page.get_by_role("button", name="cover it").press("Enter")
    tile.focus()
    tile.press("Enter")
    expect(page.get_by_text("The photo is 1 patch covered.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]poke=cover\d+"))


def test_with_a_finger_a_patch_is_followed_the_views_are_swiped_and_a_photo_is_chosen(shared_server: Server, visit):
    page = visit(f"{shared_server.url}/attention", width=390)
    page.get_by_role("button", name="see what it looks at").tap()
    canvas = network(page, "Student").locator("canvas")
    untouched = canvas.evaluate(INK)
    page.locator("figure.photo .tile").tap(position={"x": 20, "y": 20})
    corner = redrawn(canvas, untouched)
    page.locator("figure.photo .tile").tap(position={"x": 140, "y": 140})
    redrawn(canvas, corner)

    page.get_by_role("button", name="Swipe").tap()
    slider = page.get_by_role("slider", name="Where the first network's map ends")
    slider.fill("20")
    expect(page.locator("figure.swiped canvas").first).to_have_css("clip-path", "inset(0px 80% 0px 0px)")
    assert page.evaluate(TOO_WIDE) <= 0
    expect(page).to_have_url(re.compile(r"[?&]view=swipe"))

    page.get_by_role("group", name="Photos").get_by_title("cues heart").tap()
    expect(page.locator("figure.photo img.whole")).to_have_attribute("alt", "The photo cues heart")
    expect(page).to_have_url(re.compile(r"[?&]photo=cues-heart\.png"))


def test_on_a_telephone_the_maps_begin_on_the_first_screen_and_every_way_to_add_a_photo_is_there(
    shared_server: Server, visit
):
    page = visit(f"{shared_server.url}/attention", width=390)  # 900 pixels high
    for name in ("Upload", "Paste a picture", "Take a photo", "Crop"):
        expect(page.get_by_role("button", name=name).last).to_be_in_viewport()
    tile = page.locator("figure.photo .tile")
    expect(tile).to_be_in_viewport(ratio=1)
    expect(network(page, "Teacher").locator("canvas")).to_be_in_viewport(ratio=1)
    page.get_by_role("combobox", name="Layer").scroll_into_view_if_needed()  # the choices are pushed aside
    expect(page.get_by_role("combobox", name="Layer")).to_be_in_viewport()
    assert page.evaluate(TOO_WIDE) <= 0
