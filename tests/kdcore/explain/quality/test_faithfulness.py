import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from kdcore.explain.quality.faithfulness import Faithfulness, faithfulness
from kdcore.models import Tapped

CLASSES = ("dark", "bright")


class Corner(torch.nn.Module):
    """Answers by the brightness of the top left quarter alone."""

    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.fc.weight.copy_(torch.tensor([[0.0], [8.0]]))
            self.fc.bias.copy_(torch.tensor([0.0, -4.0]))

    def forward(self, images):
        return self.fc(images[:, :, :16, :16].mean(dim=(1, 2, 3))[:, None])


def corner() -> Tapped:
    return Tapped(Corner(), name="corner", classes=CLASSES, image_size=32, mean=(0, 0, 0), std=(1, 1, 1))


def image_with_a_bright_corner():
    image = torch.zeros(1, 3, 32, 32)
    image[:, :, :16, :16] = 1
    return image


def pointing_to(cell):
    heatmap = np.full((1, 2, 2), 0.1, dtype=np.float32)
    heatmap[0].flat[cell] = 0.7
    return heatmap


def test_a_map_that_points_to_what_matters_is_faithful():
    right = faithfulness(corner(), image_with_a_bright_corner(), pointing_to(0), np.array([1]))
    wrong = faithfulness(corner(), image_with_a_bright_corner(), pointing_to(3), np.array([1]))
    assert right.deletion_area < wrong.deletion_area
    assert right.insertion_area > wrong.insertion_area


def test_deletion_starts_with_the_picture_and_ends_with_its_mean_colour():
    found = faithfulness(corner(), image_with_a_bright_corner(), pointing_to(0), np.array([1]))
    np.testing.assert_array_equal(found.shares, [0, 0.25, 0.5, 0.75, 1])
    sure, quarter = 1 / (1 + np.exp(-4)), 1 / (1 + np.exp(2))  # brightness 1, and the mean colour 1/4
    np.testing.assert_allclose(found.deletion, [[sure, quarter, quarter, quarter, quarter]], rtol=1e-5)
    np.testing.assert_allclose(found.insertion[:, -1], sure, rtol=1e-5)
    assert found.insertion[0, 0] < sure


def test_areas_are_those_of_trapezoids():
    curves = Faithfulness(np.array([0, 0.5, 1]), np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 1.0, 1.0]]))
    assert curves.deletion_area == 0.5
    assert curves.insertion_area == 1


def test_steps_that_are_not_quite_equal_count_as_long_as_they_are():
    curves = Faithfulness(np.array([0, 0.25, 1]), np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 1.0, 1.0]]))
    assert curves.deletion_area == 0.25 * 0.75 + 0.75 * 0.25


def test_a_fine_grid_takes_no_more_steps_than_given():
    heatmaps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    images = torch.rand(2, 3, 32, 32)
    found = faithfulness(corner(), images, heatmaps, np.array([0, 1]), steps=8)
    assert found.deletion.shape == found.insertion.shape == (2, 9)
    alone = faithfulness(corner(), images[1:], heatmaps[1:], np.array([1]), steps=8)
    np.testing.assert_allclose(found.deletion[1], alone.deletion[0], rtol=1e-5)


def test_insertion_starts_from_a_blur_of_a_tenth_of_the_side_as_scipy_has_it():
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    images[:, :, :16, :16] = 0.9
    blurred = gaussian_filter(images.numpy(), sigma=(0, 0, 3.2, 3.2), mode="mirror", radius=(0, 0, 7, 7))
    expected = 1 / (1 + np.exp(4 - 8 * blurred[:, :, :16, :16].mean(axis=(1, 2, 3))))  # a corner's class "bright"
    found = faithfulness(corner(), images, np.repeat(pointing_to(0), 2, axis=0), np.array([1, 1]))
    np.testing.assert_allclose(found.insertion[:, 0], expected, rtol=1e-4)
    assert (expected < found.insertion[:, -1] - 0.01).all()  # the blur is seen


def test_a_larger_value_goes_first_and_the_first_of_equals():
    image = image_with_a_bright_corner()
    first = faithfulness(corner(), image, np.full((1, 2, 2), 0.25, np.float32), np.array([1]))
    np.testing.assert_array_equal(first.deletion, faithfulness(corner(), image, pointing_to(0), np.array([1])).deletion)
    last = faithfulness(corner(), image, np.array([[[0.1, 0.2], [0.3, 0.4]]], np.float32), np.array([1]))
    sure, quarter = 1 / (1 + np.exp(-4)), 1 / (1 + np.exp(2))
    np.testing.assert_allclose(last.deletion, [[sure, sure, sure, sure, quarter]], rtol=1e-5)


def test_the_class_that_is_followed_is_each_image_s_own():
    images = image_with_a_bright_corner().repeat(2, 1, 1, 1)
    found = faithfulness(corner(), images, np.repeat(pointing_to(0), 2, axis=0), np.array([0, 1]))
    np.testing.assert_allclose(found.deletion.sum(axis=0), 1, rtol=1e-5)  # two classes share the probability
