"""What each command does. Heavy imports wait until a command needs them, so that --help answers at once."""

import json
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from kdcore import recipe as recipes
from kdcore.cli import dynamic_attention_flags
from kdcore.errors import UserError
from kdcore.paths import ASSETS, runs_folder
from kdcore.recipe import DataRecipe, Recipe, RecipeError, library
from kdcore.store import ACTIVE, Store

SEED_RECIPE = "s0"  # whose flags --alpha and --temp are


def store() -> Store:
    return Store(runs_folder(), recorded=ASSETS / "runs")


def named_recipe(name: str) -> Recipe:
    """A recipe by its name in assets/recipes, or by its path. Raises RecipeError with the names there are."""
    return library.recipe(name)


def distill(options: Namespace) -> int:
    flagged = options.alpha is not None or options.temp is not None
    name = options.recipe or options.recipe_flag or (SEED_RECIPE if flagged else None)
    if name is None:
        raise RecipeError(
            f"Which recipe? For example: python -m kdcore distill quick. Known: {', '.join(library.recipe_names())}."
        )
    if options.recipe and options.recipe_flag and options.recipe != options.recipe_flag:
        raise RecipeError(f"Two recipes are named, {options.recipe} and {options.recipe_flag}: leave one of them out.")
    return _train(dynamic_attention_flags.applied(named_recipe(name), options.alpha, options.temp), options)


def train_teacher(options: Namespace) -> int:
    return _train(_teacher_of(options.recipe, options.epochs) if options.recipe else _labels_alone(options), options)


def _teacher_of(name: str, epochs: int | None) -> Recipe:
    """A recipe's teacher as the student of a recipe without a teacher."""
    recipe = named_recipe(name)
    if recipe.teacher is None:
        raise RecipeError(f"The recipe {name} has no teacher that could be trained.")
    given = recipe.teacher.model_dump(mode="json", include={"model", "weights", "mean", "std", "options"})
    tuned = recipe.teacher.finetune
    plain = {
        "name": f"teacher of {recipe.name}"[:80],
        "data": {**recipe.data.model_dump(mode="json"), "labels": "all", "label_noise": 0.0},
        "student": given,
        "optimizer": {"lr": tuned.lr if tuned else 1e-4},
        "epochs": epochs or (tuned.epochs if tuned else 10),
        "precision": recipe.precision,
    }
    return recipes.from_plain(plain, source=f"the teacher of {name}")


def _labels_alone(options: Namespace) -> Recipe:
    from kdcore import models

    side = options.image_size or models.default_image_size(options.model)
    plain = {
        "name": f"{options.model} on {options.data}"[:80],
        "data": {"name": options.data, "path": options.path, "image_size": side, "augment": ["flip", "crop"]},
        "student": {"model": options.model, "weights": options.weights},
        "epochs": options.epochs or 10,
    }
    return recipes.from_plain(plain, source="what was asked for")


def _train(recipe: Recipe, options: Namespace) -> int:
    from kdcore.cli import progress
    from kdcore.runner import Runner

    seeds = [f"seeds={options.seeds}"] if options.seeds else []
    name = [f"name={json.dumps(options.name)}"] if options.name else []
    if overrides := [*options.overrides, *seeds, *name]:
        recipe = recipes.with_overrides(recipe, overrides)
    runner = Runner(store(), device=options.device)
    watcher = progress.JsonLines() if options.json else progress.Bar()
    runner.listener = watcher.take
    try:
        ids = runner.start(recipe)
        return progress.follow(runner, ids, watcher)
    finally:
        runner.close()


def evaluate(options: Namespace) -> int:
    import torch

    from kdcore import data, models
    from kdcore.results import metrics
    from kdcore.training import evaluation

    model = models.load(options.model, runs=store())
    which = {"name": options.data} if options.data else _data_of(model.classes)
    asked = {**which, "path": options.path, "image_size": model.image_size}
    asking = recipes.from_plain({"data": asked, "student": {"model": model.name}}, source="what was asked for")
    described = recipes.with_overrides(asking, [f"data.{item}" for item in options.overrides]).data
    device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    split = data.load(described, options.split, device=device, report=lambda text: print(text), download=True)
    if model.classes != split.classes:
        raise UserError(f"{options.model} answers {', '.join(model.classes)}; the data has {', '.join(split.classes)}.")
    figures = evaluation.evaluate(model.to(device), split)
    correct = round(figures["top1"] * figures["count"])
    low, high = metrics.wilson(correct, int(figures["count"]))
    if options.json:
        print(json.dumps({**figures, "low": low, "high": high}))
    else:
        print(
            f"{options.model} on {which['name']}, {options.split}: {figures['top1']:.2%} right (95 % interval {low:.2%} to "
            f"{high:.2%})"
        )
        print(f"{int(figures['count'])} images, nll {figures['nll']:.3f} nats, calibration error {figures['ece']:.3f}")
        if "auroc" in figures:
            print(
                f"{model.classes[1]} against {model.classes[0]}: AUROC {figures['auroc']:.3f}, sensitivity "
                f"{figures['sensitivity']:.1%}, specificity {figures['specificity']:.1%}"
            )
    return 0


def _data_of(classes: tuple[str, ...]) -> dict[str, Any]:
    """The built-in data that has these classes, as a recipe says it; some of a dataset's in an order of their own count."""
    from kdcore import data

    for name in ("cues", "cifar10", "cifar100"):
        whole = data.classes(DataRecipe(name=name))
        if set(classes) <= set(whole):
            return {"name": name, "only": None if classes == whole else classes}
    raise UserError("The model's classes are none of a built-in dataset's: say --data folder --path FOLDER.")


def explain(options: Namespace) -> int:
    import numpy as np

    from kdcore import photos
    from kdcore.explain import render
    from kdcore.inspection import Inspector

    path = Path(options.photo)
    if not path.is_file():
        raise UserError(f"There is no file {path}.")
    photo = photos.read(path.read_bytes(), path.name)
    references = options.models or ["cifar10-teacher", "cifar10-student", "cifar10-twin"]
    inspector = Inspector(store())
    found = [
        inspector.inspect(photo.pixels, reference, method=options.method, layer=options.layer, head=options.head)
        for reference in references
    ]
    out = Path(options.out) if options.out else path.with_name(f"{path.stem}-explained.png")
    render.write_png(render.comparison_sheet(found), out)
    if options.npz:
        maps: dict[str, Any] = {name: each.heatmap for name, each in zip(references, found, strict=True)}
        np.savez_compressed(options.npz, **maps)
    if options.json:
        rows = [
            {
                "model": reference,
                "method": each.method,
                "predictions": each.predictions,
                "heatmap": None if each.problem else each.heatmap.tolist(),
                "problem": each.problem,
            }
            for reference, each in zip(references, found, strict=True)
        ]
        print(json.dumps(rows))
        return 0
    for reference, each in zip(references, found, strict=True):
        said = ", ".join(f"{name} {probability:.0%}" for name, probability in each.predictions[:3])
        print(f"{reference:20} {said}   (map: {each.problem or each.method})")
    print(f"written: {out}")
    return 0


def runs(options: Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    shelf = store()
    if options.action == "list":
        states = shelf.states()
        if options.json:
            print(json.dumps([_summary(state) for state in states]))
            return 0
        table = Table("id", "status", "student", "twin", "teacher", "epoch", title=None)
        for state in states:
            shown = state.results or state.latest
            table.add_row(
                state.id, state.status, *(_percent(shown.get(network)) for network in ("student", "twin", "teacher")),
                f"{state.epoch:.1f} / {state.epochs}",
            )  # fmt: skip
        console = Console()
        console.print(table if states else f"No runs in {shelf.root} yet. Start one: python -m kdcore distill quick")
        for state in states:
            if state.damage:
                way_out = "" if state.recorded else f" Delete it: python -m kdcore runs delete {state.id}"
                console.print(
                    f"{state.id} is damaged: {state.damage}{way_out}", markup=False, highlight=False, soft_wrap=True
                )
        return 0
    if not options.run_id:
        raise UserError(f"`runs {options.action}` needs a run's id; `python -m kdcore runs` lists them.")
    match options.action:
        case "show":
            print(json.dumps(_summary(shelf.state(options.run_id)), indent=None if options.json else 2))
        case "csv":
            print(shelf.csv(options.run_id), end="")
        case "recipe":
            print(shelf.recipe(options.run_id).to_yaml(), end="")
        case "delete":
            shelf.delete(options.run_id)
            print(f"deleted {options.run_id}")
        case "resume":
            return _resume(options)
    return 0


def _resume(options: Namespace) -> int:
    from kdcore.cli import progress
    from kdcore.runner import Runner

    runner = Runner(store())
    watcher = progress.JsonLines() if options.json else progress.Bar()
    runner.listener = watcher.take
    try:
        runner.resume(options.run_id)
        return progress.follow(runner, [options.run_id], watcher)
    finally:
        runner.close()


def _summary(state: Any) -> dict[str, Any]:
    kept = (
        "id",
        "name",
        "status",
        "step",
        "steps",
        "epoch",
        "epochs",
        "device",
        "latest",
        "results",
        "reason",
        "parameters",
        "damage",
    )
    return {key: getattr(state, key) for key in kept}


def _percent(figures: dict[str, float] | None) -> str:
    return f"{figures['top1']:.1%}" if figures else ""


def export(options: Namespace) -> int:
    import hashlib

    import torch

    from kdcore import data, models
    from kdcore.results import metrics
    from kdcore.training import evaluation

    shelf = store()
    model = models.load(options.model, runs=shelf)
    out = Path(options.out)
    models.save(model, out, dtype=torch.float16 if options.fp16 else None)
    written = models.load(str(out))
    card: dict[str, Any] = {**written.description(), "parameters": models.parameters(written)}
    if not options.model.startswith("run:"):
        described = DataRecipe(**_data_of(written.classes), image_size=written.image_size)
    else:
        run_id = options.model.removeprefix("run:").partition("/")[0]
        state, recipe = shelf.state(run_id), shelf.recipe(run_id)
        if state.status in ACTIVE:
            raise UserError(f"Run {run_id} is {state.status}; export it when it has ended.")
        described = recipe.data
        trained = time.strftime("%Y-%m-%d", time.localtime(state.updated))
        card |= {"recipe": recipe.model_dump(mode="json", exclude_defaults=True), "device": state.device,
                 "seconds": round(state.active_seconds), "date": trained}  # fmt: skip
    split = data.load(described, "test", download=True)
    figures = evaluation.evaluate(written, split)
    low, high = metrics.wilson(round(figures["top1"] * figures["count"]), int(figures["count"]))
    card |= {
        "command": options.command or "",
        "data": {"name": described.name, "split": "test", "images": len(split)},
        "accuracy": {"top1": figures["top1"], "low": low, "high": high, "nll": figures["nll"], "ece": figures["ece"]},
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(f"{out}: {out.stat().st_size / 2**20:.2f} MiB, {figures['top1']:.2%} right ({low:.2%} to {high:.2%})")
    return 0


def import_weights(options: Namespace) -> int:
    from kdcore import data, models

    models.import_weights(
        [Path(file) for file in options.files],
        options.model,
        data.classes(DataRecipe(name=options.data)),
        options.image_size,
        mean=options.mean and tuple(options.mean),
        std=options.std and tuple(options.std),
        out=Path(options.out),
    )
    print(f"written: {options.out}")
    return 0


def methods(options: Namespace) -> int:
    import dataclasses

    from kdcore.inspection import method_cards

    if options.write:
        changed = method_cards.write(Path(options.write))
        print("\n".join(f"written: {path}" for path in changed) or f"{options.write} is up to date.")
        return 0
    found = [method_cards.entry(options.name)] if options.name else method_cards.entries()
    if options.json:
        for entry in found:
            pairs = {f"{teacher} to {student}": why for (teacher, student), why in entry.refusals.items()}
            print(json.dumps({**dataclasses.asdict(dataclasses.replace(entry, refusals={})), "refusals": pairs}))
    elif options.name:
        print(method_cards.page(found[0]), end="")
    else:
        width = max(len(entry.name) for entry in found)
        for entry in found:
            print(f"{entry.name:{width}}  {method_cards.COMPARES[entry.compares].lower():9}  {entry.card.summary}")
        print("\nMore of one: python -m kdcore methods NAME")
    return 0


def doctor(options: Namespace) -> int:
    from kdcore.cli import environment_check

    findings = environment_check.examine()
    if options.json:
        print(json.dumps(findings))
    else:
        environment_check.show(findings)
    return 0
