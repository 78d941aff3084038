"""INT8: calibrated on validation images and never on test images, smaller, and measured on the same images as float32."""

import numpy as np
import pytest

from kdcore.data import loading
from kdcore.errors import UserError
from kdcore.export.networks import evaluating, files, int8, onnx_graph
from kdcore.export.networks.onnx_session import Session

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture
def splits_read(monkeypatch):
    """The splits that were loaded."""
    read, plain = [], loading.load

    def load(data, split, **given):
        read.append(split)
        return plain(data, split, **given)

    monkeypatch.setattr(loading, "load", load)
    return read


def test_it_is_calibrated_on_validation_images_alone(few_cues, splits_read):
    found = int8.calibration(few_cues)
    assert splits_read == ["validation"]
    assert str(found) == "60 validation images"
    assert all(batch.dtype == np.float32 and batch.min() >= 0 and batch.max() <= 1 for batch in found.batches)


def test_without_validation_images_on_training_images(few_cues, splits_read):
    found = int8.calibration(few_cues.model_copy(update={"validation": 0.0}), at_most=40)
    assert splits_read == ["train"]
    assert str(found) == "40 training images"


def test_no_test_image_is_among_them(few_cues):
    found = np.concatenate(int8.calibration(few_cues).batches)
    tests = np.concatenate(list(evaluating.arrays(evaluating.images_of(few_cues))))
    assert not {each.tobytes() for each in found} & {each.tobytes() for each in tests}


def test_training_images_calibrate_where_validation_images_are_too_few(few_cues, monkeypatch):
    monkeypatch.setattr(int8, "LEAST_IMAGES", 31)
    found = int8.calibration(few_cues.model_copy(update={"validation": 0.25}))
    assert (found.split, sum(map(len, found.batches))) == ("train", 90)


def test_too_few_images_are_refused_in_words(few_cues, monkeypatch):
    monkeypatch.setattr(int8, "LEAST_IMAGES", 61)
    with pytest.raises(
        UserError, match="INT8 is calibrated on validation or training images; cues has fewer than 61 of either here"
    ):
        int8.calibration(few_cues)


def test_a_trained_network_in_int8_predicts_as_before_in_a_third_of_the_size(student, few_cues):
    graph = onnx_graph.exported(student.network)
    small = int8.quantised(graph.model, int8.calibration(few_cues))
    kinds = {node.op_type for node in small.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    content, whole = small.SerializeToString(), graph.model.SerializeToString()
    assert len(content) < len(whole) / 2.5
    images = evaluating.images_of(few_cues)
    before, after = (evaluating.logits(Session(each), images) for each in (whole, content))
    assert (before.argmax(1) == after.argmax(1)).mean() > 0.9
    assert 0 < np.abs(before - after).max() < 0.2 * np.abs(before).max()


def test_weights_have_a_scale_for_each_channel(student, few_cues):
    from onnx import numpy_helper

    small = int8.quantised(onnx_graph.exported(student.network).model, int8.calibration(few_cues))
    constants = {each.name: numpy_helper.to_array(each) for each in small.graph.initializer}
    weights = {name for name, array in constants.items() if array.dtype == np.int8 and array.ndim == 4}
    scales = [constants[node.input[1]] for node in small.graph.node if node.input[0] in weights]
    channels = [constants[node.input[0]].shape[0] for node in small.graph.node if node.input[0] in weights]
    assert channels
    assert [scale.shape for scale in scales] == [(count,) for count in channels]


def test_of_a_transformer_only_products_are_quantised(make_network, few_cues):
    network = make_network("small_vit_patch8_64", 64, loading.classes(few_cues), dim=16, depth=1, heads=2)
    small = int8.quantised(onnx_graph.exported(network).model, int8.calibration(few_cues))
    made = {node.output[0]: node.op_type for node in small.graph.node}

    def before(kind):
        return {made.get(name, "") for node in small.graph.node if node.op_type == kind for name in node.input}

    assert before("Gelu") == {"Add"}  # not a dequantised tensor
    assert "DequantizeLinear" in before("MatMul")


def test_a_network_whose_data_is_not_known_says_how_to_name_it(make_network, tmp_path):
    from kdcore.export.networks.choosing import Chosen

    chosen = Chosen(
        "mine.safetensors", "mine", make_network("three_stage_cnn_16"), None, "no built-in dataset has these classes."
    )
    with pytest.raises(
        UserError, match="INT8 is calibrated on validation images, and the data of mine.safetensors is not known"
    ):
        files.write_int8(chosen, tmp_path / "o.onnx")
