"""The weights of a run's terms: what they do in the loop, what is told of them, and that a resumed run goes on alike."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from kdcore.data.augment import Augmentation
from kdcore.data.batches import batches
from kdcore.events import GradientsMeasured, Noted, StepEnded, StepTaken, TermMeasured, WeightAdapted
from kdcore.setup.build import build_parts
from kdcore.store.run_files import checkpoint
from kdcore.training.evaluation import drained, losses_in_steps
from kdcore.training.loop import train
from kdcore.training.state import Parts
from kdcore.training.step import randomness

CPU = torch.device("cpu")
HINTS = {"method": "fitnets", "weight": 20.0, "options": {"pairs": [[2, 1]]}}


def built(recipe) -> Parts:
    return drained(build_parts(recipe, seed=0, device=CPU))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def resumed(recipe, stop_at: int, folder) -> tuple[Parts, list]:
    """A run that was stopped after a step and went on from its checkpoint: its events from there on."""
    first = built(recipe)
    for event in train(first):
        if isinstance(event, StepTaken) and event.step == stop_at:
            break
    checkpoint.save(first.state(), folder / "state.safetensors")
    second = built(recipe)
    second.load_state(checkpoint.load(folder / "state.safetensors"))
    return second, list(train(second))


def test_hints_alone_leave_the_classifier_as_it_was(tiny):
    terms = [{"method": "ce", "from_epoch": 2}, {"method": "kd", "from_epoch": 2}, HINTS]
    parts = built(tiny(terms=terms, optimizer={"name": "sgd", "lr": 0.1, "weight_decay": 0.0}, twin=False))
    head = parts.student.distiller.student.head_parameters()
    start = [p.detach().clone() for p in head]
    for event in train(parts):
        if isinstance(event, StepTaken) and event.step == parts.steps_per_epoch:
            assert all(torch.equal(a, b) for a, b in zip(start, head, strict=True))
        if isinstance(event, StepEnded):
            warm_up = event.step <= parts.steps_per_epoch
            assert event.weights == {"ce": 0.0 if warm_up else 1.0, "kd": 0.0 if warm_up else 1.0, "fitnets": 20.0}
            assert set(event.losses["student"]) == {
                "ce",
                "kd",
                "fitnets",
                "total",
            }  # what does not count is seen all the same
    assert not any(torch.equal(a, b) for a, b in zip(start, head, strict=True))


# --- adapting to the validation images ----------------------------------------------------------------------------------

HELD_OUT = {5: 1.0, 10: 1.5, 15: 0.9, 20: 0.95}  # the watched loss after each epoch, by step


def adapting(tiny):
    adapt = {"patience": 1, "factor": 0.5, "watch": "ce"}
    return tiny(terms=[{"method": "ce"}, {"method": "kd"}, {**HINTS, "adapt": adapt}], epochs=4, twin=False)


@pytest.fixture
def held_out(monkeypatch):
    """The watched loss is what HELD_OUT says, whatever was learned."""

    def measured(watched, teacher, split, temperatures, process):
        yield
        (step,) = {int(m.num_batches_tracked) for m in watched.student.modules() if isinstance(m, _BatchNorm)}
        return dict.fromkeys(watched.methods, HELD_OUT[step])

    monkeypatch.setattr("kdcore.training.measuring.evaluation.losses_in_steps", measured)


@pytest.mark.usefixtures("held_out")
def test_a_weight_falls_when_the_watched_loss_does_not(tiny):
    events = list(train(built(adapting(tiny))))
    first, second = of(WeightAdapted, events)
    assert (first.step, first.epoch, first.term, first.factor) == (10, 2.0, "fitnets", 0.5)
    assert (second.step, second.factor) == (20, 0.25)
    assert first.reason == "validation ce is 1.5; no better than 1 for one epoch"
    weights = [event.weights["fitnets"] for event in of(StepEnded, events)]
    assert weights == [20.0] * 10 + [10.0] * 10
    measured = [e.figures["validation loss"] for e in of(TermMeasured, events) if "validation loss" in e.figures]
    assert measured == list(HELD_OUT.values())


def test_the_held_out_loss_is_the_student_s_against_its_teacher_in_eval_mode(tiny):
    parts = built(tiny(twin=False))
    own = parts.student.distiller
    told = drained(losses_in_steps(own, parts.teacher, parts.validation, {"ce": 1.0, "kd": 2.0, "attention": 1.0}))
    images = parts.validation.images.float() / 255
    own.eval()
    with torch.no_grad():
        ours, theirs = own.student(images, own.needs).logits, parts.teacher(images, own.needs).logits
    p, q = torch.softmax(theirs / 2, 1), torch.log_softmax(ours / 2, 1)
    assert told["kd"] == pytest.approx((4 * (p * (p.log() - q)).sum(1).mean()).item(), rel=1e-4)
    assert told["ce"] == pytest.approx(
        torch.nn.functional.cross_entropy(ours, parts.validation.targets).item(), rel=1e-4
    )


def test_watching_changes_nothing_but_the_weight(tiny):
    plain = tiny(terms=[{"method": "ce"}, {"method": "kd"}, HINTS])
    watched = tiny(terms=[{"method": "ce"}, {"method": "kd"}, {**HINTS, "adapt": {"patience": 100}}])
    told = [[e.losses for e in of(StepEnded, train(built(recipe)))] for recipe in (plain, watched)]
    assert told[0] == told[1]


@pytest.mark.usefixtures("held_out")
def test_a_resumed_run_adapts_alike(tiny, tmp_path):
    recipe, whole = adapting(tiny), built(adapting(tiny))
    events = list(train(whole))
    told = {event.step: (event.weights, event.losses) for event in of(StepEnded, events)}
    for stop_at in (5, 7, 10, 13):
        again, later = resumed(recipe, stop_at, tmp_path)
        found = {event.step: (event.weights, event.losses) for event in of(StepEnded, later)}
        assert min(found) == stop_at + 1
        assert all(found[step] == told[step] for step in found)
        # a stop at the end of an epoch comes before its measurement, which is then made
        changes = [event for event in of(WeightAdapted, events) if event.step >= stop_at]
        assert of(WeightAdapted, later) == changes
        assert again.terms.state() == whole.terms.state()


@pytest.mark.usefixtures("held_out")
def test_a_run_stopped_after_it_adapted_does_not_adapt_twice(tiny, tmp_path):
    recipe, first = adapting(tiny), built(adapting(tiny))
    adapted = False
    for event in train(first):
        adapted = adapted or isinstance(event, WeightAdapted)
        if adapted and isinstance(event, StepTaken):
            break  # still at the step that ended the epoch
    assert first.step == 10
    checkpoint.save(first.state(), tmp_path / "state.safetensors")
    second = built(recipe)
    second.load_state(checkpoint.load(tmp_path / "state.safetensors"))
    assert [event.step for event in of(WeightAdapted, train(second))] == [20]


def test_a_term_with_a_memory_of_the_training_images_cannot_be_watched(tiny):
    terms = [{"method": "ce"}, {"method": "crd", "options": {"negatives": 16}}, {**HINTS, "adapt": {"watch": "crd"}}]
    with pytest.raises(ValueError, match="'crd' cannot be measured on validation images.* such as kd or ce"):
        built(tiny(terms=terms))


def test_a_checkpoint_from_before_weights_could_adapt_is_still_read(tiny):
    parts, other = built(tiny()), built(tiny())
    state = parts.state()
    del state["terms"]
    other.load_state(state)
    assert other.terms.weights(0.0, {}) == {"ce": 0.5, "kd": 1.0, "attention": 0.1}


# --- gradients ----------------------------------------------------------------------------------------------------------


def test_each_term_s_gradient_on_the_student_is_told_with_its_share(tiny):
    parts = built(tiny(twin=False))
    own, expected = parts.student.distiller, {}
    events = train(parts)
    event = next(e for e in events if isinstance(e, GradientsMeasured))
    assert event.step == 1
    # the same, the slow way: a fresh run's first batch, each term alone, its gradient read off the parameters
    fresh = built(tiny(twin=False))
    recipe = fresh.recipe
    batch = next(batches(fresh.train, recipe.data.batch_size, seed=0, epoch=0, augment=Augmentation.of(recipe.data)))
    own = fresh.student.distiller
    for name, weight in {"ce": 0.5, "kd": 1.0, "attention": 0.1}.items():
        own.zero_grad()
        with randomness(fresh):
            said = fresh.teacher(batch.images, own.needs)
            objective, _ = own(
                batch, said, {"ce": 1.0, "kd": 1.0, "attention": 1.0}, {"ce": 4, "kd": 2, "attention": 4}
            )
            (weight * objective.losses[name]).backward()
        grads = [p.grad.flatten() for p in own.student.parameters() if p.grad is not None]
        expected[name] = torch.cat(grads).norm().item()
    assert event.norms == pytest.approx(expected, rel=1e-4)
    assert event.shares == pytest.approx(
        {name: norm / sum(expected.values()) for name, norm in expected.items()}, rel=1e-4
    )


USUAL = {"model": "three_stage_cnn_16"}  # the shares below are its own
INERT = {"method": "attention", "weight": 0.7, "options": {"divergence": "mse"}}


def test_a_term_with_hardly_any_gradient_is_noted_with_its_share_and_no_verdict(tiny):
    terms = [{**INERT, "weight": 0.05}, {"method": "ce", "weight": 0.3}]
    events = list(train(built(tiny(terms=terms, twin=False, student=USUAL))))
    measured = of(GradientsMeasured, events)
    assert {event.step for event in measured} >= {1, 5, 10}
    assert all(event.shares["attention"] < 0.01 for event in measured)
    assert set(measured[-1].idle) == {"attention"}
    (note,) = [event for event in of(Noted, events) if "of the gradient" in event.text]
    assert note.level == "info"
    weight = float(f"{measured[-1].idle['attention']:.2g}")
    assert note.text == (
        "attention contributes less than 0.1 % of the gradient at this weight. That is its share, not its effect, which only a "
        f"run without it shows. At a weight of about {weight:g} it would contribute as much as the other terms."
    )


def test_a_divergence_of_the_same_maps_is_no_idle_term(tiny):
    terms = [{**INERT, "options": {}}, {"method": "ce", "weight": 0.3}]
    events = list(train(built(tiny(terms=terms, twin=False))))
    assert all(event.shares["attention"] > 0.01 for event in of(GradientsMeasured, events))
    assert not [event for event in of(Noted, events) if "of the gradient" in event.text]


def test_one_term_alone_is_not_measured(tiny):
    assert not of(GradientsMeasured, train(built(tiny(terms=[{"method": "ce"}]))))


# --- weights balanced or learned ----------------------------------------------------------------------------------------


def test_balanced_terms_pull_as_their_weights_say(tiny):
    terms = [{"method": "ce", "weight": 3.0}, {"method": "kd", "weight": 1.0}, {**INERT, "weight": 1.0}]
    events = of(
        GradientsMeasured, train(built(tiny(terms=terms, weighting="gradients", epochs=20, twin=False, student=USUAL)))
    )
    assert [event.step for event in events] == [*range(1, 100, 10)]
    assert events[0].shares["attention"] < 0.001  # as the recipe says, since nothing was measured before
    late = {
        name: sum(event.shares[name] for event in events[1:]) / len(events[1:]) for name in ("ce", "kd", "attention")
    }
    assert late == pytest.approx({"ce": 0.6, "kd": 0.2, "attention": 0.2}, abs=0.12)


def test_uncertainty_learns_beside_the_student_and_reaches_no_export(tiny):
    parts = built(tiny(weighting="uncertainty", optimizer={"name": "adamw", "lr": 0.05}))
    learned = parts.student.distiller.learned_weights
    optimised = {
        id(p): group["weight_decay"] for group in parts.student.optimizer.param_groups for p in group["params"]
    }
    assert optimised[id(learned.log_variances)] == 0.0
    weights = [event.weights for event in of(StepEnded, train(parts))]
    assert weights[0] == {"ce": 0.5, "kd": 1.0, "attention": pytest.approx(0.1)}
    assert weights[-1] != weights[0]
    state = parts.state()
    assert not any("variance" in key for key in (*state["student"], *state["student_methods"], *state["twin"]))
    assert torch.equal(state["student_learned_weights"]["log_variances"], learned.log_variances)
    assert parts.twin.distiller.learned_weights is None


@pytest.mark.parametrize("weighting", ["gradients", "uncertainty"])
def test_weights_that_move_resume_to_the_bit(tiny, tmp_path, weighting):
    recipe = tiny(weighting=weighting, epochs=4, twin=False)
    told = {event.step: (event.weights, event.losses) for event in of(StepEnded, train(built(recipe)))}
    _, later = resumed(recipe, 13, tmp_path)
    again = {event.step: (event.weights, event.losses) for event in of(StepEnded, later)}
    assert min(again) == 14
    assert all(again[step] == told[step] for step in again)


# --- what terms say of themselves ---------------------------------------------------------------------------------------


def test_a_term_s_figures_are_told_before_the_first_step_and_after_each_epoch(tiny, tmp_path):
    hints = {"method": "fitnets", "options": {"select": 1, "every": 1}}
    recipe = tiny(terms=[{"method": "ce"}, hints], twin=False)
    events = list(train(built(recipe)))
    figures = of(TermMeasured, events)
    assert [event.step for event in figures] == [0, 5, 10]
    assert [sum(event.figures[f"kept/{layer}"] for layer in range(2)) for event in figures] == [1, 1, 1]
    assert "similarity" not in figures[0].figures
    assert all(-1 <= event.figures["similarity"] <= 1 for event in figures[1:])
    assert any("hints come from the teacher's map" in event.text for event in of(Noted, events))
    _, later = resumed(recipe, 7, tmp_path)
    assert of(TermMeasured, later)[-1] == figures[-1]
