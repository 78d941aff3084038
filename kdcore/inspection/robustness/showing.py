"""Images on the Robustness page: previews of sets, the gallery of predictions and heatmaps, the strength slider, the export."""

import io
import math
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from kdcore.data.perturbations import exporting
from kdcore.errors import UserError
from kdcore.inspection.model_cache import torch_threads
from kdcore.inspection.robustness.results import Filter, Gallery, Live, Preview, Shown
from kdcore.inspection.robustness.workplace import Workplace, of, values_of
from kdcore.models import Tapped
from kdcore.recipe import DataRecipe
from kdcore.results.bias import Outcome
from kdcore.robustness import gallery as galleries
from kdcore.robustness import kept, samples
from kdcore.robustness.assessment import Images, images_of
from kdcore.robustness.conditions import Condition, parse, title
from kdcore.robustness.kept import depends_on_others, first, is_whole
from kdcore.robustness.networks import Described
from kdcore.store import Store

SAMPLE = 200  # images of the slider, and of a gallery of what has not been evaluated
THREADS = 4  # at most, of the slider


def preview(reference: str, condition: str, store: Store, *, count: int = 6) -> Preview:
    """Some images of a condition beside the clean ones."""
    workplace, wanted = of(store), parse(condition)
    (network,) = workplace.described([reference]).values()
    with workplace.lock:
        sample = workplace.sample(network.data, SAMPLE)
        images = images_of(wanted, sample.split, sample.data)
        found = galleries.shown(images, range(min(count, len(images))), {})
    return Preview(
        condition=str(wanted),
        clean=np.stack([each.clean for each in found]),
        perturbed=np.stack([each.perturbed for each in found]),
        targets=[images.classes[each.target] for each in found],
        textures=[_name(each.texture, images.classes) for each in found],
    )


def gallery(
    references: Sequence[str],
    condition: str,
    store: Store,
    *,
    which: Filter = "any",
    this: str = "",
    roles: Mapping[str, str] | None = None,
    page: int = 0,
    per_page: int = 12,
    heatmaps: bool = True,
    images: int | None = None,
) -> Gallery:
    """A page of the images of a condition, with every network's prediction and heatmap.

    Of what has not been evaluated yet, 200 images are looked through.

    Args:
        which: `only this one right` needs `this`, a reference; `follows the teacher` needs roles: the student predicts the
            teacher's class and the twin does not.
        images: how many of the condition's images are considered; by default as many as are kept.
    """
    workplace, wanted = of(store), parse(condition)
    networks = workplace.described(list(references))
    data = samples.common_data(list(networks.values()))
    with workplace.lock:
        outcomes = _kept(networks, data, wanted, images)
        if outcomes is None and is_whole(wanted):
            raise UserError(
                f"These networks have not been evaluated on {title(wanted)} yet: evaluate them on it first."
            )
        if outcomes is None:
            count = SAMPLE if images is None else min(images, SAMPLE)
            reading = workplace.live(data, count).read(*_loaded(workplace, networks), wanted)
            outcomes = reading.outcomes
        places = galleries.chosen(outcomes, which, this=this, roles=roles)
        pages = max(1, math.ceil(len(places) / per_page))
        page = min(max(page, 0), pages - 1)
        part = places[page * per_page : (page + 1) * per_page]
        seen = _images(workplace, data, wanted, part, next(iter(outcomes.values())).count)
        models = {reference: workplace.network(reference) for reference in networks} if heatmaps else {}
        found = galleries.shown(seen, part.tolist(), outcomes, models)
    return Gallery(str(wanted), [_shown(each, seen.classes) for each in found], len(places), pages, page)


def live(references: Sequence[str], condition: str, store: Store, *, images: int = SAMPLE) -> Live:
    """Accuracies at any strength on a small sample; networks and clean images stay in memory."""
    began = time.perf_counter()
    workplace, wanted = of(store), parse(condition)
    workplace.ahead.stop()
    networks = workplace.described(list(references))
    data = samples.common_data(list(networks.values()))
    with workplace.lock, torch_threads(min(THREADS, torch.get_num_threads())):
        sample = workplace.live(data, images)
        found = sample.read(*_loaded(workplace, networks), wanted)
    pixels = sample.sample.split.images[0].permute(1, 2, 0).cpu().numpy()
    perturbed = (255 * found.images[0]).round().clamp(0, 255).permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    return Live(
        condition=str(wanted),
        images=len(sample.sample),
        accuracy={name: values_of(each) for name, each in found.accuracy.items()},
        clean={name: values_of(each) for name, each in found.clean_accuracy.items()},
        shape_bias={name: values_of(each) for name, each in found.shape_bias.items()},
        clean_image=np.ascontiguousarray(pixels),
        perturbed=np.ascontiguousarray(perturbed),
        seconds=time.perf_counter() - began,
    )


def live_ahead(references: Sequence[str], conditions: Sequence[str], store: Store, *, images: int = SAMPLE) -> None:
    """Compute in the background what `live` will need for these conditions, one after another, until it is called."""
    workplace = of(store)
    workplace.ahead.start(_in_steps(workplace, references, [parse(each) for each in conditions], images))


def _in_steps(
    workplace: Workplace, references: Sequence[str], conditions: Sequence[Condition], images: int
) -> Iterator[None]:
    networks = workplace.described(list(references))
    data = samples.common_data(list(networks.values()))
    for condition in conditions:
        with workplace.lock:
            steps = workplace.live(data, images).in_steps(*_loaded(workplace, networks), condition)
        while _stepped(workplace, steps):
            yield


def _stepped(workplace: Workplace, steps: Iterator[None]) -> bool:
    """Whether there was another step. It is taken while nobody else uses the networks."""
    with workplace.lock, torch_threads(min(THREADS, torch.get_num_threads())):
        return next(steps, False) is None


def export(references: Sequence[str], condition: str, store: Store, *, images: int = 100) -> bytes:
    """A zip of PNG files of a condition with a manifest: the images that these networks are evaluated on."""
    workplace, wanted = of(store), parse(condition)
    data = samples.common_data(list(workplace.described(list(references)).values()))
    file, sample = io.BytesIO(), samples.load(data, images)
    exporting.write_into(file, data, sample.split, [(wanted.set_name, wanted.strength)])
    return file.getvalue()


def _loaded(workplace: Workplace, networks: Mapping[str, Described]) -> tuple[dict[str, Tapped], dict[str, str]]:
    """The networks, and the hashes of their weights."""
    return (
        {reference: workplace.network(reference) for reference in networks},
        {reference: each.weights for reference, each in networks.items()},
    )


def _kept(
    networks: Mapping[str, Described], data: DataRecipe, condition: Condition, images: int | None
) -> dict[str, Outcome] | None:
    """The outcome of every network on the same images; None where one is not kept."""
    found = {reference: each.read(condition, images) for reference, each in kept.of(networks, data).items()}
    known = {reference: each for reference, each in found.items() if each is not None}
    if len(known) < len(found):
        return None
    count = min(each.count for each in known.values())
    return {reference: first(each, count) for reference, each in known.items()}


def _images(workplace: Workplace, data: DataRecipe, condition: Condition, places: np.ndarray, count: int) -> Images:
    """The images of a condition, as far as these places need them."""
    if not depends_on_others(condition):
        count = int(places.max(initial=0)) + 1
        count = min(step for step in (SAMPLE, 1000, samples.MOST_IMAGES) if step >= count)
    sample = workplace.sample(data, count)
    return images_of(condition, sample.split, sample.data)


def _shown(found: galleries.Shown, classes: Sequence[str]) -> Shown:
    return Shown(
        place=found.place,
        clean=found.clean,
        perturbed=found.perturbed,
        target=classes[found.target],
        texture=_name(found.texture, classes),
        predictions={name: (classes[place], share) for name, (place, share) in found.predictions.items()},
        right={name: found.is_right(name) for name in found.predictions},
        heatmaps=found.heatmaps,
    )


def _name(place: int | None, classes: Sequence[str]) -> str:
    return "" if place is None else classes[place]
