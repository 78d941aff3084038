"""One page that opens without the app: it loads nothing, runs one script, shows text as text, and claims what the app claims."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kdcore import recipe as recipes
from kdcore.errors import UserError
from kdcore.export import bundling, methods_text, report
from kdcore.paths import ASSETS
from kdcore.results.comparison import sentence, summarise
from kdcore.store import RunState, Store
from kdcore.store.evidence import diagnoses

RECORDING = next(path for path in (ASSETS / "runs").iterdir() if path.is_dir())
ID = RECORDING.name
NASTY = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def recorded() -> Store:
    return Store(Path("/nowhere"), recorded=RECORDING.parent)


@pytest.fixture(scope="module")
def page(recorded: Store) -> str:
    return report.page(recorded, [ID])


def script_of(page: str) -> str:
    return page.split('<script type="module">')[1].split("</script>")[0]


def data_of(page: str) -> dict:
    return json.loads(page.split('id="data">')[1].split("</script>")[0])


def test_it_has_curves_maps_verdict_recipe_method_table_and_versions(page, recorded):
    verdict = sentence(summarise([recorded.outcome(ID)]))
    for part in (verdict, "name: quick", "[2]", "arxiv.org", r"\begin{tabular}", "torch ", "Where the networks look"):
        assert html.escape(part) in page
    data = data_of(page)
    assert [panel["title"] for panel in data["chart"]["panels"]] == ["Accuracy", "Total loss", "Loss of each term"]
    assert len(data["series"][ID]["series"]["top1/student"][0]) == 10
    assert [column["title"] for column in data["maps"]["runs"]] == ["Student", "Twin", "Teacher"]


def test_the_quick_run_takes_less_than_10_mb(page):
    assert len(page.encode()) < 10e6


def test_it_loads_nothing_and_runs_its_own_script_alone(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    digest = base64.b64encode(hashlib.sha256(script_of(page).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert page.count("<script") == 2  # the data, which is no script, and the script
    assert not re.search(r"<[^>]+\s(src|href)=", page.split("</main>")[0])
    assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", page.split("</style>")[0])


@pytest.mark.skipif(shutil.which("node") is None, reason="node reads the script")
def test_its_script_is_one(page, tmp_path):
    (tmp_path / "report.mjs").write_text(script_of(page), encoding="utf-8")
    done = subprocess.run(["node", "--check", tmp_path / "report.mjs"], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


def nasty(tmp_path: Path) -> Store:
    """Two runs; the name of one, and its class names, are markup."""
    store = Store(tmp_path / "runs")
    for run_id, name in (("20261101-000000-a-0001", "quick"), ("20261101-000001-b-0002", NASTY)):
        shutil.copytree(RECORDING, store.root / run_id)
        recipe = store.root / run_id / "recipe.yaml"
        recipe.write_text(recipe.read_text().replace("name: quick", f"name: {json.dumps(name)}", 1))
        events = store.root / run_id / "events.jsonl"
        if name == NASTY:
            events.write_text(events.read_text().replace('"circle"', json.dumps(NASTY)))
    return store


def test_text_of_runs_stays_text_and_several_runs_stand_side_by_side(tmp_path):
    store = nasty(tmp_path)
    page = report.page(store, ["20261101-000000-a-0001", "20261101-000001-b-0002"])
    assert NASTY not in page
    assert html.escape(NASTY) in page
    assert page.count("<script") == 2
    data = data_of(page)
    assert NASTY in data["chart"]["runs"][1]["name"]
    labels = [line["label"] for line in data["chart"]["panels"][0]["series"]]
    assert labels == ["quick, student", "quick, twin", f"{NASTY}, student", f"{NASTY}, twin"]
    assert {line["style"] for line in data["chart"]["panels"][0]["series"]} == {0, 1}


def test_what_devalues_a_result_stands_below_it(tmp_path):
    """A student far below its validation accuracy, and a warning, whose text stays text; in a comparison with the run's name."""
    store, ids = nasty(tmp_path), ["20261101-000000-a-0001", "20261101-000001-b-0002"]
    events = store.root / ids[0] / "events.jsonl"
    warning = {"event": "Noted", "text": f"The teacher was trained on {NASTY}.", "level": "warning", "time": 1.0}
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    (finished,) = (line for line in lines if line["event"] == "RunFinished")
    finished["results"]["student"] |= {"top1": 0.13, "low": 0.11, "high": 0.15}
    events.write_text("".join(json.dumps(line) + "\n" for line in [lines[0], warning, warning, *lines[1:]]))
    (fault,) = [each.in_words for each in diagnoses(store, ids[0]) if each.kind == "validation above test"]
    for chosen, lead in ((ids[:1], ""), (ids, "quick: ")):
        page = report.page(store, chosen)
        result = page.split('id="verdict"')[1].split("</section>")[0]
        assert f"<li>{html.escape(lead + fault)}</li>" in result
        assert result.count(f"<li>{html.escape(lead + warning['text'])}</li>") == 1
        assert NASTY not in page


def test_a_sound_result_has_nothing_below_it(page):
    assert "<li>" not in page.split('id="verdict"')[1].split("</section>")[0]


def test_what_has_nothing_to_report_is_refused(recorded, tmp_path):
    with pytest.raises(UserError, match="A report has 1 to 12 runs, not 13"):
        report.page(recorded, [ID] * 13)
    store = Store(tmp_path)
    (tmp_path / "20261101-000000-a-0001").mkdir()
    shutil.copy(RECORDING / "recipe.yaml", tmp_path / "20261101-000000-a-0001" / "recipe.yaml")
    with pytest.raises(UserError, match="has nothing to report: it has not trained yet"):
        report.page(store, ["20261101-000000-a-0001"])


def test_the_method_in_sentences(recorded):
    words, cited = methods_text.paragraph(recorded.recipe(ID), recorded.state(ID))
    assert "three_stage_cnn_16 (student) was trained on 3,600 images of cues, of which 500 are labelled" in words
    assert "Knowledge distillation [2] (weight 0.9, temperature 4)" in words
    assert "AdamW, at a learning rate of 0.004; random seed 0" in words
    assert ("Hinton, Vinyals & Dean, 2015", "https://arxiv.org/abs/1503.02531") in [
        (text.removesuffix("."), url) for text, url in cited
    ]


def test_what_a_reader_could_not_guess_is_in_the_method():
    """Trained weights, a teacher that was fine-tuned, wrong labels, the twin's own learning rate, and what a user changed."""
    recipe = recipes.from_plain({
        "data": {"name": "cues", "label_noise": 0.2},
        "student": {"weights": "cues-student"},
        "teacher": {"model": "vit_tiny_patch16_224", "weights": "pretrained", "finetune": {"epochs": 3}},
        "twin": {"lr": 0.008},
    })  # fmt: skip
    run = RunState(
        "id", "a", knob_changes=({"knob": "weight/kd", "factor": 2.0}, {"knob": "learning_rate", "factor": 0.5})
    )
    words, _ = methods_text.paragraph(recipe, run)
    assert words.startswith(
        "A cues-student (student), beginning with trained weights, was trained on the images of cues."
    )
    assert "20 % of the training labels were made wrong." in words
    assert (
        "The teacher is vit_tiny_patch16_224 with the weights pretrained; it was fine-tuned on the same training images with labels, for "
        "3 epochs at a learning rate of 0.0001; it is frozen."
    ) in words
    assert "was trained on the labels alone, at a learning rate of 0.008." in words
    assert words.endswith("During training a user changed settings: weight of kd and learning rate.")


def test_a_script_is_one_expression_with_each_module_once(tmp_path):
    (tmp_path / "a.js").write_text(
        'import {b} from "./b.js";\nimport {c} from "./c.js";\nexport default function (x) { return b(x) + c; }\n'
    )
    (tmp_path / "b.js").write_text('import {c} from "./c.js";\nexport function b(x) { return x * c; }\n')
    (tmp_path / "c.js").write_text("export const c = 3;\n")
    text = bundling.as_expression(tmp_path / "a.js")
    assert text.count("const c = 3") == 1
    assert "import" not in text
    assert text.startswith("(() => {")
