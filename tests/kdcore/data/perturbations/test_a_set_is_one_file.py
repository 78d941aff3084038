"""A stranger adds a test set by adding the one file and the one test that CONTRIBUTING shows, and edits nothing else."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import making
from kdcore.data.perturbations.preview import preview
from kdcore.errors import UserError
from kdcore.paths import PROJECT
from tests.kdcore.data.perturbations import test_every_set
from tests.kdcore.data.perturbations.samples import split

SECTION = (
    (PROJECT / "CONTRIBUTING.md")
    .read_text(encoding="utf-8")
    .partition("\n## Add a test set\n")[2]
    .partition("\n## ")[0]
)
SET, TEST = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(autouse=True)
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file from CONTRIBUTING is among the test sets."""
    folder = tmp_path / "perturbations"
    folder.mkdir()
    (folder / "posterize.py").write_text(SET, encoding="utf-8")
    monkeypatch.setattr(perturbations, "__path__", [*perturbations.__path__, str(folder)])
    yield
    sys.modules.pop("kdcore.data.perturbations.posterize", None)


def test_it_is_among_the_sets_and_its_images_are_made() -> None:
    assert "posterize" in perturbations.names()
    ((_, found),) = making.batches(split(), perturbations.get("posterize"), 2)
    assert set(found.images.unique().tolist()) == {0.0, 1.0}
    assert preview(split(), "posterize").shape == (6, 32, 32, 3)
    with pytest.raises(UserError, match="Unknown test set 'posterise'. Did you mean 'posterize'"):
        perturbations.get("posterise")


def test_its_own_test_passes() -> None:
    names: dict[str, object] = {}
    exec(compile(TEST, "CONTRIBUTING.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for each in tests:
        assert callable(each)
        each()


def test_what_every_set_owes_holds_for_it() -> None:
    test_every_set.test_pixels_are_in_bounds_and_the_input_is_left_as_it_was("posterize")
    test_every_set.test_the_same_pixels_whatever_the_batch_the_order_and_the_layout("posterize")
    test_every_set.test_another_strength_gives_other_pixels("posterize")
    test_every_set.test_a_strength_without_a_meaning_is_refused_in_words("posterize", float("nan"))
    assert torch.equal(
        *(making.made(split(), perturbations.get("posterize"), 4, torch.arange(3)).images for _ in range(2))
    )
