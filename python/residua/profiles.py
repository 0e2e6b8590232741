"""What Model.profile tells of a run."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One step of the network: its name in the file (of fused layers the last one's), its operator, and what ran it.

    milliseconds: summed over the images, averaged over the threads that ran them side by side. gflop: what the layer's
    arithmetic comes to for the whole batch, two a multiply-add, by whatever algorithm it was done.
    """
    name: str
    op: str
    implementation: str
    milliseconds: float
    gflop: float


@dataclass(frozen=True)
class Profile:
    """Where the time of a run went.

    layers: in the order of computation. trace: the same, layer by layer and thread by thread, as JSON for chrome://tracing
    and ui.perfetto.dev. images, threads: how many. total_ms: of the run, without queue_ms, which it waited for CPUs and its
    turn. Within it planning_ms is what the shape cost that the model had no plan for (planned), or next to nothing.
    context_bytes: the activations and scratch memory that such a run keeps.
    """
    layers: tuple[Layer, ...]
    trace: str
    images: int
    threads: int
    planned: bool
    planning_ms: float
    total_ms: float
    queue_ms: float
    context_bytes: int
