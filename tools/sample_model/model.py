"""Whisper's architecture in plain PyTorch, with an initialisation that makes a small one learn fast.

Whisper's encoder knows positions only from a fixed table, and small models need very long to find out that neighbouring
frames matter.  The table is an ordinary weight of the exported model, so it may be any table.  Here the first dimensions
carry sines and cosines of a few well-spread periods, and the query and key weights of most heads start as
``g * sum(cos(w * (i - j - offset)))``: each head looks through a narrow window at its own offset, like the tap of a
convolution, and is free to become something else.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW_FRAMES = 1500
"""Encoder positions of a 30 s window."""
TEXT_POSITIONS = 448


@dataclass(frozen=True)
class Shape:
    """Size of a model."""

    vocabulary: int
    labels: int
    width: int = 192
    heads: int = 4
    encoder_layers: int = 5
    decoder_layers: int = 3
    mels: int = 80

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


PERIODS = torch.logspace(math.log10(5), math.log10(3000), 10)
POSITION_DIMS = 2 * len(PERIODS)
POSITION_AMPLITUDE = 1.5
SHARPNESS = 1.5
HEAD_OFFSETS = (
    (-2, -1, 1, 2),
    (-4, -2, 2, 4),
    (-7, -3, 3, 7),
    (-10, -5, 5, 10),
    (-8, 3, 8, None),
)
"""Frame offsets of the heads of each encoder layer at the start; None is an ordinary head."""


LOOK_BACK = (
    ((None, -1, -2, -3), 1.06),
    ((-1, -2, None, None), 8.9),
    ((-1, -2, None, None), 11.8),
)
"""Token offsets of the decoder's heads once it looks back, and their sharpness: the deeper, the fainter the positions."""
LOOK_BACK_AMPLITUDE = 2.0
LOOK_BACK_GAIN = 5.0


def position_table(width: int) -> Tensor:
    """Sines and cosines of PERIODS in the first dimensions, zero in the rest."""
    table = torch.zeros(WINDOW_FRAMES, width)
    angle = torch.arange(WINDOW_FRAMES)[:, None] * (2 * math.pi / PERIODS)
    table[:, 0:POSITION_DIMS:2] = angle.cos() * POSITION_AMPLITUDE
    table[:, 1:POSITION_DIMS:2] = angle.sin() * POSITION_AMPLITUDE
    return table


class Attention(nn.Module):
    """Multi-head attention; keys have no bias, as in Whisper."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        return x.view(batch, length, self.heads, width // self.heads).transpose(1, 2)

    def forward(self, x: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        mask = None if bias is None else bias.to(query.dtype)[None, None, None].expand(1, 1, x.shape[1], -1)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def across(self, x: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Attention over the encoder output and its logarithmic weights (batch, head, token, frame)."""
        query, key, value = self.split(self.query(x)), self.split(self.key(memory)), self.split(self.value(memory))
        logits = (query @ key.transpose(-1, -2)).float() * query.shape[-1] ** -0.5 + bias
        weights = logits.log_softmax(-1)
        mixed = weights.exp().to(value.dtype) @ value
        return self.out(mixed.transpose(1, 2).flatten(2)), weights

    @torch.no_grad()
    def forget(self, offsets: tuple[int | None, ...]) -> None:
        """Empty the queries of heads that are given an offset."""
        size = self.query.out_features // self.heads
        for head, offset in enumerate(offsets):
            if offset is not None:
                self.query.weight[head * size : (head + 1) * size] = 0
                self.query.bias[head * size : (head + 1) * size] = 0

    @torch.no_grad()
    def look_at(self, offsets: tuple[int | None, ...], sharpness: float = SHARPNESS) -> None:
        """Start the heads as windows at the given offsets."""
        size = self.query.out_features // self.heads
        for head, offset in enumerate(offsets):
            if offset is None:
                continue
            rows = slice(head * size, head * size + POSITION_DIMS)
            self.query.weight[rows] = 0
            self.key.weight[rows] = 0
            self.query.bias[rows] = 0
            for pair, period in enumerate(PERIODS.tolist()):
                turn = 2 * math.pi * offset / period
                row = head * size + 2 * pair
                cos, sin = sharpness * math.cos(turn), sharpness * math.sin(turn)
                self.query.weight[row, 2 * pair : 2 * pair + 2] = torch.tensor([cos, -sin])
                self.query.weight[row + 1, 2 * pair : 2 * pair + 2] = torch.tensor([sin, cos])
                self.key.weight[row, 2 * pair] = sharpness
                self.key.weight[row + 1, 2 * pair + 1] = sharpness


def feed_forward(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))


class EncoderLayer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape.width, shape.heads)
        self.ffn_norm = nn.LayerNorm(shape.width)
        self.ffn = feed_forward(shape.width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), bias)
        return x + self.ffn(self.ffn_norm(x))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Log-mel frames to one vector for every 20 ms."""

    positions: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(shape.mels, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.register_buffer("positions", position_table(shape.width), persistent=False)
        self.layers = nn.ModuleList([EncoderLayer(shape) for _ in range(shape.encoder_layers)])
        self.norm = nn.LayerNorm(shape.width)
        with torch.no_grad():
            self.conv2.weight *= 3
            self.conv2.weight[:POSITION_DIMS] = 0
            for layer, offsets in zip(self.layers, HEAD_OFFSETS, strict=False):
                layer.attention.look_at(offsets)  # type: ignore[operator, union-attr]

    def forward(self, mel: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """Encode ``mel`` and a sample of the padded rest of the 30 s window.

        ``padding`` holds positions drawn from the rest.  Each stands for many, so its attention gets the logarithm of their
        number added.  The last positions of ``mel`` must be padding too.  Returns vectors and that bias for every vector.
        """
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        frames = x.shape[1]
        bias = torch.zeros(frames + len(padding))
        if len(padding):
            x = torch.cat([x, x[:, -2:-1].expand(-1, len(padding), -1)], 1)
            bias[frames:] = math.log((WINDOW_FRAMES - frames) / len(padding))
        x = x + self.positions[torch.cat([torch.arange(frames), padding])]
        for layer in self.layers:
            x = layer(x, bias)
        return self.norm(x), bias


class DecoderLayer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape.width, shape.heads)
        self.cross_norm = nn.LayerNorm(shape.width)
        self.cross = Attention(shape.width, shape.heads)
        self.ffn_norm = nn.LayerNorm(shape.width)
        self.ffn = feed_forward(shape.width)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        x = x + self.attention(self.attention_norm(x), causal=True)
        heard, weights = self.cross.across(self.cross_norm(x), memory, bias)
        x = x + heard
        return x + self.ffn(self.ffn_norm(x)), weights


class Decoder(nn.Module):
    """Tokens so far and the encoder's vectors to the next token; output weights are the embedding's."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Parameter(position_table(shape.width)[:TEXT_POSITIONS] * 0.1)
        self.layers = nn.ModuleList([DecoderLayer(shape) for _ in range(shape.decoder_layers)])
        self.norm = nn.LayerNorm(shape.width)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, tokens: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Vectors before the output layer, and the logarithmic cross-attention weights of each layer."""
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        weights = []
        for layer in self.layers:
            x, seen = layer(x, memory, bias)
            weights.append(seen)
        return self.norm(x), weights

    @torch.no_grad()
    def look_back(self) -> None:
        """Give positions dimensions of their own, and let some heads look at the tokens just before.

        Following repeated words needs the last few tokens and where they were heard; left alone, small decoders look
        at a blur of all tokens.
        """
        own = slice(0, POSITION_DIMS)
        table = position_table(self.positions.shape[1])[:TEXT_POSITIONS]
        self.positions[:, own] = table[:, own] * LOOK_BACK_AMPLITUDE
        self.layers[0].attention_norm.weight[POSITION_DIMS:] *= LOOK_BACK_GAIN  # type: ignore[union-attr, index, operator]
        for layer, (offsets, sharpness) in zip(self.layers, LOOK_BACK, strict=True):
            assert isinstance(layer, DecoderLayer)
            layer.attention_norm.weight[own] = 1
            layer.attention_norm.bias[own] = 0
            for reader in (layer.attention.value, layer.cross.query, layer.ffn[0]):
                reader.weight[:, own] = 0  # type: ignore[operator]
            layer.attention.forget(offsets)
            layer.attention.look_at(offsets, sharpness)
        self.keep_positions()

    @torch.no_grad()
    def keep_positions(self) -> None:
        """Nothing but the last layer writes to the positions' dimensions."""
        for layer in self.layers[:-1]:
            assert isinstance(layer, DecoderLayer)
            for writer in (layer.attention.out, layer.cross.out, layer.ffn[2]):
                writer.weight[:POSITION_DIMS] = 0  # type: ignore[operator]
                writer.bias[:POSITION_DIMS] = 0  # type: ignore[operator]

    def logits(self, x: Tensor) -> Tensor:
        return F.linear(x, self.embedding.weight)


class SampleModel(nn.Module):
    """Encoder, decoder, and the frame labels that only training uses."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape)
        self.decoder = Decoder(shape)
        self.frame_head = nn.Linear(shape.width, shape.labels)
