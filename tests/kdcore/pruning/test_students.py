"""A run's student pruned from the command line, and the new run that fine-tunes it."""

import json

import pytest

import kdcore as kd
from kdcore import models
from kdcore.cli import main
from kdcore.cli.options import store
from kdcore.errors import UserError
from kdcore.models.pruned import in_words
from kdcore.paths import data_folder
from kdcore.pruning import students
from kdcore.recipe import ModelRecipe, weight_header
from kdcore.runner import Runner

pytest.importorskip("torch_pruning")


@pytest.fixture(scope="module")
def parent(tiny, tmp_path_factory):
    """A finished run of one epoch, and the folders that it is in."""
    folder = tmp_path_factory.mktemp("pruning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KD_RUNS", str(folder / "runs"))
        patch.setenv("KD_DATA", str(folder / "data"))
        patch.chdir(folder)
        runner = Runner(store(), device="cpu")
        (run_id,) = runner.start(tiny(epochs=1, lr={"warmup_epochs": 0.5}, seeds=[3]))
        assert runner.wait(run_id, 120)
        assert store().state(run_id).status == "finished"
        yield run_id
        runner.close()


def test_prune_writes_a_file_and_fine_tunes_it_as_a_new_run(parent, capsys):
    before = store().ids()
    assert main(["prune", f"run:{parent}/student", "--to", "0.5", "--epochs", "1", "--images", "40"]) == 0
    (new,) = set(store().ids()) - set(before)
    (file,) = (data_folder() / "weights").glob("*.safetensors")
    origin = weight_header.description(file)["pruning"]
    assert (origin["of"], origin["score"], origin["images"]) == (f"run:{parent}/student", "attention", 20)
    recipe, state = store().recipe(new), store().state(new)
    assert state.status == "finished"
    assert recipe.name == f"tiny, {100 * origin['macs'][1] / origin['macs'][0]:.0f} % of MACs by attention"
    assert recipe.student.weights == file.name
    assert (recipe.seeds, recipe.epochs, recipe.lr.warmup_epochs) == ((3,), 1, 0.5)
    assert recipe.terms == store().recipe(parent).terms
    small, whole = (models.load(f"run:{each}/student", runs=store()) for each in (new, parent))
    assert models.flops(small) <= 0.5 * models.flops(whole)
    assert [2 * macs for macs in origin["macs"]] == [models.flops(whole), models.flops(small)]
    (words,) = [f"{has:,} of {had:,} channels of convolutions" for had, has in origin["units"].values()]
    assert words in in_words(origin)
    assert in_words(origin) in [note["text"] for note in state.notes]
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == [in_words(origin), f"written: {file}"]


def test_zero_epochs_write_the_weights_alone(parent, tmp_path):
    before = store().ids()
    out = tmp_path / "half.safetensors"
    command = ["prune", f"run:{parent}/twin", "--score", "magnitude", "--epochs", "0", "--out", str(out)]
    assert main(command) == 0
    assert store().ids() == before
    assert models.load(str(out)).options["pruned"]


def test_a_share_below_what_a_transformer_keeps_is_refused_before_images_and_teacher_are_read(parent, monkeypatch):
    vit = models.build(ModelRecipe(model="test_vit", options={"depth": 1}), ("a", "b"), 32)
    loads = iter([vit])  # of the student; a teacher is not loaded
    monkeypatch.setattr(models, "load", lambda *_, **__: next(loads))
    monkeypatch.setattr(students.loading, "load", None)
    with pytest.raises(UserError, match=r"cannot be pruned to 50 % .* such as the embedding of a transformer, are not"):
        students.prune_student(f"run:{parent}/student", store(), 0.5, "attention")


def test_from_python(parent):
    pruned = kd.prune(kd.run(parent), 0.6, "energy", epochs=1, device="cpu", show=False, data={"batch_size": 20})
    assert pruned.state.status == "finished"
    assert pruned.recipe.data.batch_size == 20
    assert models.flops(pruned.network()) <= 0.6 * models.flops(kd.run(parent).network())


def test_earlier_pruned_weights_stay(parent):
    made = [students.prune_student(f"run:{parent}/student", store(), 0.7, "random") for _ in range(2)]
    assert made[0] != made[1]
    assert all(each.is_file() for each in made)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run:ID/teacher"], "is not the student or twin of a run"),
        (["cues-student"], "cues-student is not the student or twin of a run, whose recipe says how to fine-tune"),
        (
            ["run:ID", "--score", "best"],
            "There is no score 'best'. Scores: attention, energy, magnitude, random.",
        ),
        (["run:ID", "--epochs", "-1"], "--epochs should be 0 or more and --images 1 or more, not -1 and 512."),
        (["run:ID", "--to", "50"], "should be above 0 and below 1, not 50: 0.5 keeps half of them."),
        (["run:ID", "--out", "x.pth"], "should end in .safetensors"),
    ],
)
def test_what_cannot_be_pruned_is_refused_before_anything_is_written(parent, words, sentence, capsys):
    before = store().ids()
    assert main(["prune", *(word.replace("run:ID", f"run:{parent}") for word in words)]) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert store().ids() == before


def test_attention_needs_a_teacher(tiny, monkeypatch):
    recipe = tiny(teacher=None, terms=[{"method": "ce"}], twin=False)
    monkeypatch.setattr(students, "of_run", lambda *given: students.RunNetwork("20261128-x"))
    monkeypatch.setattr(type(store()), "recipe", lambda self, run_id: recipe)
    with pytest.raises(UserError, match="has no teacher, so there is nowhere that it looks: choose --score energy"):
        students.prune_student("run:20261128-x/student", store(), 0.5, "attention")


def test_a_header_with_an_odd_origin_is_refused(tmp_path):
    """The sentence on a pruned network is read from the file's header, which may come from anywhere."""
    described = json.dumps({"model": "five_conv", "pruning": {"of": "x", "score": "y", "macs": [1]}})
    header = json.dumps({"__metadata__": {"kdcore": described}}).encode()
    file = tmp_path / "odd.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(UserError, match="`pruning` should be a mapping with of, score, macs and parameters "):
        weight_header.description(file)
