"""What can be chosen on the Robustness page: networks, those that belong together, test sets, and sizes of evaluations."""

import contextlib
import hashlib
from collections.abc import Sequence

from kdcore.data import datasets, perturbations
from kdcore.data.split import Split
from kdcore.errors import UserError
from kdcore.inspection.networks import Choice, choices
from kdcore.inspection.robustness.results import Family, Network, SetCard, Which
from kdcore.inspection.robustness.workplace import of
from kdcore.recipe import DataRecipe
from kdcore.recipe.references import RunNetwork, parse
from kdcore.robustness import conditions as sets
from kdcore.robustness import samples
from kdcore.robustness.networks import test_data
from kdcore.store import Store

ROLES = ("teacher", "student", "twin")
FEW = 20  # images that decide whether a set can be made from a split


def networks(store: Store) -> list[Network]:
    """Every network that can be evaluated: bundled models, then those of runs with a checkpoint."""
    found = []
    for choice in choices(store):
        with contextlib.suppress(UserError):  # of no known dataset
            found.append(_network(choice, store))
    return found


def families(store: Store) -> list[Family]:
    """Teachers with their student and twin: bundled ones, then a run's."""
    grouped: dict[tuple[str, str], dict[str, str]] = {}
    for choice in choices(store):
        run, name, role = _place(choice.reference)
        if role in ROLES:
            grouped.setdefault((run, name), {})[role] = choice.reference
    return [
        Family(_title(run, name, store), run, {role: roles[role] for role in ROLES if role in roles})
        for (run, name), roles in grouped.items()
        if {"teacher", "student"} <= roles.keys()
    ]


def refusal(references: Sequence[str], store: Store) -> str:
    """Why these networks cannot be evaluated together, in words; empty where they can. Never raises."""
    try:
        data = _data(references, store)
    except UserError as error:
        return str(error)
    return samples.unavailable(data)


def test_sets(references: Sequence[str], store: Store) -> list[SetCard]:
    """All test sets with their cards, those that cannot be made for these networks with the reason."""
    split = _few(references, store)
    found = []
    for name in perturbations.names():
        made = perturbations.get(name)
        every = tuple(map(str, sets.of_set(name)))
        found.append(
            SetCard(
                name=name, title=made.title, summary=made.summary, probes=made.probes, parameter=made.parameter,
                strengths=tuple(map(float, made.strengths)), conditions=every, usual=str(sets.parse(name)), source=made.source,
                cached=made.cached, conflict=made.conflict, own_images=made.own_images, unavailable=made.why_not(split),
            )
        )  # fmt: skip
    return found


def conditions(which: Which, references: Sequence[str], store: Store) -> list[str]:
    """The conditions of a quick, usual, full or corruption evaluation of these networks, `clean` first."""
    return [str(each) for each in sets.of(which, _few(references, store))]


def default_images(which: Which, references: Sequence[str], store: Store) -> int:
    """How many images such an evaluation uses by default."""
    most = samples.most_images(_data(references, store))
    return min(most, sets.QUICK_IMAGES) if which == "quick" else most


def _data(references: Sequence[str], store: Store) -> DataRecipe:
    return samples.common_data(list(of(store).described(list(references)).values()))


def _few(references: Sequence[str], store: Store) -> Split:
    workplace = of(store)
    data = _data(references, store)
    with workplace.lock:
        return workplace.sample(data, FEW).split


def _network(choice: Choice, store: Store) -> Network:
    data = test_data(choice.reference, choice.classes, choice.image_size, store)
    alike = f"{data.model_dump_json(exclude={'image_size'})} {choice.classes}"
    words = datasets.title(data.name) + (f" in {data.path}" if data.path else "")
    return Network(
        choice.reference, choice.title, choice.subtitle, choice.kind, choice.architecture, words, choice.image_size,
        group=hashlib.sha256(alike.encode()).hexdigest()[:12],
    )  # fmt: skip


def _place(reference: str) -> tuple[str, str, str]:
    """The run, or the bundled family, and the role of a network."""
    source = parse(reference)
    if isinstance(source, RunNetwork):
        return source.run_id, "", source.network
    name, _, role = reference.rpartition("-")
    return "", name, role


def _title(run: str, name: str, store: Store) -> str:
    if run:
        return store.state(run).name
    known = [each for each in datasets.names("drawn", "downloaded") if each == name]
    return f"Bundled: {datasets.title(known[0]) if known else name}"
