import numpy as np
from skimage.color import label2rgb
from skimage.segmentation import slic

from kdcore.data import perturbations
from kdcore.data.perturbations.superpixels import segmented
from tests.kdcore.data.perturbations.samples import clean, split


def test_equals_the_average_colours_of_scikit_image() -> None:
    batch = clean(split(n=3))
    found = perturbations.get("superpixels").perturb(batch, 50).images
    for given, image in zip(batch.images, found, strict=True):
        pixels = given.permute(1, 2, 0).numpy()
        labels = slic(pixels, n_segments=50, compactness=10, sigma=0, start_label=1)
        np.testing.assert_allclose(image.permute(1, 2, 0), label2rgb(labels, pixels, kind="avg", bg_label=0), atol=1e-6)


def test_an_edge_between_two_colours_stays_where_it_is() -> None:
    image = np.full((32, 32, 3), 0.2, dtype=np.float32)
    image[:, 13:] = 0.8
    np.testing.assert_allclose(segmented(image, 25), image, atol=1e-6)


def test_more_segments_in_larger_images() -> None:
    def colours(side: int) -> int:
        found = perturbations.get("superpixels").perturb(clean(split(side, n=1)), 25).images
        return len(found[0].flatten(1).unique(dim=1).T)

    assert 16 <= colours(32) <= 36
    assert 36 <= colours(64) <= 64  # 50 are wanted
