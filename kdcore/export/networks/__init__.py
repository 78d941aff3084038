"""Networks as files for other programs: ONNX, ONNX INT8, a folder in the hub's layout, and what it costs to deploy them.

    chosen = choosing.chosen("run:ID/student", store)
    graph = onnx_graph.exported(chosen.network)        # checked against PyTorch by onnxruntime

`choosing` finds the network and its data, `onnx_graph` and `int8` make ONNX files, `onnx_session` runs them, `evaluating` measures
them on the test images, `hub` writes the folder with its card, `files` writes each of them as a whole or not at all, and `deploying`
compares the networks of a run.
"""
