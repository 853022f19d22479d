"""What every exported model file has in common: no notes of the machine that exported it."""

import onnx


def strip_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops the exporter's notes: they carry paths of the machine that exported."""
    model.graph.ClearField("metadata_props")
    model.ClearField("metadata_props")
    for part in (
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model
