"""Two processes that train one run compute what one computes with the same batches."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from kdcore.data.batches import batches
from kdcore.data.split import Split
from kdcore.paths import PROJECT
from kdcore.recipe import RecipeError
from kdcore.runtime.distributed import ALONE, Process
from kdcore.tensors.outputs import Batch
from kdcore.training import accumulation, replicas
from tests import warm
from tests.kdcore.training import in_several_processes as work

WORLD = 2


def torchrun(rank: int, port: int) -> dict[str, str]:
    """The environment that torchrun gives a process."""
    return {
        **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(WORLD), "LOCAL_WORLD_SIZE": str(WORLD),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCH_CPP_LOG_LEVEL": "ERROR",
    }  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, Any]:
    """What two processes computed."""
    folder, port = tmp_path_factory.mktemp("processes"), free_port()
    with (folder / "output").open("wb") as output:
        started = [
            warm.start(
                ["-m", "tests.kdcore.training.in_several_processes", str(folder)],
                cwd=PROJECT, env=torchrun(rank, port), output=output,
            )
            for rank in range(WORLD)
        ]  # fmt: skip
        ended = [program.wait(600) for program in started]
    assert ended == [0, 0], (folder / "output").read_text()[-4000:]
    return torch.load(folder / "found.pt", weights_only=False)


@pytest.fixture(scope="module")
def alone() -> dict[str, list[Any]]:
    """What one process computes, by recipe."""
    made: dict[str, list[Any]] = {}
    return made


def of_one(alone: dict[str, list[Any]], name: str) -> list[Any]:
    if name not in alone:
        alone[name] = work.numbers(work.built(work.recipe(name)))
    return alone[name]


def flat(found: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict | list):
        for name, value in found.items() if isinstance(found, dict) else enumerate(found):
            yield from flat(value, f"{path}/{name}")
    else:
        yield path, found


def assert_equal(found: list[Any], expected: list[Any]) -> None:
    """The same texts, and numbers to 1e-5 of float32's (1 is the size of a loss)."""
    own, one = dict(flat(found)), dict(flat(expected))
    texts = {name for name, value in one.items() if isinstance(value, str)}
    searched = {name for name in one if name.endswith("/temperature")}  # for the least loss, to 1e-3
    assert {name: own.get(name) for name in texts} == {name: one[name] for name in texts}
    for names, tolerance in ((one.keys() - texts - searched, 1e-5), (searched, 1e-3)):
        assert {name: own[name] for name in own.keys() & names} == pytest.approx(
            {name: one[name] for name in names}, rel=tolerance, abs=tolerance, nan_ok=True
        )
    assert own.keys() == one.keys()


@pytest.mark.parametrize("name", work.RECIPES)
def test_all_numbers_of_a_run_are_those_of_one_process(found, alone, name):
    assert_equal(found[name], of_one(alone, name))


def test_a_run_is_resumed_by_another_number_of_processes(found, alone):
    (name,) = list(work.RECIPES)[-1:]
    second = [row for row in of_one(alone, name) if row[0] > 4]
    for which in ("resumed by one", "resumed by two"):
        assert_equal([row for row in found[which] if row[0] > 4], second)


def test_batch_norm_is_that_of_all_images(found):
    network, images = work.layers(), work.whole_images().requires_grad_()
    outputs = network(images)
    work.loss(outputs).backward()
    expected = work.described(network, outputs, images.grad)
    assert expected.keys() == found["batch norm"].keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            found["batch norm"][name], tensor, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_processes_with_different_images_are_refused(found):
    assert found["other images"].startswith(
        "The processes have different train images: process 1 has others than process 0."
    )
    assert "KD_DATA" in found["other images"]


def split(images: int) -> Split:
    pixels = torch.arange(images, dtype=torch.uint8).view(-1, 1, 1, 1).expand(images, 3, 4, 4).contiguous()
    return Split("train", ("a", "b"), pixels, torch.arange(images) % 2)


def drawn(process: Process, size: int = 5, parts: int = 1) -> list[Batch]:
    return list(batches(split(12), size, seed=0, epoch=0, process=process, parts=parts))


def test_the_processes_share_the_images_of_a_batch_in_their_order():
    for batch, *parts in zip(drawn(ALONE), *(drawn(Process(rank, 3)) for rank in range(3)), strict=True):
        if len(batch.targets) < 3:  # too few to share: all have the same
            assert all(part.whole is None and torch.equal(part.images, batch.images) for part in parts)
            continue
        assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
        assert torch.equal(torch.cat([part.indices for part in parts]), batch.indices)
        for part in parts:
            assert torch.equal(part.whole.targets, batch.targets)
            assert part.own_share == len(part.targets) / len(batch.targets)


@pytest.mark.parametrize("world", [2, 3])
def test_each_part_of_an_accumulated_batch_is_shared(world):
    wholes = [part for batch in drawn(ALONE, 12) for part in accumulation.divided(batch, 3)]
    of_each = [
        [part for batch in drawn(Process(rank, world), 12, 3) for part in accumulation.divided(batch, 3)]
        for rank in range(world)
    ]
    for whole, *parts in zip(wholes, *of_each, strict=True):
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        assert all(torch.equal(part.whole.indices, whole.indices) for part in parts)
        assert accumulation.shares(parts) == [1 / world] * world  # of one batch, whatever a process has of it


def test_a_batch_too_small_for_the_processes_is_refused():
    recipe = work.recipe("further views", data={**work.DATA, "batch_size": 4}, optimizer={"accumulate": 2})
    replicas.check(recipe, 2)
    with pytest.raises(
        RecipeError, match=r"batch_size is 4 in 2 parts .* 3 processes.*use 6 or more, or fewer processes"
    ):
        replicas.check(recipe, 3)
