from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from kdcore.data import perturbations
from kdcore.data.perturbations import Clean, Perturbation, Perturbed, making, randomness
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.runtime import interruption


class Darker(Perturbation):
    """Darker by a number that follows from the image; counts how many images it has made."""

    title = "Darker"
    cached = True
    calls: list[int]

    def __init__(self, by: float = 1.0) -> None:
        self.by, self.calls = by, []

    @property
    def settings(self) -> dict[str, float | str]:
        return {"by": self.by}

    def why_not(self, split: Split) -> str:
        return "they are dark already" if not split.images.any() else ""

    def perturb(self, clean: Clean, strength: float) -> Perturbed:
        self.calls.append(len(clean.keys))
        dark = randomness.uniform(clean.keys, 1, 1)[:, :, None, None]
        return Perturbed(clean.images * dark * self.by, clean.targets + 1)


def split(n: int = 20, side: int = 9) -> Split:
    pixels = torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split("test", ("cat", "dog"), pixels.permute(0, 3, 1, 2), torch.arange(n) % 2)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KD_DATA", str(tmp_path))
    return tmp_path / "perturbed"


def everything(batches: Iterator[tuple[torch.Tensor, Perturbed]]) -> tuple[torch.Tensor, torch.Tensor]:
    places, found = zip(*batches, strict=True)
    assert torch.equal(torch.cat(places), torch.arange(sum(map(len, places))))
    return torch.cat([each.images for each in found]), torch.cat([each.textures for each in found])


def test_the_same_images_made_and_from_the_cache_whatever_the_batch(folder: Path) -> None:
    one = Darker()
    images, textures = everything(making.batches(split(), one, 1, size=7))
    assert one.calls == [7, 7, 6]
    again = Darker()
    for size in (1, 8, 100):
        read, also = everything(making.batches(split(), again, 1, size=size))
        assert torch.equal(read, images)
        assert torch.equal(also, textures)
    assert again.calls == []
    assert textures.tolist() == [1, 2] * 10
    assert len(list(folder.glob("*.images"))) == 1


def test_batches_that_are_made_together_have_the_places_and_pixels_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    given, tiles = split(), perturbations.get("patch_scramble")
    made: list[int] = []
    whole = making.made

    def counted(*arguments: object) -> Perturbed:
        made.append(len(arguments[3]))  # type: ignore[arg-type]
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "made", counted)
    monkeypatch.setattr(making, "TOGETHER", 2 * 3 * 81)  # two batches of three images of 9 x 9 pixels
    found = list(making.batches(given, tiles, 3, size=3))
    assert made == [6, 6, 6, 2]
    assert [places.tolist() for places, _ in found][-3:] == [[12, 13, 14], [15, 16, 17], [18, 19]]
    for places, each in found:
        assert torch.equal(each.images, whole(given, tiles, 3, places).images)


def test_textures_are_those_of_their_batch() -> None:
    class Quick(Darker):
        cached = False

    found = [(places.tolist(), each.textures) for places, each in making.batches(split(), Quick(), 1, size=7)]
    for places, textures in found:
        assert textures is not None
        assert textures.tolist() == [place % 2 + 1 for place in places]


def test_images_have_8_bit_levels() -> None:
    images, _ = everything(making.batches(split(), Darker(), 1))
    torch.testing.assert_close(images * 255, (images * 255).round())
    assert images.dtype == torch.float32


def test_mixed_precision_and_gradients_of_the_caller_change_nothing() -> None:
    blur = perturbations.get("low_pass")
    ((_, expected),) = making.batches(split(side=16), blur, 4)
    with torch.autocast("cpu", torch.bfloat16), torch.enable_grad():
        ((_, found),) = making.batches(split(side=16), blur, 4)
    assert torch.equal(found.images, expected.images)
    assert not found.images.requires_grad


def test_an_evaluation_that_was_cancelled_goes_on_where_it_was() -> None:
    whole, _ = everything(making.batches(split(), Darker(by=1.0), 1))
    first = making.batches(split(), Darker(by=0.5), 1, size=6)
    next(first)
    first.close()
    later = Darker(by=0.5)
    images, _ = everything(making.batches(split(), later, 1, size=8))
    assert later.calls == [2, 8, 4]
    torch.testing.assert_close(images, whole / 2, atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("harm", ["cut", "one byte", "emptied"])
def test_damaged_images_are_made_again(folder: Path, harm: str) -> None:
    images, _ = everything(making.batches(split(), Darker(), 1))
    (file,) = folder.glob("*.images")
    content = file.read_bytes()
    record = len(content) // 20
    changed = bytearray(content)
    changed[5 * record + 3] ^= 1
    file.write_bytes({"cut": content[: 10 * record + 5], "one byte": bytes(changed), "emptied": b""}[harm])
    again = Darker()
    assert torch.equal(everything(making.batches(split(), again, 1, size=10))[0], images)
    assert again.calls == {"cut": [10], "one byte": [5], "emptied": [10, 10]}[harm]
    assert file.read_bytes() == content


def test_other_strengths_settings_labels_and_images_have_files_of_their_own(folder: Path) -> None:
    small = split(4)
    others = [
        (small, Darker(), 1.0),
        (small, Darker(), 2.0),
        (small, Darker(by=0.5), 1.0),
        (small.at(torch.tensor([1, 0, 2, 3])), Darker(), 1.0),
        (Split("test", small.classes, small.images, 1 - small.targets), Darker(), 1.0),
    ]
    for each in others:
        everything(making.batches(*each))
    assert len(list(folder.glob("*.images"))) == len(others)


def test_every_set_has_a_file_of_its_own_also_those_of_one_package(folder: Path) -> None:
    """Snow was once read from the file of elastic transforms: both are in `corruptions`, and use the same files."""
    found = [
        each for each in map(perturbations.get, perturbations.names()) if each.probes == "corruption" and each.cached
    ]
    assert len(found) > 3
    assert len({making.cache_of(split(), each, 3).path for each in found}) == len(found)


def test_other_libraries_have_files_of_their_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything(making.batches(split(), Darker(), 1))
    monkeypatch.setattr(making, "_libraries", lambda: ("torch 3",))
    later = Darker()
    everything(making.batches(split(), later, 1))
    assert sum(later.calls) == 20
    assert len(list(folder.glob("*.images"))) == 2


def test_old_files_make_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KD_PERTURBED_GB", "0.00001")  # 10,000 bytes; a file takes 20 * (3 * 81 + 12)
    for strength in (1, 2, 3):
        everything(making.batches(split(), Darker(), strength))
    assert len(list(folder.glob("*.images"))) == 2


def test_where_nothing_can_be_written_images_are_made_each_time(folder: Path) -> None:
    folder.write_text("a file in the way")
    once, again = Darker(), Darker()
    first, _ = everything(making.batches(split(), once, 1))
    assert torch.equal(everything(making.batches(split(), again, 1))[0], first)
    assert again.calls == [20]


def test_a_split_that_a_set_cannot_be_made_from_is_refused_with_the_reason() -> None:
    black = Split("test", ("cat",), torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(UserError, match="Darker cannot be made from these test images: they are dark already"):
        next(making.batches(black, Darker(), 1))


def test_it_can_be_interrupted_between_two_batches() -> None:
    stop = False
    with interruption.interruptible(lambda: stop):
        made = making.batches(split(), Darker(), 1, size=5)
        next(made)
        stop = True
        with pytest.raises(interruption.Interrupted):
            next(made)


@pytest.mark.parametrize("name", ["localized_noise", "low_pass", "fourier_cue_conflict"])
def test_a_set_that_was_first_made_in_inference_mode_is_made_outside_of_it(name: str) -> None:
    given, tile = split(side=16), perturbations.get(name)
    strength = tile.usual
    with torch.inference_mode():
        list(making.batches(given, tile, strength, size=8))
        early = making.made(given, tile, strength, torch.arange(8))
    late = making.made(given, tile, strength, torch.arange(4, 20))
    batches = making.batches(split(side=16), perturbations.get(name), strength)
    expected = torch.cat([each.images for _, each in batches])
    assert torch.equal(early.images, expected[:8])
    assert torch.equal(late.images, expected[4:])
    assert not early.images.is_inference()


@pytest.mark.parametrize("name", ["global_noise", "low_pass"])  # with the keys of images, and with their channels first
def test_images_that_were_changed_in_place_are_perturbed_as_they_are_now(name: str) -> None:
    given, other, tile = split(side=16), split(side=16), perturbations.get(name)
    making.made(given, tile, tile.usual, torch.arange(20))
    for each in (given, other):
        each.images[3:9] = 255 - each.images[3:9]
    found = making.made(given, tile, tile.usual, torch.arange(20)).images
    assert torch.equal(found, making.made(other, tile, tile.usual, torch.arange(20)).images)


def test_a_batch_that_a_caller_changes_is_not_the_split() -> None:
    given = split()
    batch = making.clean(given, torch.arange(4))
    batch.images.zero_()
    batch.targets.fill_(9)  # type: ignore[union-attr]
    assert torch.equal(given.images, split().images)
    assert torch.equal(given.targets, split().targets)
