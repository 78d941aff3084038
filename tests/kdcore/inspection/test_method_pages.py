from kdcore.inspection import method_cards, method_pages
from kdcore.paths import PROJECT


def test_the_documentation_on_disk_is_what_the_code_says():
    folder = PROJECT / "docs" / "methods"
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    made = method_pages.pages()
    outdated = sorted(name for name in on_disk | made if on_disk.get(name) != made.get(name))
    assert not outdated, f"Out of date: {outdated}. Run: python -m kdcore methods --write docs/methods"


def test_writing_drops_pages_of_methods_that_are_gone_and_says_what_changed(tmp_path):
    (tmp_path / "gone.md").write_text("old")
    changed = {path.name for path in method_pages.write(tmp_path)}
    assert {"gone.md", "README.md", "kd.md"} <= changed
    assert not (tmp_path / "gone.md").exists()
    assert method_pages.write(tmp_path) == []


def test_a_page_holds_formula_defaults_and_their_source():
    page = method_pages.page(method_cards.entry("kd"))
    assert page.startswith("# Knowledge distillation (`kd`)\n")
    assert r"$$\mathcal{L} = \tau^2\,\mathrm{KL}" in page
    assert "Weight 0.9, temperature 4. CIFAR-100 in mdistiller" in page
    assert "`{method: kd, weight: 0.9, temperature: 4.0}`" in page


def test_a_card_tells_whether_images_may_be_mixed():
    assert "- **Mixed images** (mixup, CutMix). Possible." in method_pages.facts(method_cards.entry("kd"))
    refused = "- **Mixed images** (mixup, CutMix). Refused, since its negatives are images of other classes"
    assert any(line.startswith(refused) for line in method_pages.facts(method_cards.entry("crd")))
