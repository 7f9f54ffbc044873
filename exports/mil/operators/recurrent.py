"""Operators that go through a sequence: (length, examples, numbers), forwards, backwards, or both."""

from collections.abc import Callable

import numpy as np

from exports.mil.call import Call, Numbers, Operator
from exports.mil.operators.elementwise import activation

_BOTH, _BACKWARDS = "bidirectional", "reverse"


def _activation(call: Call, name: str, default: str) -> Callable[[Numbers], Numbers]:
    wanted = call.text(name, default)
    found = activation(wanted)
    if found is None:
        raise call.unknown(f"with the activation {wanted}")
    return found


def lstm(call: Call) -> tuple[Numbers, ...]:
    """Long short-term memory; its gates are in the order input, forget, output, cell."""
    x, h, c = call.array("x"), call.array("initial_h"), call.array("initial_c")
    direction = call.text("direction", "forward")
    if direction != _BOTH:
        outputs = _lstm(call, x, (h, c), "", backwards=direction == _BACKWARDS)
    else:
        width = h.shape[-1] // 2
        forth = _lstm(call, x, (h[:, :width], c[:, :width]), "", backwards=False)
        back = _lstm(call, x, (h[:, width:], c[:, width:]), "_back", backwards=True)
        outputs = tuple(np.concatenate(pair, -1) for pair in zip(forth, back, strict=True))
    return _given(call, outputs)


def _lstm(
    call: Call, x: Numbers, state: tuple[Numbers, Numbers], suffix: str, *, backwards: bool
) -> tuple[Numbers, ...]:
    gate = _activation(call, "recurrent_activation", "sigmoid")
    cell, last = _activation(call, "cell_activation", "tanh"), _activation(call, "activation", "tanh")
    weight, bias = call.array(f"weight_hh{suffix}"), call.optional(f"bias{suffix}")
    clip, peephole = call.number("clip", np.inf), call.optional(f"peephole{suffix}")
    look = [0.0] * 3 if peephole is None else np.split(peephole, 3)
    inputs = x @ call.array(f"weight_ih{suffix}").T + (0 if bias is None else bias)
    (h, c), steps = state, []
    for each in inputs[::-1] if backwards else inputs:
        i, f, o, z = np.split(np.clip(each + h @ weight.T, -clip, clip), 4, -1)
        c = gate(f + look[1] * c) * c + gate(i + look[0] * c) * cell(z)
        h = gate(o + look[2] * c) * last(c)
        steps.append(h)
    return np.stack(steps[::-1] if backwards else steps), h, c


def gru(call: Call) -> tuple[Numbers, ...]:
    """Gated recurrent unit; its gates are in the order reset, new, update, and the reset comes after the product."""
    x, h = call.array("x"), call.array("initial_h")
    backwards = call.text("direction", "forward") == _BACKWARDS
    gate, last = _activation(call, "recurrent_activation", "sigmoid"), _activation(call, "activation", "tanh")
    weight, bias, own = call.array("weight_hh"), call.optional("bias"), call.optional("input_bias")
    inputs = x @ call.array("weight_ih").T + (0 if own is None else own)
    steps = []
    for each in inputs[::-1] if backwards else inputs:
        (r, o, z), (hr, ho, hz) = (
            np.split(part, 3, -1) for part in (each, h @ weight.T + (0 if bias is None else bias))
        )
        update = gate(z + hz)
        h = (1 - update) * last(o + gate(r + hr) * ho) + update * h
        steps.append(h)
    return _given(call, (np.stack(steps[::-1] if backwards else steps), h))


def rnn(call: Call) -> tuple[Numbers, ...]:
    """Return a plain recurrence."""
    x, h = call.array("x"), call.array("initial_h")
    backwards = call.text("direction", "forward") == _BACKWARDS
    last, weight, bias = _activation(call, "activation", "tanh"), call.array("weight_hh"), call.optional("bias")
    inputs = x @ call.array("weight_ih").T + (0 if bias is None else bias)
    steps = []
    for each in inputs[::-1] if backwards else inputs:
        h = last(each + h @ weight.T)
        steps.append(h)
    return _given(call, (np.stack(steps[::-1] if backwards else steps), h))


def _given(call: Call, outputs: tuple[Numbers, ...]) -> tuple[Numbers, ...]:
    """Return the whole sequence, or its last step alone."""
    whole, h, *rest = outputs
    return (whole if call.flag("output_sequence") else h[None], h, *rest)


TABLE: dict[str, Operator] = {"lstm": lstm, "gru": gru, "rnn": rnn}
