"""What can be typed, and how mistakes are answered."""

import argparse
import sys
from collections.abc import Sequence

from kdcore import __version__
from kdcore.cli import commands, studies, teacher_check
from kdcore.errors import UserError

EPILOG = """examples:
  python -m kdcore distill quick                        the two-minute recipe, student against twin
  python -m kdcore distill quick --seeds 0 1 2          three seeds, mean with interval
  python -m kdcore study temperature                    a study: variants times seeds, a table with intervals
  python -m kdcore sweep quick --vary optimizer.lr=1e-3,2e-3 --seeds 0 1 2
  python -m kdcore distill my.yaml --set epochs=3 --set data.labels=500
  python -m kdcore explain photo.jpg                    the CIFAR-10 teacher, student and twin on a photo
  python -m kdcore methods kd                           what a method does, needs and is good for
  python -m kdcore runs                                 what there is; `runs resume ID` continues one
  python -m kdcore doctor                               what this machine has, and what to do about what is missing

Runs, data and weights are shared with the app: a run that is started here appears there, live.
KD_RUNS and KD_DATA move their folders, KD_THREADS sets the CPU threads of training."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 1 refused or failed, 2 not understood, 130 interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except UserError as error:  # our own messages: what came, what would do, the way out
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m kdcore",
        description="Distillation Explorer's engine: train students with and without their teachers, and look inside.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    add = parser.add_subparsers(title="commands", required=True, metavar="COMMAND").add_parser

    distill = add("distill", aliases=["train-distill", "train_distill"], help="train a student from a recipe",
                  description="Train a student from a recipe.")  # fmt: skip
    distill.add_argument("recipe", nargs="?", help="a recipe's name (see assets/recipes) or a YAML file")
    distill.add_argument("--recipe", dest="recipe_flag", metavar="RECIPE", help="the same, as a flag")
    distill.add_argument("--alpha", type=float, help="weight of attention alignment, with 1 - ALPHA on kd; for recipes with "
                         "both terms, such as s0, which is taken where no recipe is named")  # fmt: skip
    distill.add_argument("--temp", type=float, help="temperature of kd; where it has a schedule, what that starts at")
    distill.set_defaults(run=commands.distill)

    teach = add("train-teacher", aliases=["train_teacher"], help="train one network with labels alone",
                description="Train one network with labels alone. With --recipe s0 it is that recipe's teacher, on its data.")  # fmt: skip
    teach.add_argument("--recipe", help="take model, weights, data and learning rate from this recipe's teacher")
    teach.add_argument("model", nargs="?", default="small_vit_patch8_64", help="a model's name (default: %(default)s)")
    teach.add_argument("--data", default="cues", help="cues, cifar10, cifar100 or folder (default: %(default)s)")
    teach.add_argument("--path", help="the folder of class folders, for --data folder")
    teach.add_argument("--image-size", type=int, help="side in pixels (default: the model's own)")
    teach.add_argument("--epochs", type=int, help="default: 10, or what the recipe fine-tunes for")
    teach.add_argument("--weights", default="none", help="none, pretrained, a bundled model, run:ID/student, or a file")
    teach.set_defaults(run=commands.train_teacher)

    study = add(
        "study",
        help="compare variants of a recipe over several seeds",
        description="Start a study by its name (see assets/studies) or file; or list, show, csv, resume ID, delete ID.",
    )
    study.add_argument("what", metavar="NAME or list, show, csv, resume, delete")
    study.add_argument("study_id", nargs="?", metavar="ID")
    study.add_argument(
        "--against", metavar="VARIANT", help="which variant the others are compared with (default: the first)"
    )
    study.set_defaults(run=studies.study)

    sweep = add(
        "sweep",
        help="vary one or two settings of a recipe",
        description="Vary one or two settings of a recipe over several seeds. It survives being killed: study resume ID.",
    )
    sweep.add_argument("recipe", help="a recipe's name (see assets/recipes) or a YAML file")
    sweep.add_argument("--vary", action="append", required=True, metavar="KEY=VALUE,VALUE",
                       help="a setting and its values; twice for a grid of two")  # fmt: skip
    sweep.set_defaults(run=studies.sweep)

    for training in (distill, teach, study, sweep):
        training.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                              help="change a setting, for example data.labels=500 (repeat for more)")  # fmt: skip
        training.add_argument(
            "--seeds", type=int, nargs="+", help="one run a seed; the summary has their mean and interval"
        )
        if training is not study:
            training.add_argument("--name", help="what it is called")
        training.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the GPU where there is one)")
        training.add_argument("--json", action="store_true", help="one JSON line an event instead of a progress bar")

    examine = add("examine", help="what a recipe's teacher is worth, before a run",
                  description="Show a recipe's teacher some hundred images: accuracy, classes, normalisation, calibration, soft "
                  "labels. Exit status 1 where a run would be stopped.")  # fmt: skip
    examine.add_argument("recipe", help="a recipe's name (see assets/recipes) or a YAML file")
    examine.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                         help="change a setting first")  # fmt: skip
    examine.add_argument("--device", help="cpu, cuda, ...")
    examine.add_argument("--json", action="store_true")
    examine.set_defaults(run=teacher_check.examine)

    evaluate = add("evaluate", help="measure a model on a split", description="Measure a model on a split.")
    evaluate.add_argument("model", help="a bundled model, run:ID/student, or a .safetensors file")
    evaluate.add_argument("--data", default=None, help="default: what the model was trained on")
    evaluate.add_argument(
        "--split", default="test", help="test, validation, or for cues cue_conflict (default: %(default)s)"
    )
    evaluate.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
                          help="a data setting, for example test_images=500")  # fmt: skip
    evaluate.add_argument("--device", help="cpu, cuda, ...")
    evaluate.add_argument("--json", action="store_true")
    evaluate.add_argument("--path", help="the folder of class folders, for --data folder")
    evaluate.set_defaults(run=commands.evaluate)

    explain = add("explain", help="heatmaps of a photo", description="Where one or more networks look in a photo.")
    explain.add_argument("photo", help="an image file")
    explain.add_argument("--model", action="append", dest="models", metavar="MODEL",
                         help="a bundled model, run:ID/student, or a file; repeat to compare (default: the CIFAR-10 three)")  # fmt: skip
    explain.add_argument(
        "--method",
        help="grad_cam, grad_cam_plus_plus, hires_cam, layer_cam, eigen_cam, cls_attention, rollout, gradient_rollout, relevance, "
        "patch_attention, activation_energy, self_similarity, input_gradient, occlusion (default: each model's own)",
    )
    explain.add_argument("--layer", type=int)
    explain.add_argument("--head", type=int)
    explain.add_argument(
        "--out", default=None, help="the picture to write (default: PHOTO-explained.png beside the photo)"
    )
    explain.add_argument("--npz", help="also write the maps as arrays")
    explain.add_argument("--json", action="store_true")
    explain.set_defaults(run=commands.explain)

    runs = add(
        "runs",
        help="list, show, resume, delete, or take figures and recipe away",
        description="The runs on this machine.",
    )
    runs.add_argument(
        "action", nargs="?", default="list", choices=("list", "show", "resume", "delete", "csv", "recipe")
    )
    runs.add_argument("run_id", nargs="?")
    runs.add_argument("--json", action="store_true")
    runs.set_defaults(run=commands.runs)

    export = add("export", help="take a run's network away as one file",
                 description="Write a run's network as safetensors with a card: recipe, accuracy with interval, date, hash.")  # fmt: skip
    export.add_argument("model", help="run:ID/student, run:ID/twin, a bundled model or a file")
    export.add_argument("out", help="the .safetensors file to write; the card lies beside it as .json")
    export.add_argument("--command", help="how it was trained, for the card")
    export.add_argument(
        "--fp16", action="store_true", help="half the size; the card's accuracy is measured on what is written"
    )
    export.set_defaults(run=commands.export)

    importing = add("import-weights", help="turn .pth files into safetensors",
                    description="Turn a state dict into a .safetensors file that knows its model. The files are read without "
                    "running code that may be in them. Of several, a later one replaces tensors of an earlier one.")  # fmt: skip
    importing.add_argument("files", nargs="+")
    importing.add_argument("--model", required=True)
    importing.add_argument("--data", required=True, help="whose classes it answers: cues, cifar10, cifar100")
    importing.add_argument("--image-size", type=int, required=True)
    importing.add_argument("--mean", type=float, nargs=3, help="default: the model's own statistics")
    importing.add_argument("--std", type=float, nargs=3)
    importing.add_argument("--out", required=True)
    importing.set_defaults(run=commands.import_weights)

    methods = add(
        "methods", help="the ways of distilling: all of them, or one's card", description="The ways of distilling."
    )
    methods.add_argument("name", nargs="?", help="print this method's page")
    methods.add_argument(
        "--write", metavar="FOLDER", help="write a page a method and a table of all, as in docs/methods"
    )
    methods.add_argument("--json", action="store_true")
    methods.set_defaults(run=commands.methods)

    doctor = add(
        "doctor", help="what this machine has and lacks", description="Device, versions, data, weights, disk, memory."
    )
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=commands.doctor)
    return parser
