import pytest

from kdcore.results.measures import MEASURES, rows, without_claim

NEW = {
    "top1": 0.8,
    "nll": 0.5,
    "ece": 0.137,
    "count": 2000,
    "balanced_accuracy": 0.79,
    "temperature": 1.844,
    "ece_scaled": 0.021,
}
RESULTS = {
    "teacher": NEW, "student": {**NEW, "kl": 0.594, "error_consistency": 0.314},
    "agreement": {"student": 0.876}, "difference": {"top1": 0.0},
}  # fmt: skip


def values(results, network: str = "student") -> dict[str, str]:
    return {row.measure.key: row.values[network] for row in rows(results) if network in row.values}


def test_every_measure_is_in_words_with_its_unit():
    assert values(RESULTS) == {
        "balanced_accuracy": "79.0 %", "nll": "0.500 nats", "ece": "13.7 %", "ece_scaled": "2.1 % (T\u00a01.84)",
        "agreement": "87.6 %", "kl": "0.594 nats", "error_consistency": "0.31",
    }  # fmt: skip
    assert all(measure.explanation.endswith(".") for measure in MEASURES)


def test_the_teacher_is_not_compared_with_itself():
    assert list(values(RESULTS, "teacher")) == ["balanced_accuracy", "nll", "ece", "ece_scaled"]


def test_without_a_teacher_nothing_is_compared_with_it():
    alone = {"student": NEW}
    assert [row.measure.key for row in rows(alone)] == ["balanced_accuracy", "nll", "ece", "ece_scaled"]


def test_an_earlier_run_was_not_measured():
    old = {"teacher": {"top1": 0.9, "ece": 0.1}, "student": {"top1": 0.8, "nll": 0.5, "ece": 0.2}}
    assert values(old) | {} == {
        "balanced_accuracy": "not measured", "nll": "0.500 nats", "ece": "20.0 %", "ece_scaled": "not measured",
        "agreement": "not measured", "kl": "not measured", "error_consistency": "not measured",
    }  # fmt: skip


@pytest.mark.parametrize("change, key, text", [
    ({"temperature": None, "ece_scaled": None}, "ece_scaled", "not defined"), ({"kl": None}, "kl", "not defined"),
])  # fmt: skip
def test_what_is_not_finite_is_not_defined(change, key, text):
    assert values({**RESULTS, "student": {**RESULTS["student"], **change}})[key] == text


def test_without_validation_images_or_errors_the_reason_is_given():
    bare = {name: value for name, value in NEW.items() if name not in ("temperature", "ece_scaled")}
    found = values({"teacher": bare, "student": {**bare, "kl": 0.1}, "agreement": {"student": 1.0}})
    assert (found["ece_scaled"], found["error_consistency"]) == ("no validation images", "not defined")


def test_no_value_is_a_claim():
    assert "Values of one run on the 2,000 test images, without intervals" in without_claim(RESULTS)


@pytest.mark.parametrize(
    "temperature, text", [(99.9994, "2.1 % (T\u00a0≥\u00a0100)"), (0.0501, "2.1 % (T\u00a0≤\u00a00.05)")]
)
def test_a_temperature_at_the_end_of_the_search_is_marked(temperature, text):
    found = values({**RESULTS, "student": {**RESULTS["student"], "temperature": temperature}})
    assert found["ece_scaled"] == text
