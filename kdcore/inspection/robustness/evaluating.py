"""Evaluations of networks by reference, and what earlier ones kept: texts and numpy out."""

from collections.abc import Iterator, Mapping, Sequence

import torch

from kdcore.errors import UserError
from kdcore.inspection.model_cache import torch_threads
from kdcore.inspection.robustness.choosing import ROLES
from kdcore.inspection.robustness.results import Assessment, Family, Progress
from kdcore.results.bias import Outcome
from kdcore.robustness import conditions as sets
from kdcore.robustness import evaluate, evaluation, samples
from kdcore.robustness import kept as stored
from kdcore.robustness.conditions import CLEAN, Condition, parse
from kdcore.robustness.networks import FOLDER, Described, described
from kdcore.robustness.table import by_condition
from kdcore.runtime import cores
from kdcore.store import Store


def assess(
    references: Sequence[str],
    conditions: Sequence[str],
    store: Store,
    *,
    images: int | None = None,
    threads: int | None = None,
) -> Iterator[Progress]:
    """Evaluate networks under conditions; yields after every batch, with the conditions that are complete.

    What is kept from earlier evaluations is read, what is computed is kept. Stop by not taking another step (`close()`).

    Args:
        images: how many; by default all test images, up to 10,000.
        threads: torch's; unless given, one core is left to a run.
    """
    wanted = [parse(each) for each in conditions]
    prepared = evaluation(references, store, images=images, device="cuda" if torch.cuda.is_available() else "cpu")
    steps = evaluate(prepared, wanted)
    names = tuple(map(str, wanted))
    while True:
        with torch_threads(threads or cores.beside_pages()):
            found = next(steps, None)
        if found is None:
            return
        result = _assessment(prepared.networks, names, prepared.count, found.outcomes)
        yield Progress(
            found.done, found.total, found.seconds_left, str(found.condition), result, found.message, found.unkept
        )


def kept(
    references: Sequence[str], store: Store, *, conditions: Sequence[str] | None = None, images: int | None = None
) -> Assessment:
    """What earlier evaluations kept, without computing anything. Without `conditions`: all that every network has."""
    networks = {reference: described(reference, store) for reference in dict.fromkeys(references)}
    return _kept(networks, None if conditions is None else [parse(each) for each in conditions], images)


def of_run(run_id: str, store: Store) -> tuple[Family, Assessment] | None:
    """What is kept of a run's networks, without computing or loading anything; None where there is nothing."""
    state = store.state(run_id)
    if not (store.folder(run_id) / FOLDER).is_dir():
        return None
    networks: dict[str, Described] = {}
    for role in ROLES:
        try:
            networks[role] = described(f"run:{run_id}/{role}", store)
        except UserError:  # the run has no such network, or it cannot be read
            continue
    if "student" not in networks:
        return None
    try:
        found = _kept({each.reference: each for each in networks.values()}, None, None)
    except UserError:  # such as an own folder that is gone
        return None
    roles = {role: each.reference for role, each in networks.items()}
    return (Family(state.name, run_id, roles), found) if found.conditions else None


def _kept(networks: Mapping[str, Described], conditions: list[Condition] | None, images: int | None) -> Assessment:
    on_disk = stored.of(networks, samples.common_data(list(networks.values())))
    if conditions is None:
        each = [set(one.conditions()) for one in on_disk.values()]
        conditions = sorted(set.intersection(*each), key=_place)
        wanted: tuple[str, ...] | None = None
    else:
        wanted = tuple(map(str, conditions))
    outcomes: dict[str, dict[Condition, Outcome]] = {
        reference: {condition: found for condition in conditions if (found := one.read(condition, images)) is not None}
        for reference, one in on_disk.items()
    }
    complete = by_condition(outcomes)
    names = wanted if wanted is not None else tuple(map(str, complete))
    clean = complete.get(CLEAN, {}).values() or [each for row in complete.values() for each in row.values()]
    return _assessment(networks, names, max((each.count for each in clean), default=0), outcomes)


def _assessment(
    networks: Mapping[str, Described],
    conditions: tuple[str, ...],
    images: int,
    outcomes: Mapping[str, Mapping[Condition, Outcome]],
) -> Assessment:
    plain = {
        reference: {text: each for condition, each in own.items() if (text := str(condition)) in conditions}
        for reference, own in outcomes.items()
    }
    missing = tuple(text for text in conditions if any(text not in own for own in plain.values()))
    known = list(networks.values())
    side = samples.common_size(known)
    resized = {each.reference: each.image_size for each in known if each.image_size != side}
    return Assessment(tuple(networks), conditions, known[0].classes, images, plain, missing, side, resized)


def _place(condition: Condition) -> tuple[bool, str, float]:
    """The clean images first, then sets by name, from weak to strong."""
    if condition.is_clean:
        return False, "", 0.0
    return True, condition.set_name, float(_rank(condition))


def _rank(condition: Condition) -> float:
    strengths = [each.strength for each in sets.of_set(condition.set_name)]
    return strengths.index(condition.strength) if condition.strength in strengths else len(strengths)
