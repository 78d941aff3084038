"""What a method declares is true, and no other package knows methods by their names."""

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch

from kdcore import methods
from kdcore.paths import PROJECT
from kdcore.recipe import Term
from kdcore.tensors.outputs import NO_LABEL, Batch, Outputs
from tests.kdcore.methods import test_every_method as owed

MAY_NAME = {
    "kdcore/recipe/terms.py": "the defaults of a recipe",
    "kdcore/cli/dynamic_attention_flags.py": "the flags of one reproduced project, which belong to its two terms",
    "pages/parts/methods/figures.py": "which page code draws the figures of which card",
}
MAY_IMPORT = {"kdcore/inspection/soft_labels.py": "its figures compute the losses themselves"}
AMBIGUOUS = {field.name for field in dataclasses.fields(Outputs)}  # `attention` is a method and an output of networks
NAMES = set(methods.names()) - AMBIGUOUS


def sources(words: Iterable[str]) -> Iterator[tuple[str, ast.Module]]:
    """The application's code outside of kdcore/methods that has one of some words: path from the project's root, and syntax tree."""
    found = re.compile("|".join(map(re.escape, words)))
    for path in [PROJECT / "app.py", *(PROJECT / "kdcore").rglob("*.py"), *(PROJECT / "pages").rglob("*.py")]:
        name = path.relative_to(PROJECT).as_posix()
        if not name.startswith("kdcore/methods/") and path.is_file() and found.search(text := path.read_text("utf-8")):
            yield name, ast.parse(text)


def test_no_other_package_names_a_method():
    named = {
        f"{path}:{node.lineno} {node.value!r}"
        for path, tree in sources(f"{quote}{name}{quote}" for name in NAMES for quote in "\"'")
        if path not in MAY_NAME
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in NAMES
    }
    assert not named, (
        f"declare on the method (kdcore/methods/base/method.py) what these places have to know: {sorted(named)}"
    )


def test_no_other_package_imports_a_single_method():
    imported = {
        f"{path}:{node.lineno} {node.module}"
        for path, tree in sources(["kdcore.methods"])
        if path not in MAY_IMPORT
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("kdcore.methods.")
        and node.module != "kdcore.methods.base"
    }
    assert not imported, f"ask `methods.get` and what the class declares: {sorted(imported)}"


@pytest.mark.parametrize("path", [*MAY_NAME, *MAY_IMPORT])
def test_the_places_that_may_name_methods_exist(path):
    assert Path(PROJECT / path).is_file(), f"{path} is gone: take it out of the list"


def allowed_pairing(name: str) -> tuple[str, methods.Method]:
    for pairing, shapes in owed.PAIRINGS.items():
        try:
            return pairing, owed.build(name, *shapes)
        except ValueError:
            continue
    raise AssertionError(f"{name} refuses every pairing")


@pytest.mark.parametrize("name", methods.names())
def test_a_method_that_needs_labels_learns_nothing_without_them_and_no_other_does(name):
    pairing, method = allowed_pairing(name)
    ours, theirs = owed.PAIRINGS[pairing]
    unlabelled = dataclasses.replace(owed.BATCH, targets=torch.full((6,), NO_LABEL))
    loss, leaves = loss_on(method, ours, theirs, unlabelled)
    loss.backward()
    learns = any(leaf.grad is not None and bool(leaf.grad.abs().sum() > 0) for leaf in leaves)
    through_attention = bool(ours.attention) and "attention" in method.needs  # its leaves are inside the softmax
    assert method.needs_labels == (not learns and not through_attention)


def loss_on(method: methods.Method, ours, theirs, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    views = method.views(batch.images) if method.has_views else None
    images = len(batch.images) + (0 if views is None else len(views))
    outputs = owed.outputs(ours, images, leaf=True), owed.outputs(theirs, images, leaf=False)
    leaves = owed.leaves(outputs[0])
    if views is not None:
        outputs = outputs[0].split(len(batch.images)), outputs[1].split(len(batch.images))
    return method(*outputs, dataclasses.replace(batch, views=views), 4.0), leaves


@pytest.mark.parametrize("name", methods.names())
def test_two_classes_are_warned_of_or_refused_where_the_method_says_so_and_nowhere_else(name):
    said = ""
    for shapes in owed.PAIRINGS.values():
        two = [dataclasses.replace(each, classes=2) for each in shapes]
        try:
            said += " ".join(methods.build(Term(method=name), two[0], two[1]).warnings())
        except ValueError as refused:
            said += str(refused)
    assert ("two classes" in said) == bool(methods.get(name).two_classes)
    assert methods.get(name).two_classes in said


@pytest.mark.parametrize("name", methods.names())
def test_only_a_loss_of_logits_with_a_temperature_softens_labels(name):
    method = methods.get(name)
    if method.soft_labels or method.summed_over_classes:
        assert method.uses_temperature
        assert "logits" in method.needs
    if not method.soft_labels:
        assert not method.softens({})


def test_kd_on_centred_logits_softens_nothing():
    assert methods.get("kd").softens({})
    assert not methods.get("kd").softens({"variant": "mse_centered"})


def test_a_method_that_needs_labels_counts_those_that_are_withheld():
    method = methods.build(Term(method="dkd"), owed.CNN, owed.CNN)
    method.see_data(torch.tensor([0, 1, NO_LABEL, NO_LABEL]))
    assert method.warnings() == (
        "it needs labels, and only 2 of 4 training images have one; the others count for nothing here. kd learns from all "
        "of them.",
    )
