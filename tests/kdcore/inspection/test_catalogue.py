"""Networks of the libraries by search: what is known of each before a run, and the pretrained ones that can be inspected."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdcore import inspection, models
from kdcore.checks import before_run, downloads
from kdcore.errors import NotHere, UserError
from kdcore.files import budget
from kdcore.inspection import catalogue
from kdcore.inspection.model_cache import ModelCache
from kdcore.models import pretrained, zoo
from kdcore.recipe import DataRecipe, ModelRecipe, Recipe, TeacherRecipe, Term
from kdcore.recipe.references import LibraryNetwork, parse
from kdcore.store import Store


@pytest.fixture(autouse=True)
def _own_data(monkeypatch, tmp_path):
    monkeypatch.setenv("KD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pretrained, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(catalogue, "costs", catalogue.Costs())
    catalogue.forget_what_is_here()
    yield
    catalogue.forget_what_is_here()


@pytest.fixture
def here(tmp_path):
    """Weights of timm's smallest networks in the data folder."""
    (tmp_path / "data" / "weights").mkdir(parents=True)
    for name in ("test_resnet", "test_vit"):
        torch.manual_seed(0)
        net = zoo.create(name, 1000, zoo.default_image_size(name))
        save_file(net.state_dict(), tmp_path / "data" / "weights" / f"{name}.safetensors")
    catalogue.forget_what_is_here()


def test_the_search_has_all_words_and_begins_with_the_nearest():
    assert catalogue.search("resnet18")[0] == "resnet18"
    found = catalogue.search("vit tiny 224")
    assert found
    assert all("vit" in name and "tiny" in name and "224" in name for name in found)
    assert "torchvision/resnet18" in catalogue.search("torchvision resnet18")
    assert catalogue.search("no such network at all") == []


def test_filters_by_weights(here):
    assert "resnet20" in catalogue.search("resnet20")
    assert "resnet20" not in catalogue.search("resnet20", with_weights=True)
    assert catalogue.search("", here=True) == ["test_vit", "test_resnet"]
    assert catalogue.on_this_machine() == ("test_resnet", "test_vit")


def test_the_state_of_weights_is_here_to_download_or_none(here):
    found = catalogue.weights("test_resnet")
    assert (found.there, found.classes) == (True, 1000)
    assert found.size == (catalogue.paths.data_folder() / "weights" / "test_resnet.safetensors").stat().st_size
    away = catalogue.weights("resnet50")
    assert (away.there, away.size, away.licence) == (True, None, "apache-2.0")
    assert away.source.startswith("https://")
    assert catalogue.weights("resnet20") == catalogue.Weights(False)
    with pytest.raises(UserError, match="There is no model 'resnet_5O'"):
        catalogue.weights("resnet_5O")


def test_costs_are_those_of_the_papers_and_are_kept_on_disk(monkeypatch):
    costs = catalogue.Costs()
    assert costs.get("resnet18", None) is None
    costs._thread.join()
    found = costs.get("resnet18", None)
    assert (found.image_size, found.parameters) == (224, 11_689_512)  # torchvision's documentation
    assert found.flops == pytest.approx(2 * 1.814e9, rel=0.01)  # two for each of its multiply-adds
    monkeypatch.setattr(catalogue, "_counted", lambda *_: pytest.fail("it was counted again"))
    assert catalogue.Costs().get("resnet18", None) == found
    assert catalogue.Costs().now("resnet18", 224) == found


def test_a_network_that_does_not_take_the_images_says_so_and_ends_no_thread():
    costs = catalogue.Costs()
    assert costs.get("test_vit", 7) is None
    costs._thread.join()
    assert costs.get("test_vit", 7).problem
    (catalogue._file()).write_text("no JSON")
    assert catalogue.Costs().get("test_vit", 7) is None


def test_the_state_agrees_with_what_is_refused_before_a_run(here, monkeypatch):
    def stops(model, reachable=False):
        monkeypatch.setattr(downloads, "reachable", lambda address: reachable)
        recipe = Recipe(
            data=DataRecipe(name="cues", image_size=32, train_images=200, labels=100), student=ModelRecipe(model="three_stage_cnn_16"),
            teacher=TeacherRecipe(model=model, weights="pretrained", finetune={"epochs": 1}), terms=(Term(method="kd"),),
        )  # fmt: skip
        return [
            each.in_words
            for each in before_run.findings(recipe, Store(catalogue.paths.runs_folder()))
            if each.verdict == "stop"
        ]

    assert stops("test_resnet") == []
    (unreachable,) = stops("resnet18")
    assert "cannot be reached from here now" in unreachable
    assert stops("resnet18", reachable=True) == []
    (without,) = stops("resnet20")
    assert "There are no pretrained weights of 'resnet20'" in without


def test_a_pretrained_network_keeps_its_classes_size_and_normalisation(here):
    assert parse("pretrained:test_vit") == LibraryNetwork("test_vit")
    found = models.load("pretrained:test_vit")
    assert (len(found.classes), found.image_size, found.classes[0]) == (1000, 160, "tench")
    mean, _ = zoo.statistics("test_vit")
    assert tuple(found.mean.flatten().tolist()) == pytest.approx(mean)
    torch.manual_seed(0)
    same = zoo.create("test_vit", 1000, 160).eval()
    images = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(found(images).logits, same((images - found.mean) / found.std))


def test_it_is_inspected_beside_any_other(here):
    choice = inspection.library_choice("test_vit")
    assert (choice.title, choice.kind, len(choice.classes)) == ("test_vit, pretrained", "library", 1000)
    photo = np.random.default_rng(0).integers(0, 255, (200, 150, 3), np.uint8)
    inspector = inspection.Inspector(Store(catalogue.paths.runs_folder()))
    found = [inspector.inspect(photo, each) for each in (choice.reference, "cues-student")]
    assert [len(each.classes) for each in found] == [1000, len(models.bundled()["cues-student"]["classes"])]
    assert found[0].title == choice.title


@pytest.mark.parametrize(
    "reference, kind, words",
    [
        ("pretrained:resnet18", NotHere, "The pretrained weights of resnet18 are not on this machine yet"),
        ("pretrained:resnet20", UserError, "There are no pretrained weights of 'resnet20'"),
        ("pretrained:nothing_like_it", UserError, "There is no model 'nothing_like_it'"),
        ("pretrained:torchvision/nothing", UserError, "There is no model 'torchvision/nothing'"),
        ("pretrained:../../etc/passwd", UserError, "is not a network's name: URLs, files and folders are not opened"),
        ("pretrained:https://x.y/z", UserError, "is an address, and weights are a file here: download it first"),
    ],
)
def test_what_is_not_there_is_a_sentence_and_nothing_is_downloaded(reference, kind, words):
    with pytest.raises(kind) as refused:
        models.load(reference)
    assert words in str(refused.value)


def test_a_recipe_may_name_it_as_its_teacher_but_no_other_model_beside_it(here):
    recipe = TeacherRecipe(weights="pretrained:test_resnet", finetune={"epochs": 1})
    built = models.build(recipe, ("a", "b"), 64)
    assert (built.name, built.classes) == ("test_resnet", ("a", "b"))
    assert models.missing(TeacherRecipe(weights="pretrained:resnet18")).startswith(
        "The pretrained weights of resnet18 are not"
    )
    with pytest.raises(ValueError, match="`pretrained:test_resnet` is another network than `model: resnet18`"):
        TeacherRecipe(weights="pretrained:test_resnet", model="resnet18")


def test_a_download_needs_room_on_the_disk(monkeypatch):
    monkeypatch.setattr(pretrained, "pretrained", lambda *_, **__: pytest.fail("it was downloaded"))
    usage = budget.shutil.disk_usage("/")._replace(free=int(budget.SPARE))
    monkeypatch.setattr(budget.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="free some space in"):
        catalogue.download("resnet18")


def test_networks_in_memory_are_limited_in_bytes(here, monkeypatch):
    cache = ModelCache(Store(catalogue.paths.runs_folder()), torch.device("cpu"))
    one = cache.get("pretrained:test_resnet")
    assert cache.get("pretrained:test_resnet") is one
    monkeypatch.setattr("kdcore.inspection.model_cache.MOST_BYTES", 1000)
    cache.get("pretrained:test_vit")
    assert [reference for reference, _ in cache._models] == ["pretrained:test_vit"]


def test_imported_weights_are_a_choice(here, tmp_path):
    net = zoo.create("test_resnet", 2, 64)
    tapped = models.Tapped(net, name="test_resnet", classes=("x", "y"), image_size=64, mean=(0.5,) * 3, std=(0.5,) * 3)
    models.save(tapped, tmp_path / "data" / "weights" / "own" / "mine.safetensors")
    (choice,) = [each for each in inspection.choices(Store(tmp_path / "runs")) if each.kind == "imported"]
    assert (choice.reference, choice.title, choice.classes) == ("own/mine.safetensors", "mine", ("x", "y"))
    assert json.loads(json.dumps(choice.subtitle)) == "test_resnet, 64 px, imported"


def test_weights_are_found_by_timm_s_tags_with_where_they_are(here):
    assert catalogue.search("resnet50.a1_")[0] == "resnet50.a1_in1k"
    assert catalogue.search("resnet50")[0] == "resnet50", "names without a tag stand first"
    first, other = catalogue.weights("resnet50"), catalogue.weights("resnet50.ram_in1k")
    assert (first.tag, other.tag, first.tags) == ("a1_in1k", "ram_in1k", other.tags)
    assert first.tags > 9
    assert other.source.endswith("timm/resnet50.ram_in1k")
    assert catalogue.weights("test_resnet").file.endswith("test_resnet.safetensors")
    assert catalogue.weights("torchvision/resnet18").tags == 0


def test_names_with_a_tag_come_after_all_names_without_one():
    tagged = ["." in name for name in catalogue.search("resnet50")]
    assert tagged == sorted(tagged)
    assert len(set(tagged)) == 2
