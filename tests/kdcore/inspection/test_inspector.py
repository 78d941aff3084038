import json
import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from kdcore import events as ev
from kdcore import explain, models, paths, recipe
from kdcore.errors import UserError
from kdcore.explain import render
from kdcore.inspection import DISPLAY, Inspector, choices, model_cache
from kdcore.inspection import inspector as inspector_module
from kdcore.recipe import ModelRecipe
from kdcore.store import Store
from kdcore.store.run_files import checkpoint

CLASSES = tuple(f"class {i}" for i in range(7))
VIT = ModelRecipe(model="small_vit_patch4_32", options={"dim": 32, "depth": 2, "heads": 2})
CNN = ModelRecipe(model="three_stage_cnn_16", options={"strides": (1, 2, 2)})
PHOTO = np.asarray(Image.effect_noise((90, 60), 80).convert("RGB")).copy()  # 60 high, 90 wide


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    """Two bundled models, and a run with a student and a twin."""
    torch.manual_seed(0)
    assets = tmp_path / "assets"
    monkeypatch.setattr(paths, "ASSETS", assets)
    for name, spec in (("our-teacher", VIT), ("our-student", CNN)):
        model = models.build(spec, CLASSES, 32)
        models.save(model, assets / "models" / f"{name}.safetensors")
        card = {**model.description(), "accuracy": {"top1": 0.912}}
        (assets / "models" / f"{name}.json").write_text(json.dumps(card))

    store = Store(tmp_path / "runs", recorded=assets / "runs")
    settings = {
        "name": "a try", "data": {"image_size": 32}, "student": CNN.model_dump(), "twin": True, "terms": [{"method": "ce"}],
        "teacher": {"weights": "our-teacher"},
    }  # fmt: skip
    run_id = store.create(recipe.from_plain(settings))
    students = {name: models.build(CNN, CLASSES, 32) for name in ("student", "twin")}
    described = {name: model.description() for name, model in students.items()}
    described["teacher"] = models.load("our-teacher").description()
    with store.writer(run_id) as writer:
        states = {name: model.state_dict() for name, model in students.items()}
        checkpoint.save(states, writer.checkpoint_path(40), description=described)
        writer.append(ev.CheckpointSaved(40, 1.0, "checkpoints/00000040.safetensors"))
    return store


@pytest.fixture
def inspector(store) -> Inspector:
    return Inspector(store)


def run_of(store: Store) -> str:
    (run_id,) = store.ids()
    return run_id


def test_what_can_be_chosen(store):
    found = {choice.reference: choice for choice in choices(store)}
    run = f"run:{run_of(store)}"
    assert list(found) == ["our-student", "our-teacher", f"{run}/teacher", f"{run}/student", f"{run}/twin"]
    teacher, student = found["our-teacher"], found[f"{run}/student"]
    assert (teacher.architecture, teacher.grid, teacher.kind) == ("vit", (8, 8), "bundled")
    assert teacher.subtitle == "small_vit_patch4_32, 32 px, 91.2 % right"
    assert (student.architecture, student.grid, student.kind) == ("cnn", (8, 8), "run")
    assert student.title == "student of a try"
    assert student.classes == CLASSES


@pytest.mark.parametrize(
    "odd", [{"classes": 3}, {"image_size": 10**9}, {"model": "no_such"}, {"options": {"depth": 9}}]
)
def test_a_checkpoint_with_an_odd_header_hides_no_other_network(store, odd):
    run_id = run_of(store)
    good = models.build(CNN, CLASSES, 32).description()
    with store.writer(run_id) as writer:
        checkpoint.save({"a": torch.ones(1)}, writer.checkpoint_path(50), description={"student": {**good, **odd}})
        writer.append(ev.CheckpointSaved(50, 1.0, "checkpoints/00000050.safetensors"))
    assert [choice.reference for choice in choices(store)][:2] == ["our-student", "our-teacher"]
    notes: list[str] = []
    models.load(f"run:{run_id}/student", runs=store, report=notes.append)
    assert notes[0].endswith("the newest is damaged.")


def test_a_run_without_a_checkpoint_cannot_be_chosen(store):
    store.create(store.recipe(run_of(store)))
    assert len(choices(store)) == 5


@pytest.fixture
def history(store) -> str:
    """A run of 80 steps in 2 epochs with two snapshots; its checkpoint, of step 40, is newer than both."""
    run_id = run_of(store)
    with store.writer(run_id) as writer:
        writer.append(ev.RunStarted(
            step=0, steps=80, epochs=2, resumed=False, device="cpu", precision="float32", classes=CLASSES, train_images=1, labelled_images=1,
            parameters={}, teacher={},
        ))  # fmt: skip
        writer.append(ev.CheckpointSaved(40, 1.0, "checkpoints/00000040.safetensors"))
        for seed, step in enumerate((0, 20)):
            torch.manual_seed(seed)
            past = models.build(CNN, CLASSES, 32)
            described = dict.fromkeys(("student", "twin"), past.description())
            states = dict.fromkeys(("student", "twin"), past.state_dict())
            checkpoint.save(states, writer.snapshot_path(step), description=described)
    return run_id


def test_a_photo_through_the_history_of_a_run(inspector, history):
    requests = {"teacher": {}, "student": {"map_name": "grad_cam", "target": 2}, "twin": {}}
    found = inspector.over_time(PHOTO, history, requests)
    assert (found.steps, found.epochs) == ([0, 20, 40], [0.0, 0.5, 1.0])
    assert found.photo.shape == (DISPLAY, DISPLAY, 3)
    assert {network: len(course.heatmaps) for network, course in found.courses.items()} == {
        "teacher": 1,
        "student": 3,
        "twin": 3,
    }
    assert found.courses["student"].classes == CLASSES
    for place, reference in enumerate(("student@0", "student@20", "student")):
        then = inspector.inspect(PHOTO, f"run:{history}/{reference}", **requests["student"])
        np.testing.assert_allclose(found.courses["student"].heatmaps[place], then.heatmap, atol=1e-6)
        best = int(found.courses["student"].probabilities[place].argmax())
        assert then.predictions[0][0] == CLASSES[best]


def test_a_run_without_snapshots_says_how_to_have_them(store, inspector):
    with pytest.raises(
        ValueError, match="cannot be shown over its epochs: it has no snapshots, .* train its recipe again"
    ):
        inspector.over_time(PHOTO, run_of(store), {"student": {}})


def test_every_choice_can_be_inspected(store, inspector):
    for choice in choices(store):
        found = inspector.inspect(PHOTO, choice.reference)
        assert found.grid == choice.grid
        assert found.title == choice.title
        assert found.classes == choice.classes
        assert found.map_name == ("cls_attention" if choice.architecture == "vit" else "activation_energy")
        assert (found.problem, found.target) == ("", "")
        np.testing.assert_allclose(found.heatmap.sum(), 1, rtol=1e-5)
        assert found.seconds > 0


def test_the_same_map_as_from_the_engine_itself(inspector):
    """For a photo that needs no resizing, since that is the visitor's side of it.

    The Inspector's copy has its norms folded in, which rounds otherwise; a map made of small differences shows it most.
    """
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    model = models.load("our-teacher").eval()
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    for map_name in explain.map_names():
        found = inspector.inspect(pixels, "our-teacher", map_name=map_name)
        wanted = explain.heatmap(model, images, map_name)[0]
        np.testing.assert_allclose(found.heatmap, wanted, atol=5e-4 * wanted.max(), err_msg=map_name)
    probabilities = model(images).logits.softmax(dim=1)[0]
    assert [name for name, _ in found.predictions] == [CLASSES[i] for i in probabilities.argsort(descending=True)[:5]]
    assert found.predictions[0][1] == pytest.approx(probabilities.max().item(), rel=1e-4)


def test_photo_that_comes_back_is_the_middle_square_in_the_photos_own_resolution(inspector):
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[:, 100:500] = np.indices((400, 400)).sum(axis=0)[..., None] % 2 * 255  # finer than any network's input
    found = inspector.inspect(pixels, "our-student")
    assert found.photo.shape == (DISPLAY, DISPLAY, 3)
    assert found.photo.dtype == np.uint8
    expected = Image.fromarray(pixels).crop((100, 0, 500, 400)).resize((DISPLAY, DISPLAY), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(found.photo, np.asarray(expected))


def test_small_photos_are_enlarged(inspector):
    found = inspector.inspect(PHOTO[:9, :8].copy(), "our-student")
    assert found.photo.shape == (DISPLAY, DISPLAY, 3)


def test_layers_heads_and_classes(inspector):
    maps = [
        inspector.inspect(PHOTO, "our-teacher", map_name="cls_attention", layer=layer, head=head).heatmap
        for layer in range(2)
        for head in (None, 0, 1)
    ]
    assert all(np.abs(a - b).max() > 1e-6 for i, a in enumerate(maps) for b in maps[:i])
    found = inspector.inspect(PHOTO, "our-teacher", map_name="cls_attention", layer=1, head=0)
    assert (found.layer, found.head, found.layers, found.heads) == (1, 0, 2, 2)
    assert found.maps["cls_attention"] == (2, 2)
    assert found.maps["grad_cam"] == (2, 0)
    explained = inspector.inspect(PHOTO, "our-student", map_name="input_gradient", target=3)
    assert explained.target == "class 3"
    assert "rollout" not in explained.maps
    assert {"grad_cam", "self_similarity", "occlusion"} <= set(explained.maps)


def test_a_depth_is_found_in_networks_of_unlike_many_layers(inspector):
    """0 is the first layer and 1 the last; the middle of two layers rounds to one of them."""
    for reference, layers in (("our-teacher", 2), ("our-student", 3)):
        for depth in (0, 0.6, 1):
            found = inspector.inspect(PHOTO, reference, map_name="activation_energy", depth=depth)
            assert (found.layer, found.layers) == (round(depth * (layers - 1)), layers)


def test_a_class_is_chosen_by_its_name_and_compared_with_another(inspector):
    by_name = inspector.inspect(PHOTO, "our-student", map_name="input_gradient", target="class 3", against="class 1")
    by_place = inspector.inspect(PHOTO, "our-student", map_name="input_gradient", target=3, against=1)
    alone = inspector.inspect(PHOTO, "our-student", map_name="input_gradient", target=3)
    assert (by_name.target, by_name.against, alone.against) == ("class 3", "class 1", "")
    np.testing.assert_array_equal(by_name.heatmap, by_place.heatmap)
    assert np.abs(by_name.heatmap - alone.heatmap).max() > 1e-6


def test_a_patch_can_be_chosen(inspector):
    here, there = (
        inspector.inspect(PHOTO, "our-teacher", map_name="patch_attention", query=q) for q in ((0, 0), (7, 7))
    )
    assert np.abs(here.heatmap - there.heatmap).max() > 1e-6
    every = inspector.affinity(PHOTO, "our-teacher")
    assert (every.grid, every.attends, every.values.shape) == ((8, 8), True, (64, 64))
    np.testing.assert_allclose(every.values[0] / every.values[0].sum(), here.heatmap.ravel(), rtol=1e-3)


def test_affinity_of_a_cnn_is_pooled_to_what_a_page_can_hold(inspector):
    early = inspector.affinity(PHOTO, "our-student", depth=0, head=1)  # a head that it does not have is left out
    assert (early.grid, early.attends, early.layer, early.head) == ((8, 8), False, 0, None)
    assert early.values.shape == (64, 64)


def test_every_layer_and_head_with_its_entropy(inspector):
    found = inspector.atlas(PHOTO, "our-teacher", map_name="cls_attention", layer=1, head=0)
    assert [layer.shape for layer in found.maps] == [(2, 8, 8)] * 2
    assert all(0 <= entropy <= 1 for layer in found.entropy for entropy in layer)
    one = inspector.inspect(PHOTO, "our-teacher", map_name="cls_attention", layer=1, head=1).heatmap
    np.testing.assert_allclose(found.maps[1][1], one, rtol=1e-4)


def test_faithfulness_comes_with_the_order_that_needs_no_network(inspector):
    found = inspector.faithfulness(PHOTO, "our-student", map_name="input_gradient", target="class 2")
    assert found.deletion.shape == found.insertion.shape == (2, 17)
    np.testing.assert_allclose(
        found.deletion[0, 0], found.deletion[1, 0], rtol=1e-5
    )  # the whole photo, in either order
    np.testing.assert_allclose(found.insertion[:, -1], found.deletion[:, 0], rtol=1e-4)


def test_agreement_over_photos_has_its_controls(store, inspector):
    photos = [np.random.default_rng(i).integers(0, 255, (32, 32, 3), np.uint8) for i in range(3)]
    twin = f"run:{run_of(store)}/twin"
    found = inspector.agreement(photos, twin, twin, map_name="activation_energy")["centred"]
    assert (found.paired, found.count) == (pytest.approx(1), 3)
    assert np.isfinite([found.shuffled, found.centre, found.untrained]).all()
    assert found.untrained < 1
    with pytest.raises(ValueError, match="at least 2 images"):
        inspector.agreement(photos[:1], twin, "our-student")


def test_own_maps_take_the_layer_and_head_where_they_have_them(inspector):
    """One setting for unlike networks: a CNN's own map has no heads."""
    compared = inspector.compare(PHOTO, ["our-teacher", "our-student"], layer=0, head=1)
    assert [(each.map_name, each.layer, each.head) for each in compared.inspections] == [
        ("cls_attention", 0, 1),
        ("activation_energy", 0, None),
    ]


def test_many_photos_are_the_same_as_one_by_one(inspector, monkeypatch):
    monkeypatch.setattr(inspector_module, "BATCH", 2)
    photos = [np.random.default_rng(i).integers(0, 255, (40 + i, 50, 3), np.uint8) for i in range(5)]
    together = inspector.inspect_many(photos, "our-teacher", map_name="rollout")
    for photo, found in zip(photos, together, strict=True):
        alone = inspector.inspect(photo, "our-teacher", map_name="rollout")
        np.testing.assert_allclose(found.heatmap, alone.heatmap, rtol=1e-4)
        np.testing.assert_array_equal(found.photo, alone.photo)


def test_comparison_agrees_with_itself(store, inspector):
    twin, student = f"run:{run_of(store)}/twin", f"run:{run_of(store)}/student"
    compared = inspector.compare(PHOTO, [twin, student, "our-teacher", student], map_name="activation_energy")
    assert [each.reference for each in compared.inspections] == [twin, student, "our-teacher"]
    assert set(compared.agreement) == {(twin, student), (twin, "our-teacher"), (student, "our-teacher")}
    maps = [each.heatmap for each in compared.inspections]
    assert compared.agreement[(twin, student)] == explain.agreement(maps[0], maps[1])


def test_one_photo_without_a_map_does_not_stop_the_others(store, inspector, monkeypatch):
    """A gradient map that is zero everywhere: the predictions come all the same, with the reason instead of a picture."""
    load = models.load

    def blank(reference, **options):
        model = load(reference, **options)
        with torch.no_grad():
            model.net.head.weight.zero_()
        return model

    monkeypatch.setattr(models, "load", blank)
    found = inspector.inspect(PHOTO, "our-student", map_name="grad_cam")
    assert "zero everywhere" in found.problem
    assert np.isnan(found.heatmap).all()
    assert len(found.predictions) == 5
    compared = inspector.compare(PHOTO, ["our-student", f"run:{run_of(store)}/twin"], map_name="grad_cam")
    assert all(np.isnan(value) for figures in compared.agreement.values() for value in figures.values())
    assert render.comparison_sheet(compared.inspections).shape[2] == 3


@pytest.mark.parametrize(
    "reference, options, message",
    [
        ("no-model", {}, "There are no weights 'no-model'.*our-student"),
        ("run:gone/student", {}, "There is no run 'gone'"),
        ("our-student", {"map_name": "rollout"}, "not defined for this model, because it has no class token"),
        ("our-student", {"map_name": "gradcam"}, "Did you mean 'grad_cam'"),
        ("our-teacher", {"map_name": "cls_attention", "layer": 7}, "There is no layer 7"),
        ("our-teacher", {"target": 7}, "0 to 6"),
        (
            "our-teacher",
            {"map_name": "grad_cam", "target": "whale"},
            "This network has no class 'whale'. Its 7 classes: class 0",
        ),
        ("our-teacher", {"layer": 1, "depth": 0.5}, "not both"),
        ("our-teacher", {"depth": 1.5}, "from 0, the first layer, to 1"),
    ],
)
def test_refusals_say_what_came_and_what_there_is(inspector, reference, options, message):
    with pytest.raises(ValueError, match=message):
        inspector.inspect(PHOTO, reference, **options)


def test_pixels_of_another_kind_are_refused(inspector):
    for pixels in (PHOTO / 255, PHOTO[..., 0], PHOTO[:0]):
        with pytest.raises(ValueError, match="should be uint8"):
            inspector.inspect(pixels, "our-student")


def test_models_are_kept_until_their_file_changes_or_others_push_them_out(inspector, monkeypatch):
    loaded = []
    load = models.load
    monkeypatch.setattr(models, "load", lambda reference, **more: loaded.append(reference) or load(reference, **more))
    for _ in range(3):
        inspector.inspect(PHOTO, "our-student")
    assert loaded == ["our-student"]

    file = paths.ASSETS / "models" / "our-student.safetensors"
    before = inspector.inspect(PHOTO, "our-student").predictions
    models.save(models.build(CNN, CLASSES, 32), file)
    os.utime(file, ns=(1, 1))
    assert inspector.inspect(PHOTO, "our-student").predictions != before
    assert loaded == ["our-student"] * 2

    monkeypatch.setattr(model_cache, "SIZE", 1)
    for reference in ("our-teacher", "our-student"):
        inspector.inspect(PHOTO, reference)
    assert loaded == ["our-student", "our-student", "our-teacher", "our-student"]


def test_many_threads_get_the_same_maps_and_keep_their_settings(inspector):
    expected = inspector.inspect(PHOTO, "our-teacher", map_name="grad_cam").heatmap
    answers = []

    def ask():
        before = torch.get_num_threads()
        for _ in range(3):
            answers.append(inspector.inspect(PHOTO, "our-teacher", map_name="grad_cam").heatmap)
        answers.append(torch.get_num_threads() == before and torch.is_grad_enabled())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16
    for answer in answers:
        if isinstance(answer, bool):
            assert answer
        else:
            np.testing.assert_allclose(answer, expected, rtol=1e-4)


def test_a_network_without_the_map_shows_its_counterpart_where_that_is_wanted(inspector):
    found = inspector.inspect(PHOTO, "our-student", map_name="relevance", substitute=True, target=3, depth=0.0)
    assert (found.map_name, found.instead_of, found.lacking) == ("hires_cam", "relevance", "it has no class token")
    assert (found.target, found.layer) == ("class 3", 0)
    found = inspector.inspect(PHOTO, "our-student", map_name="patch_attention", substitute=True, head=1, query=(0, 1))
    assert (found.map_name, found.head) == ("self_similarity", None)
    found = inspector.inspect(PHOTO, "our-teacher", map_name="relevance", substitute=True)
    assert (found.map_name, found.instead_of, found.lacking) == ("relevance", "", "")


def test_a_glance_is_what_inspect_finds_for_each_network(store):
    inspector = Inspector(store)
    found = inspector.glance(PHOTO, ["our-teacher", "our-student"], "cls_attention")
    for glance in found:
        full = inspector.inspect(PHOTO, glance.reference, map_name="cls_attention", substitute=True)
        np.testing.assert_array_equal(glance.heatmap, full.heatmap)
        assert (glance.map_name, (glance.prediction, glance.probability)) == (full.map_name, full.predictions[0])
    assert [each.map_name for each in found] == ["cls_attention", "activation_energy"]


def test_a_glance_takes_one_pass(store):
    with pytest.raises(
        UserError, match="Occlusion.* takes more than one pass a frame. Maps of one pass: .*cls_attention"
    ):
        Inspector(store).glance(PHOTO, ["our-teacher"], "occlusion")


def test_maps_of_one_pass_are_those_whose_cards_say_so():
    quick = {name for name, card in explain.map_cards().items() if card.one_pass}
    assert {"hires_cam", "cls_attention", "activation_energy"} <= quick
    assert not quick & {"occlusion", "input_gradient", "relevance", "patch_attention", "eigen_cam"}
