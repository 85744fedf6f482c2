"""The network in PyTorch, for training; `solvers.policy.forward` computes the same without it.

Servers have a state of some numbers; users have none. In each of a few rounds every server names terms (how open it is,
a price of joining, a price of load, a price of CPU), every user spreads itself over servers by a softmax of what they
would cost it at these terms, and every server adds up who comes: how many, how large, at what cost, and what closing it
would cost them or opening it would save them. From that and from the mean of all servers it makes its next state. So
messages pass between all users and servers, and a round costs a few operations for each pair, whatever the width of the
state. All weights are shared over users and servers: no size is built in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from solvers.policy.graph import N_SERVER_FEATURES, N_SHARED_FEATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from solvers.policy.graph import Graph

__all__ = ["Batch", "Policy", "Terms"]

#: How far open or closed a server can be, as log odds.
OPENNESS = 12.0
#: What cannot be in a softmax.
NEVER = -1e9
#: Numbers that each server adds up for each head, see `Policy.messages`.
N_MESSAGES = 7
#: Terms a server names for each head: openness, price of joining, factor and offset of the price of load, price of CPU.
N_TERMS = 5
#: A single exponent at most.
LARGEST = 60.0


class Batch:
    """Graphs of different sizes, padded to one."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        n, m = max(g.size.size for g in graphs), max(g.cpu.size for g in graphs)
        b = len(graphs)
        gap = np.full((b, n, m), np.inf, dtype=np.float32)
        part, size = np.zeros((b, n, m), np.float32), np.zeros((b, n), np.float32)
        user, server = np.zeros((b, n), np.float32), np.zeros((b, m), np.float32)
        features, cpu = np.zeros((b, m, N_SERVER_FEATURES), np.float32), np.ones((b, m), np.float32)
        for i, g in enumerate(graphs):
            rows, columns = np.nonzero(g.station >= 0)
            at = g.station[rows, columns]
            gap[i, rows, at], part[i, rows, at] = g.gap[rows, columns], g.part[rows, columns]
            k, w = g.size.size, g.cpu.size
            size[i, :k], user[i, :k], server[i, :w], cpu[i, :w] = g.size, 1.0, 1.0, g.cpu
            features[i, :w] = g.server
        allowed = np.isfinite(gap)
        self.allowed = torch.from_numpy(allowed)
        self.gap = torch.from_numpy(np.where(allowed, gap, 0.0).astype(np.float32))
        self.part, self.size = torch.from_numpy(part), torch.from_numpy(size)
        self.user, self.is_server = torch.from_numpy(user), torch.from_numpy(server)
        self.server, self.cpu = torch.from_numpy(features), torch.from_numpy(cpu)
        self.shared = torch.from_numpy(np.stack([g.shared for g in graphs]))
        self.crowd = torch.tensor([g.crowd for g in graphs], dtype=torch.float32)


class Terms:
    """What servers name in the end: log odds of being open (B, M), what each pair costs at their prices (B, N, M)."""

    def __init__(self, openness: Tensor, priced: Tensor, rounds: list[Tensor]) -> None:
        self.openness, self.priced, self.rounds = openness, priced, rounds


class Policy(nn.Module):
    """The network; see the module.

    Parameters
    ----------
    width : int
        Numbers in a server's state.
    hidden : int
        Width of the layers that make the next state.
    heads : int
        Sets of terms that servers name in each round.
    rounds : int
    """

    def __init__(self, width: int = 32, hidden: int = 48, heads: int = 2, rounds: int = 5) -> None:
        super().__init__()
        self.sizes = {"width": width, "hidden": hidden, "heads": heads, "rounds": rounds}
        self.heads, self.rounds = heads, rounds
        static = N_SERVER_FEATURES + N_SHARED_FEATURES
        news = static + N_MESSAGES * heads + heads
        self.begin = nn.Linear(static, width)
        self.terms = nn.ModuleList(nn.Linear(width, N_TERMS * heads) for _ in range(rounds))
        self.inner = nn.ModuleList(nn.Linear(2 * width + news, hidden) for _ in range(rounds))
        self.outer = nn.ModuleList(nn.Linear(hidden, width) for _ in range(rounds))
        self.sharpness = nn.ModuleList(nn.Linear(N_SHARED_FEATURES, heads) for _ in range(rounds + 1))
        self.final = nn.Linear(width, N_TERMS)
        with torch.no_grad():
            for linear in (*self.terms, self.final):
                linear.weight.mul_(0.3)
                linear.bias.zero_()
            for sharp in self.sharpness:
                assert isinstance(sharp, nn.Linear)  # noqa: S101 - as made above
                sharp.weight.mul_(0.1)
                sharp.bias.copy_(torch.linspace(2.0, 8.0, heads))

    def forward(self, batch: Batch) -> Terms:
        """Return the terms of all servers of all graphs."""
        b, m = batch.cpu.shape
        is_server = batch.is_server[..., None]
        static = torch.cat([batch.server, batch.shared[:, None, :].expand(b, m, -1)], dim=-1)
        state = torch.tanh(self.begin(static))
        # What a server has is not known before the first round: half of all servers share everything.
        load = count = (2.0 * batch.cpu)[:, None, :].expand(b, self.heads, m)
        history = []
        for r in range(self.rounds):
            terms = self.terms[r](state).view(b, m, self.heads, N_TERMS).permute(3, 0, 2, 1)
            openness = torch.clamp(terms[0], -OPENNESS, OPENNESS)
            history.append(openness[:, 0])
            priced = self.priced(batch, terms, load, count)
            sharp = 0.3 + functional.softplus(self.sharpness[r](batch.shared))
            news = self.messages(batch, openness, priced, sharp)
            count, load = news[0], news[1]
            squashed = torch.cat([torch.asinh(torch.stack(news)), openness[None] / 4.0]).permute(1, 3, 0, 2)
            mean = (state * is_server).sum(dim=1, keepdim=True) / is_server.sum(dim=1, keepdim=True)
            heard = torch.cat([state, mean.expand_as(state), static, squashed.reshape(b, m, -1)], dim=-1)
            state = state + self.outer[r](functional.silu(self.inner[r](heard)))
        terms = self.final(state).view(b, m, 1, N_TERMS).permute(3, 0, 2, 1)
        openness = torch.clamp(terms[0], -OPENNESS, OPENNESS)[:, 0]
        priced = self.priced(batch, terms, load[:, :1], count[:, :1])[:, 0]
        sharp = 0.3 + functional.softplus(self.sharpness[-1](batch.shared))[:, :1]
        return Terms(openness, priced * sharp[..., None], history)

    def priced(self, batch: Batch, terms: Tensor, load: Tensor, count: Tensor) -> Tensor:
        """Return what each pair costs at the servers' terms, shape (B, H, N, M)."""
        shared = batch.shared
        compute, optimal, equal = (shared[:, j, None, None] for j in (0, 6, 7))
        cpu = batch.cpu[:, None, :]
        # What a user of mean size adds to the cost of a server with such a load; under `equal` sharing in two parts.
        base = compute * (2.0 * optimal * load + equal * count) / cpu
        steep = base * torch.exp(torch.clamp(terms[2], -3.0, 3.0)) + compute * functional.softplus(terms[3] - 2.0)
        join = compute * equal * load / cpu + terms[1]
        held = functional.softplus(terms[4] - 1.0)
        size = batch.size[:, None, :, None]
        return batch.gap[:, None] + join[:, :, None] + steep[:, :, None] * size + held[:, :, None] * batch.part[:, None]

    def messages(self, batch: Batch, openness: Tensor, priced: Tensor, sharp: Tensor) -> list[Tensor]:
        """Return what each server adds up from the users that come; each of shape (B, H, M).

        Count, load, cost beyond the cheapest, CPU set aside, undecided users, what closing it would cost users or
        opening it save them, and that less what opening it costs; all per mean number of users on a server.
        """
        sharp = sharp[:, :, None, None]
        alone = torch.where(batch.allowed[:, None], -sharp * priced, NEVER)
        logit = alone + functional.logsigmoid(openness)[:, :, None]
        top, best = logit.max(dim=-1, keepdim=True)
        weight = torch.exp(logit - top)
        total = weight.sum(dim=-1, keepdim=True)
        # Without the favourite the others are added up apart from it: the difference would be all rounding.
        is_best = functional.one_hot(best[..., 0], logit.shape[-1]).bool()
        others = torch.where(is_best, NEVER, logit)
        second = torch.logsumexp(others, dim=-1, keepdim=True).clamp(min=NEVER)
        rest = torch.where(
            is_best, second, top + torch.log(torch.where(is_best, 1.0, (total - weight).clamp(min=1e-30)))
        )
        odds = torch.clamp(alone - rest, max=LARGEST)
        worth = functional.softplus(odds) / sharp
        there = batch.allowed[:, None] * batch.user[:, None, :, None] / batch.crowd[:, None, None, None]
        share = weight / total * there
        worth = (worth * there).sum(dim=2)
        count, load = share.sum(dim=2), (share * batch.size[:, None, :, None]).sum(dim=2)
        beyond = (share * batch.gap[:, None]).sum(dim=2)
        held = (share * batch.part[:, None]).sum(dim=2)
        undecided = (share * (1.0 - weight / total)).sum(dim=2)
        opening = batch.shared[:, 1, None, None]
        return [count, load, beyond, held, undecided, worth, worth - opening]
