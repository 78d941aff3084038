import torch

from kdcore.data import loading
from kdcore.recipe import from_plain
from kdcore.setup.build import build_parts
from kdcore.training.evaluation import drained

PLAIN = {
    "data": {"image_size": 32, "train_images": 60, "test_images": 30, "validation": 0.2, "seed": "run", "labels": 20},
    "student": {"model": "small_vit_patch4_32", "options": {"dim": 32, "depth": 1, "heads": 2}},
    "epochs": 1,
}


def test_parts_of_a_run_have_the_data_of_its_seed_and_the_same_test_images():
    recipe = from_plain(PLAIN)
    one, other = (drained(build_parts(recipe, seed=seed, device=torch.device("cpu"))) for seed in (3, 4))
    assert (one.recipe.data.seed, one.recipe.data.test_seed, recipe.data.seed) == (3, 0, "run")
    assert torch.equal(one.train.images, loading.load(recipe.data.of_run(3), "train").images)
    assert not torch.equal(one.train.images, other.train.images)
    assert not torch.equal(one.validation.images, other.validation.images)
    assert torch.equal(one.test.images, other.test.images)
