"""Training: first the encoder on frame labels, then encoder and decoder together.

A decoder that is trained while the encoder is still deaf learns sentence patterns and never quite unlearns them.  Frame
labels (which character sounds now) come from the synthesiser's own times, so the encoder needs no alignment search.
The rate is constant after warm-up and falls linearly at the end: the end may be chosen late.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.sample_model.batches import NO_TARGET, Batch, BatchMaker, Plan
from tools.sample_model.corpus import Corpus
from tools.sample_model.model import SampleModel, Shape
from tools.sample_model.tokens import Vocabulary

GUIDED_HEADS = 2
"""Heads of each guided decoder layer that must look at the character they predict."""
GUIDED_LAYERS = (1, 2)
"""Layers whose guided heads give the word times."""
LOADERS = 1
REPORT_EVERY = 50
SAVE_EVERY = 250


@dataclass(frozen=True)
class Phase:
    """What training does from a step on."""

    first: int
    plan: Plan
    decoding: bool = True
    guide: float = 1.0
    guided: Sequence[int] = GUIDED_LAYERS
    look_back: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result besides the corpus."""

    seed: int
    steps: int
    rates: Sequence[tuple[int, float]]
    phases: tuple[Phase, ...]
    weight_decay: float = 0.01

    @classmethod
    def load(cls, path: Path) -> Recipe:
        facts = json.loads(path.read_text(encoding="utf-8"))
        phases = tuple(Phase(**{**phase, "plan": Plan(**phase["plan"])}) for phase in facts.pop("phases"))
        return cls(phases=phases, **facts)

    def rate_at(self, step: int) -> float:
        """Learning rate, straight between the recipe's corners."""
        steps, rates = zip(*self.rates, strict=True)
        return float(np.interp(step, steps, rates))

    def phase_at(self, step: int) -> Phase:
        return max((phase for phase in self.phases if phase.first <= step), key=lambda phase: phase.first)

    def looks_back(self, step: int) -> bool:
        """Whether the decoder's positions have dimensions of their own by now."""
        return any(phase.look_back and phase.first <= step for phase in self.phases)


def frame_loss(model: SampleModel, memory: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Cross entropy of the frame labels, and the share of sounding frames that are right."""
    logits = model.frame_head(memory[:, : labels.shape[1]]).float()
    loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    with torch.no_grad():
        sounding = labels > 0
        right = (logits.argmax(-1) == labels)[sounding].float().mean().item() if bool(sounding.any()) else 0.0
    return loss, right


def guide_loss(weights: list[Tensor], spans: Tensor, layers: Sequence[int]) -> Tensor:
    """Distance of the guided heads' attention from an even look at each target's frames."""
    frames = weights[0].shape[-1]
    position = torch.arange(frames)
    begin, end = spans[..., :1], spans[..., 1:]
    wanted = ((position >= begin) & (position < end)).float()
    count = wanted.sum(-1, keepdim=True)
    wanted = wanted / count.clamp(min=1)
    rows = float((count > 0).sum().clamp(min=1))
    total = sum((wanted[:, None] * weights[layer][:, :GUIDED_HEADS]).sum() for layer in layers)
    return -torch.as_tensor(total) / (rows * GUIDED_HEADS * len(layers))


@dataclass
class Tally:
    """Running means between two reports."""

    frame: float = 0.0
    right: float = 0.0
    token: float = 0.0
    guide: float = 0.0
    count: int = 0

    def report(self, step: int, seconds: float) -> str:
        n = max(1, self.count)
        return (
            f"{step} frame {self.frame / n:.3f} right {self.right / n:.3f} token {self.token / n:.3f}"
            f" guide {self.guide / n:.3f} {seconds:.0f} s"
        )


def losses(model: SampleModel, batch: Batch, phase: Phase, tally: Tally) -> Tensor:
    """Total loss of a batch."""
    memory, bias = model.encoder(torch.from_numpy(batch.mel), torch.from_numpy(batch.padding))
    total, right = frame_loss(model, memory, torch.from_numpy(batch.labels))
    tally.frame += total.item()
    tally.right += right
    tally.count += 1
    if not phase.decoding:
        return total
    hidden, weights = model.decoder(torch.from_numpy(batch.tokens), memory, bias)
    targets = torch.from_numpy(batch.targets)
    counted = targets != NO_TARGET
    token = F.cross_entropy(model.decoder.logits(hidden[counted]).float(), targets[counted], label_smoothing=0.02)
    guide = guide_loss(weights, torch.from_numpy(batch.spans), phase.guided)
    tally.token += token.item()
    tally.guide += guide.item()
    return 0.5 * total + token + phase.guide * guide


def _produce(corpus: Path, recipe: Recipe, first: int, stride: int, queue: Queue[Batch]) -> None:
    """A loader process: every ``stride``-th batch."""
    torch.set_num_threads(1)
    maker = BatchMaker(Corpus.load(corpus), recipe.seed, Vocabulary.of_grammar())
    for step in range(first, recipe.steps, stride):
        queue.put(maker.batch(step, recipe.phase_at(step).plan))


class Trainer:
    """Model, optimiser and the step reached; all of it is in a checkpoint."""

    def __init__(self, recipe: Recipe, shape: Shape, output: Path) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.output = output
        self.model = SampleModel(shape)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.rates[0][1],
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.step = 0

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        path = self.output / "checkpoint.pt"
        if not path.exists():
            return
        saved = torch.load(path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step = saved["step"]

    def save(self) -> None:
        partial = self.output / "checkpoint.partial"
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step}
        torch.save({**state, "shape": self.model.shape.as_dict()}, partial)
        partial.rename(self.output / "checkpoint.pt")

    def learn(self, batch: Batch, tally: Tally) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        phase = self.recipe.phase_at(self.step)
        if phase.look_back and self.step == phase.first:
            self._look_back()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = losses(self.model, batch, phase, tally)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        if self.recipe.looks_back(self.step):
            self.model.decoder.keep_positions()
        self.step += 1

    def _look_back(self) -> None:
        """Change the decoder's heads; its running means of gradients belong to the old ones."""
        self.model.decoder.look_back()
        for parameter in self.model.decoder.parameters():
            self.optimiser.state[parameter]["exp_avg"].zero_()


def train(corpus: Path, output: Path, recipe: Recipe, threads: int) -> None:
    """Train to the recipe's last step; a run that was stopped goes on from its checkpoint."""
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    vocabulary = Vocabulary.of_grammar()
    trainer = Trainer(recipe, Shape(vocabulary=len(vocabulary.tokens), labels=len(vocabulary.text)), output)
    trainer.resume()
    context = multiprocessing.get_context("spawn")
    queues: list[Queue[Batch]] = [context.Queue(4) for _ in range(LOADERS)]
    for index, queue in enumerate(queues):
        arguments = (corpus, recipe, trainer.step + index, LOADERS, queue)
        context.Process(target=_produce, args=arguments, daemon=True).start()
    _loop(trainer, queues)
    trainer.save()


def _loop(trainer: Trainer, queues: list[Queue[Batch]]) -> None:
    tally, begun = Tally(), time.monotonic()
    first = trainer.step
    trainer.model.train()
    while trainer.step < trainer.recipe.steps:
        trainer.learn(queues[(trainer.step - first) % LOADERS].get(timeout=900), tally)
        if trainer.step % REPORT_EVERY == 0:
            print(tally.report(trainer.step, time.monotonic() - begun), flush=True)
            tally = Tally()
        if trainer.step % SAVE_EVERY == 0:
            trainer.save()
