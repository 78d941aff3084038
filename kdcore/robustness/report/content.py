"""What a report says, part by part: clean accuracy first, then what is shown, the charts, and what is not shown."""

from kdcore.paths import data_folder
from kdcore.recipe.references import RandomWeights
from kdcore.results.bias import measures
from kdcore.results.bias.checks import least_clean_accuracy
from kdcore.results.bias.sentences import ONE_SEED, out_of
from kdcore.results.bias.transfer import Transfer
from kdcore.results.comparison import minus
from kdcore.results.comparison.figure import LEAST_SEEDS
from kdcore.results.comparison.share import wilson
from kdcore.robustness import conditions
from kdcore.robustness.conditions import CLEAN
from kdcore.robustness.report import charts
from kdcore.robustness.report.blocks import Block, Chart, Heading, Items, Table, Text
from kdcore.robustness.report.evaluating import titled_set
from kdcore.robustness.report.findings import INDEPENDENT, SHARED, TEACHER, Claim, Findings, Number
from kdcore.robustness.report.networks import Direction

SHOWN = ("passes on", "moves away")
QUESTIONS = {
    "accuracy": "Accuracy on clean images: does the student predict more images rightly with a teacher?",
    "errors": "Errors on the same images as the teacher: error consistency (Cohen's kappa of being right or wrong). The teacher "
    "is compared with itself, which gives 1.",
    "shape_bias": "Shape bias: on images with the shape of one class and the texture of another, how often is it the shape "
    "(Geirhos et al., 2019)?",
    "texture": "Recognition without the texture: accuracy beyond chance on sets without the usual texture, as a share of that on "
    "clean images.",
    "locality": "Recognition beside a noisy box: accuracy beyond chance when a part of the image is noise, as a share of that on "
    "clean images.",
    "permutation": "Same class for scrambled patches: how often the predicted class stays when tiles of the image change places.",
    "corruptions": "Robustness to corruptions: accuracy beyond chance, as a share of that on clean images, mean over the sets.",
    "calibration": "Calibration error: how far confidence and accuracy differ, mean over the test sets; lower is better.",
}
OWN_TEACHERS = (
    "Each seed has its own teacher, fine-tuned on its images or with its random weights: every student is compared with the teacher of its seed, and the "
    "figures of the teacher are means over these."
)
LIMITS = (
    "Transfer says where a student stands between the independent student and the teacher. It does not say why: soft targets also "
    "regularise, and the control for that, a teacher with the same accuracy and another bias, is not part of this study.",
    "A teacher that was trained on more images, or longer, than the students differs from them by this too, not only by its "
    "architecture.",
    "A student that predicts more clean images rightly does so on most test sets. Shares of the clean accuracy and "
    "consistency allow for that in part only.",
    "“Not shown” is not “absent”: the intervals are wide, the more so as they are corrected for the number of comparisons.",
)


def blocks(found: Findings) -> list[Block]:
    """The parts of a report, without its title."""
    pictures = [Chart(name, title, svg) for name, (title, svg) in charts.all_of(found).items()]
    return [
        *_introduction(found), *clean_accuracy(found), *what_is_shown(found), Heading("Charts"),
        Text(
            f"Orange: independent student; blue: student; violet: teacher. {_bars(found)}"
        ),
        *pictures, *_between(found), *_numbers(found), Heading("What this does not show"), Items(limits(found)), *_refused(found),
    ]  # fmt: skip


def _introduction(found: Findings) -> list[Block]:
    evaluated = found.evaluated
    state = evaluated.state
    assert state is not None, "a report is of a study"
    study = state.study
    done = [place.run for place in state.places if place.done and place.run]
    hours = sum(run.active_seconds for run in done) / 60
    made: list[Block] = [Text(study.note)] if study.note else []
    there = len(evaluated.conditions) - len(evaluated.missing)
    made.append(
        Text(
            f"Study `{state.id}`: {len(done)} of {len(state.places)} runs finished, {len(study.seeds)} random seeds, {hours:.0f} "
            f"minutes of training; {there} test sets (clean images included) of {evaluated.images:,} images each."
        )
    )
    return made


def clean_accuracy(found: Findings) -> list[Block]:
    """The table of clean accuracies, and whether all students are above chance."""
    rows, weak = [], []
    classes = 0
    for direction in found.evaluated.directions:
        for name in (INDEPENDENT, *(each.title for each in direction.methods), TEACHER):
            number = found.number(direction.title, name, CLEAN, measures.accuracy)
            if number is None:
                continue
            classes = classes or _classes(found)
            seeds = "" if SHARED in number.by_seed else str(len(number.by_seed))
            rows.append([direction.title, name, _cell(number), seeds])
            if name != TEACHER and not _least(number) > least_clean_accuracy(classes):
                weak.append(f"{name}{f' ({direction.title})' if direction.title else ''}")
    chance = 100 / classes if classes else 0
    least = f"{100 * least_clean_accuracy(classes):.0f} %" if classes else ""
    if weak:
        words = (
            f"**Not clearly above {least} (chance is {chance:.0f} %): {', '.join(weak)}.** Their other measures say little: a network "
            "that has learned nothing loses nothing when images are perturbed."
        )
    else:
        words = (
            f"Every student is clearly above {least} (chance is {chance:.0f} %), so none of the following rests on "
            "networks that have learned nothing."
        )
    return [
        Heading("Accuracy on clean images"),
        Table(["direction", "network", "accuracy", "seeds"], rows),
        Text(words),
    ]


def what_is_shown(found: Findings) -> list[Block]:
    """The claims: those that are shown as sentences, all as a table, and the sentence of each."""
    shown = [claim for claim in found.claims if claim.transfer.kind in SHOWN]
    made = sum(claim.transfer.kind != "refused" for claim in found.claims)
    summary = (
        f"{_count(found, 'passes on')} of {len(found.claims)} comparisons show that something passes on from the teacher, "
        f"{_count(found, 'moves away')} that the student moves away from it. {out_of(len(found.claims), made)}"
    )
    parts: list[Block] = [
        Heading("What is shown"),
        Text("The questions, of each method in each direction. Twin: the independent student of the same seed."),
        Items([QUESTIONS[each.name] for each in found.questions]),
        Text(summary),
    ]
    if shown:
        parts.append(Items([_sentence(claim) for claim in shown]))
    for direction in found.evaluated.directions:
        parts += _matrix(found, direction)
    parts.append(
        Text(
            "“Passes on” and “moves away”: student and teacher both differ from the independent student, in the same or in opposite "
            "directions; the share is where the student stands between independent student (0 %) and teacher (100 %). “No gap”: "
            "teacher and independent student are not shown to differ, so there is nothing to pass on."
        )
    )
    parts.append(Items([_sentence(claim) for claim in found.claims], title=f"All {len(found.claims)} comparisons"))
    return parts


def _matrix(found: Findings, direction: Direction) -> list[Block]:
    cells = {(each.method, each.question.name): each for each in found.claims if each.direction == direction.title}
    rows = [
        [method.title, *(_kind(cells[method.title, each.name].transfer) for each in found.questions)]
        for method in direction.methods
    ]
    head = ["method", *(each.title for each in found.questions)]
    return [*([Heading(direction.title, 3)] if direction.title else []), Table(head, rows)]


def _kind(found: Transfer) -> str:
    share = f" ({minus(f'{100 * found.share.mean:.0f} %')})" if found.kind in SHOWN and found.share.defined else ""
    words = found.kind if found.kind != "refused" else "no conclusion"
    return f"**{words}**{share}{', a weakness' if found.over_distilled else ''}" if found.kind in SHOWN else words


def _sentence(claim: Claim) -> str:
    return f"**{', '.join(filter(None, (claim.direction, claim.method)))}.** {claim.sentence}"


def _between(found: Findings) -> list[Block]:
    lines = []
    for direction in found.evaluated.directions:
        if direction.title not in found.between:
            continue
        mean, least, most = (minus(f"{value:.2f}") for value in found.between[direction.title])
        own = [
            f"{name} {minus(f'{number.estimate.mean:.2f}')}"
            for name in (INDEPENDENT, *(each.title for each in direction.methods))
            if (number := found.number(direction.title, name, CLEAN, measures.error_consistency))
            and number.estimate.defined
        ]
        lines.append(
            f"{f'{direction.title}: ' if direction.title else ''}two independent students of different seeds have an error consistency "
            f"of {mean} with each other ({least} for the pair with the least, {most} for that with the most); with the teacher have {', '.join(own)}."
        )
    if not lines:
        return []
    return [Heading("Errors shared with the teacher, and by independent students", 3), Items(lines)]


def _numbers(found: Findings) -> list[Block]:
    """Accuracy of every kind of network on every test set, folded."""
    missing = found.evaluated.missing
    parts: list[Block] = []
    for direction in found.evaluated.directions:
        names = [INDEPENDENT, *(each.title for each in direction.methods), TEACHER]
        rows = []
        for condition in found.evaluated.conditions:
            each = [found.number(direction.title, name, condition, measures.accuracy) for name in names]
            if condition not in missing and all(each):
                rows.append([conditions.title(condition), *(f"{100 * one.estimate.mean:.1f}" for one in each if one)])
        title = f"Accuracy on every test set, %{f': {direction.title}' if direction.title else ''}"
        parts.append(Table(["test set", *names], rows, title=title))
    return parts


def limits(found: Findings) -> list[str]:
    """What the intervals do not cover, and what else than the teacher may be the cause."""
    return [*_covered(found), *_trained_differently(found), *LIMITS]


def _seeds(found: Findings) -> set[int]:
    """How many seeds the methods have."""
    return {len(method.seeds) for direction in found.evaluated.directions for method in direction.methods}


def _bars(found: Findings) -> str:
    """What the bars of the charts are."""
    seeds = _seeds(found)
    most, shared = max(seeds, default=1), not all(each.own_teachers for each in found.evaluated.directions)
    over = "seeds and images" if most >= LEAST_SEEDS else "images"
    words = [f"Bars are 95 % intervals over {over}, not corrected for their number."]
    if most >= LEAST_SEEDS and shared:
        words.append("A teacher that all seeds share has one over images.")
    if seeds & set(range(2, LEAST_SEEDS)):
        words.append(f"Networks of two seeds have none: {LEAST_SEEDS} are needed.")
    return " ".join(words)


def _covered(found: Findings) -> list[str]:
    seeds = _seeds(found)
    if seeds == {1}:
        return [ONE_SEED]
    if max(seeds, default=1) < LEAST_SEEDS:
        return [f"Two seeds say too little of how seeds vary ({LEAST_SEEDS} are needed), so there are no conclusions."]
    recipes = [place.point.recipe for place in found.evaluated.state.places] if found.evaluated.state else []
    drawn = {recipe.data.seed == "run" for recipe in recipes}
    random = all(isinstance(recipe.student.reference, RandomWeights) for recipe in recipes)
    words = {
        frozenset({True}): "Each seed has its own training images and labels, which the intervals cover too.",
        frozenset(
            {True, False}
        ): "The choice of training images is covered where each seed has its own (`data.seed: run`), elsewhere not.",
    }.get(frozenset(drawn), "Training images are the same for every seed, so their choice is not covered.")
    more = [f"Of a method with one seed: {ONE_SEED[10:]}"] if 1 in seeds else []
    if any(direction.own_teachers for direction in found.evaluated.directions):
        more.insert(0, OWN_TEACHERS)
    return [
        f"An interval covers {'initial weights, ' if random else ''}order of batches, augmentation and the choice of test images. {words}",
        *more,
    ]


def _trained_differently(found: Findings) -> list[str]:
    return [
        f"{', '.join(filter(None, (direction.title, method.title)))}: its independent student was trained with other settings, too "
        f"({', '.join(method.differs)}), so a difference need not come from the teacher."
        for direction in found.evaluated.directions
        for method in direction.methods
        if method.differs
    ]


def _refused(found: Findings) -> list[Block]:
    evaluated = found.evaluated
    folder = str(data_folder())  # of this machine: no part of a report that is passed on
    lines = [
        f"{titled_set(name)}: {why.replace(folder, 'the data folder')}." for name, why in evaluated.refused.items()
    ]
    lines += [f"{conditions.title(condition)}: not evaluated yet." for condition in evaluated.missing]
    return [Heading("Test sets that are missing", 3), Items(lines)] if lines else []


def _classes(found: Findings) -> int:
    first = found.evaluated.directions[0].references[0]
    return found.evaluated.outcomes[first][CLEAN].classes


def _count(found: Findings, kind: str) -> int:
    return sum(claim.transfer.kind == kind for claim in found.claims)


def _least(number: Number) -> float:
    """The lower end of an accuracy's interval; where several seeds have none, the lowest of their own."""
    found = number.estimate
    if found.bounded or not number.by_seed:
        return found.low
    return min(wilson(round(value * found.images), found.images)[0] for value in number.by_seed.values())


def _cell(number: Number) -> str:
    figure = number.estimate
    if not figure.defined:
        return figure.why
    between = f" ({100 * figure.low:.1f} to {100 * figure.high:.1f})" if figure.bounded else ""
    return f"{100 * figure.mean:.1f} %{between}"
