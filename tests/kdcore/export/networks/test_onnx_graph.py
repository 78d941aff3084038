"""A network as an ONNX file: the logits of PyTorch in batches of any size, the normalisation inside, or a refusal in words."""

import pytest
import torch

from kdcore.errors import UserError
from kdcore.export.networks import libraries, onnx_graph
from kdcore.export.networks.onnx_session import Session

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NETWORKS = [
    ("three_stage_cnn_16", {}),
    ("resnet20", {}),
    ("small_vit_patch8_64", {"dim": 16, "depth": 1, "heads": 2}),
    ("test_vit", {"depth": 1}),
    ("torchvision/squeezenet1_1", {}),
]


@pytest.mark.parametrize(("name", "options"), NETWORKS, ids=[name for name, _ in NETWORKS])
def test_the_logits_are_those_of_pytorch_for_every_size_of_batch(name, options, make_network):
    network = make_network(name, 64, **options)
    graph = onnx_graph.exported(network)
    assert graph.difference < 1e-4
    session = Session(graph.model.SerializeToString())
    for count in (1, 5):
        images = torch.rand(count, 3, 64, 64)
        by_hand = network.net((images - network.mean) / network.std)
        torch.testing.assert_close(torch.from_numpy(session.logits(images.numpy())), by_hand, rtol=1e-4, atol=1e-4)


def test_inputs_and_outputs_have_names_and_a_free_batch(make_network):
    graph = onnx_graph.exported(make_network("three_stage_cnn_16")).model.graph
    shapes = {
        each.name: [d.dim_param or d.dim_value for d in each.type.tensor_type.shape.dim]
        for each in (*graph.input, *graph.output)
    }
    assert shapes == {"images": ["batch", 3, 32, 32], "logits": ["batch", 3]}


def test_a_trace_that_gives_other_logits_is_not_taken(make_network, monkeypatch):
    """Another normalisation, as of a constant that the tracer froze: the second exporter is used then."""
    network, plain = make_network("three_stage_cnn_16"), onnx_graph._traced
    calls = []

    def wrong(module, images):
        calls.append("traced")
        module.std.mul_(2)
        try:
            return plain(module, images)
        finally:
            module.std.div_(2)

    monkeypatch.setattr(onnx_graph, "_traced", wrong)
    monkeypatch.setattr(onnx_graph, "_exported", lambda *given: calls.append("exported") or plain(*given))
    assert onnx_graph.exported(network).difference < 1e-4
    assert calls == ["traced", "exported"]


def test_a_network_that_no_exporter_takes_is_refused_in_words(make_network, monkeypatch):
    def fails(module, images):
        raise RuntimeError("Unsupported operator aten::strange\nat line 3")

    monkeypatch.setattr(onnx_graph, "_traced", fails)
    monkeypatch.setattr(onnx_graph, "_exported", fails)
    words = (
        r"three_stage_cnn_16 cannot be exported as ONNX: Unsupported operator aten::strange\. Export it as .safetensors"
    )
    with pytest.raises(UserError, match=words):
        onnx_graph.exported(make_network("three_stage_cnn_16"))


def test_a_trace_that_fails_prints_nothing(make_network, capfd):
    """PyTorch 2.15 prints the whole graph of a network with an operator that the tracer lacks, here RMSNorm."""
    assert onnx_graph.exported(make_network("test_vit4", 64, depth=1)).difference < 1e-4
    assert capfd.readouterr() == ("", "")


def test_a_network_beyond_one_file_is_refused_before_any_work(make_network, monkeypatch):
    monkeypatch.setattr(onnx_graph, "LARGEST", 1000)
    monkeypatch.setattr(onnx_graph, "_traced", lambda *_: pytest.fail("it was traced"))
    with pytest.raises(UserError, match="one ONNX file holds up to"):
        onnx_graph.exported(make_network("three_stage_cnn_16"))


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_a_missing_library_is_named_with_the_command(name, monkeypatch, make_network):
    import sys

    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        UserError, match=f"The package {name}, .* is not installed here. Install it: {libraries.INSTALL}"
    ):
        onnx_graph.exported(make_network("three_stage_cnn_16"))
