"""A step keeps to one device and waits for it nowhere: proved on fake tensors, so that it needs no GPU."""

import dataclasses

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError

from kdcore import methods, models
from kdcore.data.augment import Augmentation, Drawn, mixing, windows
from kdcore.data.split import Split
from kdcore.models.teacher import Teacher
from kdcore.recipe import ModelRecipe, Term
from kdcore.tensors.outputs import Batch
from kdcore.training.distiller import Distiller
from kdcore.weighting import UncertaintyWeights

from .fake_gpu import GPU, FakeGPU
from .methods.test_every_method import BATCH, a_pairing, build, outputs

CLASSES = tuple("abcde")
NETWORKS = {
    "vit": ModelRecipe(model="small_vit_patch4_32", options={"dim": 32, "depth": 2, "heads": 2}),
    "cnn": ModelRecipe(model="three_stage_cnn_16"),
    "cifar_resnet": ModelRecipe(model="resnet20"),
}


def test_the_fake_gpu_notices():
    gpu = FakeGPU()
    there, here = gpu.taken(torch.ones(2)), torch.ones(2)
    with gpu:
        with pytest.raises(FakeTensorDeviceMismatchError):
            there + gpu.from_tensor(here)
        with pytest.raises(DataDependentOutputException):
            there.sum().item()


@pytest.mark.parametrize("name", methods.names())
def test_every_method_stays_on_the_device_and_never_waits_for_it(name):
    shapes, gpu = a_pairing(name), FakeGPU()
    method = gpu.moved(build(name, *shapes)).train()
    batch = gpu.taken(BATCH)
    with gpu:
        views = method.views(batch.images) if method.has_views else None
    images = len(BATCH.images) + (0 if views is None else len(views))
    student, teacher = (gpu.taken(outputs(each, images, leaf=False)) for each in shapes)
    if views is not None:
        student, teacher = student.split(len(BATCH.images)), teacher.split(len(BATCH.images))
    with gpu:
        loss = method(student, teacher, dataclasses.replace(batch, views=views), 4.0)
    assert (loss.device, loss.shape) == (GPU, ())


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("teacher", NETWORKS)
@pytest.mark.parametrize("student", NETWORKS)
def test_a_whole_forward_stays_on_the_device(student, teacher, precision, monkeypatch):
    monkeypatch.setattr("kdcore.runtime.mixed_precision.bfloat16_is_faster", lambda device: True)
    monkeypatch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)  # or autocast does nothing
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda *_, **__: True)
    gpu = FakeGPU()
    ours, theirs = (models.build(NETWORKS[name], CLASSES, 32) for name in (student, teacher))
    terms = {
        name: methods.build(Term(method=name), ours.shapes(), theirs.shapes()) for name in ("ce", "kd", "attention")
    }
    distiller = Distiller(ours, terms, precision=precision, learned_weights=UncertaintyWeights(tuple(terms))).train()
    asked = Teacher(theirs, precision=precision)
    gpu.moved(distiller)
    gpu.moved(asked)
    batch = gpu.taken(Batch(torch.rand(4, 3, 32, 32), torch.arange(4), torch.arange(4)))
    with gpu:
        objective, outputs = distiller(
            batch, asked(batch.images, distiller.needs), dict.fromkeys(terms, 1.0), dict.fromkeys(terms, 2.0)
        )
    assert (objective.total.device, objective.total.dtype) == (GPU, torch.float32)
    narrow = precision == "fast" and student != "vit"  # whose blocks are added up in float32
    assert {each.dtype for each in outputs.features} == {torch.bfloat16 if narrow else torch.float32}


def test_images_in_main_memory_are_taken_to_where_their_targets_are():
    gpu = FakeGPU()
    images, targets = torch.zeros(6, 3, 8, 8, dtype=torch.uint8), torch.arange(6) % 5
    with gpu:
        split = Split("test", CLASSES, gpu.from_tensor(images), gpu.taken(targets), streamed=True)
        some = split.at(gpu.from_tensor(torch.tensor([4, 0])))
    assert (some.images.device, some.targets.device, some.streamed) == (GPU, GPU, False)
    assert (tuple(some.images.shape), len(some)) == ((2, 3, 8, 8), 2)


def test_a_batch_is_augmented_on_the_device():
    """A flip is left out: which images are flipped is looked up on the CPU, where the numbers were drawn."""
    gpu, images = FakeGPU(), torch.randint(0, 256, (6, 32, 32, 3)).byte()
    settings = Augmentation(("crop", "jitter", "rotation"))
    drawn = settings.draw(6, (32, 32), (0,))
    with gpu:
        pixels = settings.apply(gpu.taken(images), Drawn(gpu.from_tensor(drawn.basic)))
    assert (pixels.device, tuple(pixels.shape)) == (GPU, (6, 3, 32, 32))


def test_windows_are_resized_and_erased_and_batches_mixed_on_the_device_without_a_wait():
    gpu, images = FakeGPU(), torch.randint(0, 256, (6, 32, 32, 3)).byte()
    parts = windows.parts(6, (32, 32), (0.1, 1.0), (0.75, 1.3), torch.Generator().manual_seed(0))
    patches, colours = windows.patches(6, (32, 32), 1.0, torch.Generator().manual_seed(0))
    batch = Batch(torch.rand(6, 3, 32, 32), torch.tensor([0, -1, 2, -1, 0, 1]), torch.arange(6))
    with gpu:
        resized = windows.resized(gpu.taken(images), gpu.from_tensor(parts))
        pixels = resized.permute(0, 3, 1, 2).float()
        erased = windows.erased(pixels, gpu.from_tensor(patches), gpu.from_tensor(colours))
        for box in (None, (3, 9, 4, 20)):
            mixed = mixing.mixed(gpu.taken(batch), mixing.Mixture(0.7, box))
            assert (mixed.images.device, mixed.other_targets.device) == (GPU, GPU)
    assert (resized.device, erased.device, tuple(erased.shape)) == (GPU, GPU, (6, 3, 32, 32))
