"""A network as it was before it was compressed, in ONNX Runtime on the same inputs."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from compressor.samples import Axes, Inputs, Samples
from eie_sim.network.plan import NetworkPlan


def run_uncompressed(
    plan: NetworkPlan,
    model: str | PathLike[str],
    inputs: Inputs,
    *,
    batch_axis: Axes | None = None,
    feedback: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run the samples of a network in ONNX Runtime with its uncompressed weights.

    Parameters
    ----------
    plan : NetworkPlan
        Of the compressed network: its inputs, outputs and fixed values are those of `model`.
    model : path
        The ONNX file of the uncompressed network.
    inputs, batch_axis, feedback
        As for `eie_sim.run_network`.

    Returns
    -------
    dict of str to ndarray
        By the names of the outputs of `plan`, samples together as `run_network` has them.

    Raises
    ------
    ValueError
        If `model` has other inputs or outputs than `plan`, or ONNX Runtime refuses it or the inputs.
    OSError
        If a file cannot be read.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    fed_back = dict(feedback or {})
    samples = Samples(plan, inputs, batch_axis or {}, fed_back)
    names = [one.name for one in plan.outputs]
    found: list[dict[str, Any]] = []
    state: dict[str, Any] = {}
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no class but this one
        raise ValueError(f"{model}: {_first_line(error)}") from None
    taken, given = [one.name for one in session.get_inputs()], [one.name for one in session.get_outputs()]
    known = {*plan.fixed, *(one.name for one in plan.inputs)}
    for what, lacking in (("takes", {*taken} - known), ("does not give", {*names} - {*given})):
        if lacking:
            raise ValueError(f"{model}: {what} {min(lacking)!r}; it is not the network that was compressed")
    for number in range(len(samples)):
        feeds = {**plan.fixed, **samples[number], **state}
        try:
            results = session.run(names, {name: value for name, value in feeds.items() if name in taken})
        except Exception as error:  # as above
            raise ValueError(f"{model}: {_first_line(error)}") from None
        found.append(dict(zip(names, results, strict=True)))
        state = {name: found[-1][output] for output, name in fed_back.items()}
    return samples.together(found)


def _first_line(error: Exception) -> str:
    return f"ONNX Runtime refuses it: {str(error).strip().partition(chr(10))[0]:.300}"
