"""A trained checkpoint as the directory that ``faster_whisper.WhisperModel`` loads.

Weights go straight into CTranslate2's Whisper layout.  The generation settings differ from Whisper's in one point: the end
of the text may be the very first token, so a window without speech can give no text at all instead of a guess.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from ctranslate2.specs import WhisperSpec, common_spec
from ctranslate2.specs.whisper_spec import WhisperConfig
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import nn

from tools.sample_model.model import Attention, SampleModel, Shape
from tools.sample_model.tokens import SPECIAL, UNKNOWN, Vocabulary
from tools.sample_model.train import GUIDED_HEADS, GUIDED_LAYERS

FEATURES = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "sampling_rate": 16000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def load(checkpoint: Path) -> SampleModel:
    """The model of a checkpoint, ready for use."""
    saved = torch.load(checkpoint, weights_only=True)
    model = SampleModel(Shape(**saved["shape"]))
    model.load_state_dict(saved["model"])
    return model.eval()


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().float().contiguous().numpy()


def _linear(spec: common_spec.LinearSpec, *layers: nn.Linear) -> None:
    """One linear layer, or several over the same input as one."""
    biases = tuple(torch.zeros(layer.out_features) if layer.bias is None else layer.bias for layer in layers)
    spec.weight = _array(torch.cat(tuple(layer.weight for layer in layers)))
    spec.bias = _array(torch.cat(biases))


def _norm(spec: common_spec.LayerNormSpec, layer: nn.LayerNorm) -> None:
    spec.gamma = _array(layer.weight)
    spec.beta = _array(layer.bias)


def _attention(spec: Any, attention: Attention, norm: nn.LayerNorm, crossing: bool = False) -> None:
    _norm(spec.layer_norm, norm)
    if crossing:
        _linear(spec.linear[0], attention.query)
        _linear(spec.linear[1], attention.key, attention.value)
    else:
        _linear(spec.linear[0], attention.query, attention.key, attention.value)
    _linear(spec.linear[-1], attention.out)


def _feed_forward(spec: Any, ffn: nn.Sequential, norm: nn.LayerNorm) -> None:
    _norm(spec.layer_norm, norm)
    first, _, second = ffn
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    _linear(spec.linear_0, first)
    _linear(spec.linear_1, second)


def _encoder(spec: Any, encoder: Any) -> None:
    for conv_spec, conv in ((spec.conv1, encoder.conv1), (spec.conv2, encoder.conv2)):
        conv_spec.weight = _array(conv.weight)
        conv_spec.bias = _array(conv.bias)
    spec.position_encodings.encodings = _array(encoder.positions)
    _norm(spec.layer_norm, encoder.norm)
    for layer_spec, layer in zip(spec.layer, encoder.layers, strict=True):
        _attention(layer_spec.self_attention, layer.attention, layer.attention_norm)
        _feed_forward(layer_spec.ffn, layer.ffn, layer.ffn_norm)


def _decoder(spec: Any, decoder: Any) -> None:
    spec.embeddings.weight = _array(decoder.embedding.weight)
    spec.projection.weight = _array(decoder.embedding.weight)
    spec.position_encodings.encodings = _array(decoder.positions)
    _norm(spec.layer_norm, decoder.norm)
    for layer_spec, layer in zip(spec.layer, decoder.layers, strict=True):
        _attention(layer_spec.self_attention, layer.attention, layer.attention_norm)
        _attention(layer_spec.attention, layer.cross, layer.cross_norm, crossing=True)
        _feed_forward(layer_spec.ffn, layer.ffn, layer.ffn_norm)


def specification(model: SampleModel, vocabulary: Vocabulary) -> WhisperSpec:
    """CTranslate2's description of the model with all weights."""
    shape = model.shape
    spec = WhisperSpec(shape.encoder_layers, shape.heads, shape.decoder_layers, shape.heads)
    _encoder(spec.encoder, model.encoder)
    _decoder(spec.decoder, model.decoder)
    spec.register_vocabulary(vocabulary.tokens)
    config: WhisperConfig = spec.config
    config.suppress_ids = [vocabulary.number[UNKNOWN]]
    config.suppress_ids_begin = [vocabulary.number[" "]]
    config.lang_ids = [vocabulary.special("en"), vocabulary.special("zh")]
    config.alignment_heads = [(layer, head) for layer in GUIDED_LAYERS for head in range(GUIDED_HEADS)]
    return spec


def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """One token for each character; anything else becomes UNKNOWN."""
    known = [*vocabulary.text, *SPECIAL]
    result = Tokenizer(models.WordLevel({token: index for index, token in enumerate(known)}, unk_token=UNKNOWN))
    result.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    result.decoder = decoders.Fuse()
    result.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    for index, token in enumerate(known):
        if result.token_to_id(token) != index:
            raise ValueError(f"the tokenizer numbers {token!r} {result.token_to_id(token)}, the model {index}")
    return result


def export(checkpoint: Path, target: Path, quantization: str = "int8") -> None:
    """Write the model directory, replacing its model files."""
    vocabulary = Vocabulary.of_grammar()
    spec = specification(load(checkpoint), vocabulary)
    spec.validate()
    spec.optimize(quantization=quantization)
    staging = target.with_name(target.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    spec.save(str(staging))
    tokenizer(vocabulary).save(str(staging / "tokenizer.json"))
    (staging / "preprocessor_config.json").write_text(json.dumps(FEATURES, indent=1) + "\n", encoding="utf-8")
    target.mkdir(parents=True, exist_ok=True)
    for file in staging.iterdir():
        file.replace(target / file.name)
    staging.rmdir()
