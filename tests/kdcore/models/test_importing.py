"""Weights from outside: whatever training scripts and hubs write is imported, or refused in one sentence."""

import argparse
import collections
import json
import os
import pickle
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from kdcore import models
from kdcore.errors import UserError
from kdcore.models import zoo
from kdcore.models.importing import files
from kdcore.recipe import FineTune, ModelRecipe, TeacherRecipe

TEN = tuple("abcdefghij")
TINY = {"widths": [4, 4, 8]}
SAVED = "module.stages.0.0.weight"


def small(classes=10, seed=0):
    torch.manual_seed(seed)
    return zoo.create("three_stage_cnn_16", classes, 32, TINY)


def imported(path, out, *, model="three_stage_cnn_16", classes=TEN, options=TINY, image_size=32, **keywords):
    notes: list[str] = []
    sources = path if isinstance(path, list) else [path]
    models.import_weights(
        sources, model, classes, image_size, out=out, options=options, report=notes.append, **keywords
    )
    return models.load(str(out)), notes


def same(found, net):
    torch.testing.assert_close(dict(found.net.state_dict()), dict(net.state_dict()))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "o.safetensors"


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "module.", "_orig_mod.module.", "model.", "backbone.", "net.", "student.backbone.", "encoder."],
)
def test_the_prefix_of_a_wrapper_is_removed_and_named(prefix, tmp_path, out):
    net = small()
    torch.save({f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()}, tmp_path / "w.pth")
    found, notes = imported(tmp_path / "w.pth", out)
    same(found, net)
    assert notes == [f"The prefix {prefix!r} was removed from {len(net.state_dict())} names."]


def test_wrappers_of_parts_of_a_network_are_removed(tmp_path, out):
    net = small()
    names = {name: name.replace("stages.1.", "stages.1._orig_mod.") for name in net.state_dict()}
    torch.save({f"module.{names[name]}": tensor for name, tensor in net.state_dict().items()}, tmp_path / "w.pth")
    found, told = imported(tmp_path / "w.pth", out)
    same(found, net)
    assert "'_orig_mod.' was removed from the tensors' names." in told


def test_what_does_not_belong_to_the_network_is_left_out_by_name(tmp_path, out):
    state = {f"model.{name}": tensor for name, tensor in small().state_dict().items()}
    torch.save({"state_dict": {**state, "criterion.weight": torch.ones(2)}, "epoch": 3}, tmp_path / "lightning.ckpt")
    _, notes = imported(tmp_path / "lightning.ckpt", out)
    assert notes[1] == "Left out, as they are no weights of this network: criterion.weight."


def test_of_two_networks_in_a_file_one_is_chosen_by_its_prefix(tmp_path, out):
    student, teacher = small(), small(seed=1)
    torch.save({"student": student.state_dict(), "teacher": teacher.state_dict()}, tmp_path / "dino.pth")
    found, notes = imported(tmp_path / "dino.pth", out)
    same(found, student)
    assert "The file also has 'teacher.' with as many." in notes[0]
    same(imported(tmp_path / "dino.pth", out, prefix="teacher")[0], teacher)
    with pytest.raises(UserError, match="no tensors whose names begin with 'ema.'; they begin with student, teacher"):
        imported(tmp_path / "dino.pth", out, prefix="ema")


def timm_checkpoint(path):
    """As timm's CheckpointSaver writes it, for a network of test_resnet with three classes."""
    torch.manual_seed(0)
    net, averaged = timm.create_model("test_resnet", num_classes=3), timm.create_model("test_resnet", num_classes=3)
    arguments = argparse.Namespace(
        model="test_resnet",
        num_classes=3,
        img_size=96,
        input_size=None,
        mean=[0.1, 0.2, 0.3],
        std=None,
        output=Path("x"),
    )
    checkpoint = {
        "epoch": 3,
        "arch": "test_resnet",
        "state_dict": net.state_dict(),
        "optimizer": torch.optim.AdamW(net.parameters()).state_dict(),
        "version": 2,
        "args": arguments,
        "state_dict_ema": averaged.state_dict(),
        "metric": np.float64(71.2),
    }
    torch.save(checkpoint, path)
    return net, averaged


def test_timms_checkpoint_names_its_network_and_offers_averaged_weights(tmp_path, out):
    file = tmp_path / "model_best.pth.tar"
    net, averaged = timm_checkpoint(file)
    found, notes = imported(file, out, model=None, classes=("x", "y", "z"), options=None, image_size=None)
    same(found, averaged)
    assert (found.name, found.image_size, found.classes) == ("test_resnet", 96, ("x", "y", "z"))
    assert found.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert notes == [
        "model_best.pth.tar: `state_dict_ema` was taken, averaged weights (EMA); it also has `state_dict`, with --no-ema."
    ]
    plain, notes = imported(file, out, model=None, classes=("x", "y", "z"), options=None, image_size=None, ema=False)
    same(plain, net)
    assert "`state_dict` was taken, not averaged; it also has `state_dict_ema`, with --ema." in notes[0]


def test_objects_beside_the_weights_are_not_read(tmp_path, out, monkeypatch):
    module = types.ModuleType("lightning_like")
    module.AttributeDict = type("AttributeDict", (dict,), {"__module__": "lightning_like"})
    module.Config = type("Config", (), {"__module__": "lightning_like"})
    monkeypatch.setitem(__import__("sys").modules, "lightning_like", module)
    config = module.Config()
    config.lr = 1
    beside = {
        "hyper_parameters": module.AttributeDict(lr=0.1), "config": config, "best": np.float64(0.3), "path": Path("x"),
        "counts": collections.defaultdict(list, {"a": [1]}), "array": np.zeros(3), "names": {"a"},
    }  # fmt: skip
    net = small()
    for zipped in (True, False):
        content = {"state_dict": net.state_dict(), **beside}
        torch.save(content, tmp_path / "w.ckpt", _use_new_zipfile_serialization=zipped)
        same(imported(tmp_path / "w.ckpt", out)[0], net)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("call", [(os.system, "touch ran"), (exec, "open('ran', 'w')"), (eval, "open('ran', 'w')")])
def test_a_file_that_calls_functions_is_refused_and_runs_nothing(call, zipped, tmp_path, out, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Nasty:
        def __reduce__(self):
            return (call[0], call[1:])

    content = {"state_dict": small().state_dict(), "x": Nasty()}
    torch.save(content, "nasty.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"cannot be read as plain tensors: it calls \w+.\w+ when it is opened"):
        imported(Path("nasty.pth"), out)
    for protocol in (0, 2, 4):
        Path("nasty.pth").write_bytes(pickle.dumps(Nasty(), protocol=protocol))
        with pytest.raises(UserError, match="cannot be read as plain tensors"):
            imported(Path("nasty.pth"), out)
    assert not Path("ran").exists()


def write_pth(path, content):
    torch.save(content, path)
    return path


def not_weights(folder):
    """Files that are no weights, by what they are: the file, and what the message has to say."""
    state = small().state_dict()
    whole = write_pth(folder / "whole.pth", nn.Linear(2, 2))
    saved = write_pth(folder / "saved.pth", state).read_bytes()
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    legacy = (folder / "legacy.pth").read_bytes()
    models.save(models.load("cues-student"), folder / "good.safetensors")
    good = (folder / "good.safetensors").read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n"
    contents = {
        "pointer.safetensors": (pointer, "is a pointer of Git LFS.*git lfs pull"),
        "pointer.pth": (pointer, "is a pointer of Git LFS"),
        "empty.safetensors": (b"", r"is empty \(0 bytes\)"),
        "empty.pth": (b"", r"is empty \(0 bytes\)"),
        "page.pth": (b"\n<!DOCTYPE html><html>", "is a web page, not weights: download the file itself"),
        "renamed.safetensors": (saved, r"but one of torch.save: rename it to renamed.pth"),
        "renamed-too.safetensors": (legacy, r"but one of torch.save: rename it to renamed-too.pth"),
        "renamed.pth": (good, r"is a safetensors file with another ending: rename it to renamed.safetensors"),
        "cut.pth": (saved[: len(saved) // 2], "damaged, incomplete or not a file of torch.save"),
        "cut-legacy.pth": (legacy[: len(legacy) // 2], "damaged, incomplete or not a file of torch.save"),
        "cut.safetensors": (
            good[: len(good) // 2],
            "damaged: it ends before or after the last of its numbers. Download or copy it again",
        ),
        "cut-header.safetensors": (
            good[:99],
            "is not a safetensors file, or it is damaged: its header would have .* Download or copy it again",
        ),
        "noise.safetensors": (b"\xff" * 99, "is not a safetensors file, or it is damaged"),
        "model.safetensors.index.json": (
            b"{}",
            "is a list of the parts of weights: give the parts themselves, or their folder",
        ),
        "text.pth": (b"hello", "damaged, incomplete or not a file of torch.save"),
        "notes.txt": (b"hello", "is neither a safetensors file nor one of torch.save"),
        "packed.pth.gz": (b"\x1f\x8b123", r"is compressed \(gzip\): unpack it first"),
        "numpy.pkl": (pickle.dumps({"a": np.zeros(3)}, protocol=2), "damaged, incomplete or not a file of torch.save"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 10_000_000)
    np.savez(folder / "arrays.npz", a=np.zeros(3))
    (folder / "folder").mkdir()
    huge = torch.zeros(1).expand(10**6, 10**6)
    return {
        **{folder / name: words for name, (_, words) in contents.items()},
        whole: r"holds a pickled object \(torch.nn.modules.linear.Linear\).*torch.save\(model.state_dict\(\), 'weights.pth'\)",
        write_pth(folder / "inside.pt", {"model": nn.Linear(2, 2)}): "holds a pickled object",
        write_pth(folder / "list.pth", [1, 2]): "holds no state dict: list without tensors by name",
        write_pth(folder / "figures.pth", {"epoch": 1}): "holds no state dict: dict without tensors by name",
        write_pth(folder / "huge.pth", {**state, "head.bias": huge}): "head.bias claims more numbers than the file holds",
        write_pth(folder / "sparse.pth", {**state, "head.bias": torch.zeros(10).to_sparse()}): "head.bias is a sparse",
        write_pth(folder / "nan.pth", {**state, "head.bias": torch.full((10,), torch.nan)}): "head.bias has 10 of 10 that are NaN",
        write_pth(folder / "inf.pth", {**state, "head.bias": torch.tensor([torch.inf] + [0.0] * 9)}): "has 1 of 10 that are NaN",
        folder / "bomb.pth": "is a compressed archive, which torch.save does not write",
        folder / "arrays.npz": "is an archive without a state dict of torch.save in it",
        folder / "folder": "is a folder without config.json",
        folder / "missing.pth": "There is no file .*missing.pth",
        folder / "missing.safetensors": "There is no file .*missing.safetensors",
    }  # fmt: skip


def test_what_is_no_weights_is_refused_in_one_sentence_of_how_to_fix_it(tmp_path, out):
    for path, words in not_weights(tmp_path).items():
        with pytest.raises(UserError, match=words) as caught:
            imported(path, out)
        message = str(caught.value)
        assert len(message) < 500, message
        assert not any(word in message for word in ("weights_only", "Traceback", "\x1b", "add_safe_globals")), message
        assert not out.exists()


def test_torchscript_is_refused(tmp_path, out):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02N.")
        archive.writestr("m/constants.pkl", b"\x80\x02N.")
    with pytest.raises(UserError, match="is a TorchScript program, not a state dict"):
        imported(tmp_path / "script.pt", out)


def test_a_vit_is_resized_to_the_image_size_that_is_asked_for(tmp_path, out):
    options = {"depth": 1, "dim": 32, "heads": 2}
    torch.save(zoo.create("small_vit_patch8_64", 10, 64, options).state_dict(), tmp_path / "vit.pth")
    found, notes = imported(tmp_path / "vit.pth", out, model="small_vit_patch8_64", options=options, image_size=224)
    assert (found.image_size, found.shapes().attention) == (224, ((2, 28, 28),))
    assert notes == ["The position embedding was resized from 8 x 8 to 28 x 28 patches."]


def test_relative_positions_are_resized_by_timms_own_conversion(tmp_path, out):
    options = {"depths": [1, 1], "embed_dim": 16, "num_heads": [1, 1], "window_size": 7}
    torch.save(zoo.create("swin_tiny_patch4_window7_224", 10, 56, options).state_dict(), tmp_path / "swin.pth")
    narrow = {**options, "window_size": 4}
    found, notes = imported(
        tmp_path / "swin.pth", out, model="swin_tiny_patch4_window7_224", options=narrow, image_size=32
    )
    assert found.image_size == 32
    assert "timm's conversion for SwinTransformer" in notes[0]


def test_classes_come_from_imagenet_where_there_are_a_thousand(tmp_path, out):
    torch.save(small(1000).state_dict(), tmp_path / "w.pth")
    found, _ = imported(tmp_path / "w.pth", out, classes=None)
    assert (found.classes[0], found.classes[999], len(set(found.classes))) == ("tench", "toilet tissue", 1000)
    torch.save(small(7).state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match="does not name the 7 classes of its classifier: give them with --data NAME"):
        imported(tmp_path / "w.pth", out, classes=None)
    with pytest.raises(UserError, match="has a classifier with 7 outputs; 10 classes were given.*teacher.finetune"):
        imported(tmp_path / "w.pth", out)


def hub_folder(folder, weights="model.safetensors", **changes):
    """As timm.models.save_for_hf writes it."""
    folder.mkdir(exist_ok=True)
    net = timm.create_model("test_resnet", num_classes=3)
    config = {
        "architecture": "test_resnet", "num_classes": 3, "num_features": 512, "label_names": ["cat", "dog", "owl"],
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 64, 64], "num_classes": 3},
        **changes,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    if weights.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(net.state_dict(), folder / weights)
    else:
        torch.save(net.state_dict(), folder / weights)
    return net


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_the_hub_says_everything_itself(weights, tmp_path, out):
    net = hub_folder(tmp_path / "hub", weights)
    for path in (tmp_path / "hub", tmp_path / "hub" / weights):
        found, notes = imported(path, out, model=None, classes=None, options=None, image_size=None)
        same(found, net)
        assert (found.name, found.classes, found.image_size) == ("test_resnet", ("cat", "dog", "owl"), 64)
        assert found.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert found.std.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
        assert notes == []


def in_parts(folder, total=3):
    """The hub's layout of large weights, as huggingface_hub.save_torch_state_dict names its files."""
    from safetensors.torch import load_file, save_file

    net = hub_folder(folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")
    for part in range(total):
        save_file(
            {name: state[name] for name in list(state)[part::total]},
            folder / f"model-{part + 1:05}-of-{total:05}.safetensors",
        )
    return net, sorted(folder.glob("*.safetensors"))


def test_weights_in_several_parts_are_read_whole(tmp_path, out):
    net, parts = in_parts(tmp_path / "hub")
    found, _ = imported(tmp_path / "hub", out, model=None, classes=None, options=None, image_size=None)
    same(found, net)
    assert found.classes == ("cat", "dog", "owl")
    models.import_weights(parts[::-1], "test_resnet", ("cat", "dog", "owl"), 64, out=out)
    same(models.load(str(out)), net)


def test_a_part_of_weights_is_not_taken_for_the_whole(tmp_path, out):
    _, parts = in_parts(tmp_path / "hub")
    words = "model-00001-of-00003.safetensors is one of 3 parts of weights, of which 2 are missing, such as model-00002-of-00003.safetensors"
    with pytest.raises(UserError, match=words):
        imported(parts[0], out)
    parts[1].unlink()
    with pytest.raises(
        UserError, match="1 are missing, such as model-00002-of-00003.safetensors: give all of them, or a folder"
    ):
        imported(tmp_path / "hub", out, model=None, classes=None, options=None)


def test_a_folder_of_the_hub_cannot_set_what_the_engine_decides(tmp_path, out):
    hub_folder(tmp_path / "hub", model_args={"checkpoint_path": "/etc/passwd"})
    with pytest.raises(UserError, match=r"config.json: the option 'checkpoint_path' cannot be set"):
        imported(tmp_path / "hub", out, model=None, classes=None, options=None)
    hub_folder(tmp_path / "hub", architecture="hf-hub:somebody/net")
    with pytest.raises(UserError, match="is not a network's name"):
        imported(tmp_path / "hub", out, model=None, classes=None, options=None)
    (tmp_path / "hub" / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(UserError, match="names no `architecture`, so it is not timm's"):
        imported(tmp_path / "hub", out, model=None, classes=None, options=None)


def test_without_a_classifier_the_rest_is_imported_for_recipes_that_train(tmp_path, out):
    net = small()
    torch.save({n: t for n, t in net.state_dict().items() if not n.startswith("head")}, tmp_path / "backbone.pth")
    models.import_weights([tmp_path / "backbone.pth"], "three_stage_cnn_16", None, 32, out=out, options=TINY)
    notes: list[str] = []
    student = models.build(ModelRecipe(weights=str(out)), TEN, 32, report=notes.append)
    torch.testing.assert_close(student.net.stages[0][0].weight, net.stages[0][0].weight)
    assert notes == [f"{out} has no classifier: it gets a new one for 10 classes."]
    models.build(TeacherRecipe(weights=str(out), finetune=FineTune()), TEN, 32)
    with pytest.raises(UserError, match="has no classifier, so its predictions would be random. Fine-tune the teacher"):
        models.build(TeacherRecipe(weights=str(out)), TEN, 32)
    with pytest.raises(UserError, match="without a classifier, so it predicts no classes: use it in a recipe"):
        models.load(str(out))


def test_of_several_files_the_later_one_updates_the_earlier(tmp_path, out):
    net = small()
    torch.save({"state_dict": {f"module.{n}": t for n, t in net.state_dict().items()}}, tmp_path / "base.pth")
    torch.save({"head.bias": torch.arange(10.0)}, tmp_path / "update.pth")
    found, _ = imported([tmp_path / "base.pth", tmp_path / "update.pth"], out)
    assert found.net.head.bias.tolist() == list(range(10))
    torch.testing.assert_close(found.net.head.weight, net.head.weight)


def test_a_recipe_reads_safetensors_with_a_prefix_too(tmp_path):
    from safetensors.torch import save_file

    net = small()
    save_file({f"module.{name}": tensor for name, tensor in net.state_dict().items()}, tmp_path / "w.safetensors")
    notes: list[str] = []
    spec = ModelRecipe(model="three_stage_cnn_16", weights=str(tmp_path / "w.safetensors"), options=TINY)
    same(models.build(spec, TEN, 32, report=notes.append), net)
    assert "The prefix 'module.' was removed" in notes[0]


def test_weights_that_are_not_numbers_are_refused_by_a_recipe_and_by_a_look_at_them(tmp_path):
    network = models.build(ModelRecipe(model="three_stage_cnn_16", options=TINY), TEN, 32)
    with torch.no_grad():
        network.net.head.bias[3] = torch.nan
    models.save(network, tmp_path / "nan.safetensors")
    for spec in (ModelRecipe, TeacherRecipe):
        with pytest.raises(UserError, match="nan.safetensors are not all numbers: head.bias has 1 of 10 that are NaN"):
            models.build(spec(weights=str(tmp_path / "nan.safetensors")), TEN, 32)
    with pytest.raises(UserError, match="nan.safetensors are not all numbers: head.bias has 1 of 10 that are NaN"):
        models.load(str(tmp_path / "nan.safetensors"))


def test_files_get_ordinary_permissions(tmp_path):
    before = os.umask(0o022)
    try:
        torch.save(small().state_dict(), tmp_path / "w.pth")
        imported(tmp_path / "w.pth", tmp_path / "o.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "o.safetensors").stat().st_mode & 0o777 == 0o644


def test_files_are_told_apart_by_their_content(tmp_path):
    torch.save(small().state_dict(), tmp_path / "weights")
    assert files.read(tmp_path / "weights").tensors.keys() == small().state_dict().keys()


def test_an_archive_with_a_changed_byte_is_refused_though_pytorch_reads_it(tmp_path, out):
    torch.save(small().state_dict(), tmp_path / "w.pth")
    content = bytearray((tmp_path / "w.pth").read_bytes())
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        (weights,) = [each for each in archive.infolist() if each.filename.endswith("/data/0")]
    content[weights.header_offset + 400] ^= 1  # in the numbers, behind the entry's header
    (tmp_path / "w.pth").write_bytes(content)
    torch.load(tmp_path / "w.pth", weights_only=True)
    with pytest.raises(
        UserError, match=r"w\.pth is damaged: 1 of its \d+ parts differ from their checksums\. Download"
    ):
        imported(tmp_path / "w.pth", out)


def test_an_archive_that_was_saved_without_checksums_is_read(tmp_path, out):
    net, usual = small(), torch.serialization.get_crc32_options()
    try:
        torch.serialization.set_crc32_options(False)
        torch.save(net.state_dict(), tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(usual)
    same(imported(tmp_path / "w.pth", out)[0], net)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int64, torch.bool])
def test_whole_numbers_are_no_weights(kind, tmp_path, out):
    torch.save({name: tensor.to(kind) for name, tensor in small().state_dict().items()}, tmp_path / "w.pth")
    words = rf"weight has whole numbers \({str(kind)[6:]}\), the model needs float32: quantised weights"
    with pytest.raises(UserError, match=words):
        imported(tmp_path / "w.pth", out)


def test_a_name_in_a_file_does_not_fill_the_screen(tmp_path, out):
    torch.save({**small().state_dict(), "x" * 100_000 + "\x1b[31m": torch.ones(1)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"unknown: x{38}\.\.\.x+ \[31m \[1\]") as refused:
        imported(tmp_path / "w.pth", out)
    assert len(str(refused.value)) < 400


PIXELS = [123.7, 116.3, 103.5]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"mean": PIXELS}, r"`mean` should be three numbers, of images from 0 to 1, not '\[123.7"),
        ({"std": [58.4, 57.1, 57.4]}, "`std` should be three numbers above 0, of images from 0 to 1"),
        ({"std": [0, 0, 0]}, "`std` should be three numbers above 0"),
        ({"mean": "imagenet"}, "`mean` should be three numbers"),
        ({"input_size": [3, 0, 0]}, "`image_size` should be a number of pixels from 1 to 1024, not '0'"),
        ({"input_size": "160"}, "`image_size` should be a number of pixels from 1 to 1024, not '160'"),
        (
            {"input_size": [3, 160, 320]},
            r"`image_size` should be a number of pixels from 1 to 1024, not '\[3, 160, 320\]'",
        ),
        ({"input_size": [3, 10**6, 10**6]}, "`image_size` should be a number of pixels from 1 to 1024, not '1000000'"),
        (
            {"label_names": ["cat", "dog"]},
            "names 2 classes, but its classifier has 3 outputs: give them with --data NAME",
        ),
        ({"id2label": {"0": "cat", "2": "dog", "7": "owl"}, "label_names": None}, "does not name the 3 classes"),
    ],
)
def test_a_config_that_contradicts_its_weights_is_refused_in_words(config, words, tmp_path, out):
    usual = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "input_size": [3, 64, 64]}
    hub_folder(
        tmp_path / "hub",
        label_names=config.get("label_names"),
        pretrained_cfg={**usual, "label_names": ["cat", "dog", "owl"], **config},
    )
    with pytest.raises(UserError, match=words):
        imported(tmp_path / "hub", out, model=None, classes=None, options=None, image_size=None)


def test_a_wrong_number_of_classes_beside_their_names_does_no_harm(tmp_path, out):
    hub_folder(tmp_path / "hub", num_classes=1000)
    found, _ = imported(tmp_path / "hub", out, model=None, classes=None, options=None, image_size=None)
    assert found.classes == ("cat", "dog", "owl")


def test_classes_of_one_name_get_their_number(tmp_path, out):
    hub_folder(tmp_path / "hub", label_names=["crane", "", "crane"])
    assert imported(tmp_path / "hub", out, model=None, classes=None, options=None, image_size=None)[0].classes == (
        "crane (0)", "(1)", "crane (2)",
    )  # fmt: skip


def test_a_header_whose_length_looks_like_the_beginning_of_a_page_is_read(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(60 + 256)
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    assert len(header) % 256 == ord("<")
    assert list(files.read(tmp_path / "w.safetensors").tensors) == ["a"]
