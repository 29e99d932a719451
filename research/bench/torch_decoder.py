"""The anchor of `gristmill bench train_step`: the same decoder and step in PyTorch.

Run as a script by an interpreter that has PyTorch; it imports nothing else of Gristmill. Arguments:
the sizes as JSON, and 'eager' or 'compiled'. For each line on standard input it trains for some
seconds and writes {"tokens", "seconds", "cpu_s"}.
"""

from __future__ import annotations

import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    """RMSNorm over the last axis."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.scale, 1e-5)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions, halves layout; x is [B, heads, L, K]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Block(nn.Module):
    """Grouped-query attention and SwiGLU, each beside the residual stream."""

    def __init__(self, c: dict) -> None:
        super().__init__()
        self.c = c
        D, H, J, K, F_ = c["width"], c["heads"], c["kv_heads"], c["head_dim"], c["mlp_width"]
        self.norm1, self.norm2 = RMSNorm(D), RMSNorm(D)
        self.query = nn.Linear(D, H * K, bias=False)
        self.key, self.value = nn.Linear(D, J * K, bias=False), nn.Linear(D, J * K, bias=False)
        self.output = nn.Linear(H * K, D, bias=False)
        self.gate, self.up = nn.Linear(D, F_, bias=False), nn.Linear(D, F_, bias=False)
        self.down = nn.Linear(F_, D, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        B, L, _ = x.shape
        K, groups = self.c["head_dim"], self.c["heads"] // self.c["kv_heads"]
        h = self.norm1(x)
        q, k, v = (
            layer(h).view(B, L, -1, K).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
        att = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.output(att.transpose(1, 2).reshape(B, L, -1))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Decoder(nn.Module):
    """With tied embeddings; gives the mean loss."""

    def __init__(self, c: dict) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c["vocabulary_size"], c["width"])
        self.blocks = nn.ModuleList([Block(c) for _ in range(c["layers"])])
        self.norm = RMSNorm(c["width"])
        half = c["head_dim"] // 2
        angles = torch.outer(
            torch.arange(c["length"]).float(), 1e4 ** (-torch.arange(half).float() / half)
        )
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embedding(inputs)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = F.linear(self.norm(x), self.embedding.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main() -> None:
    """Serves turns until standard input ends."""
    c, mode = json.loads(sys.argv[1]), sys.argv[2]
    torch.manual_seed(0)
    torch.set_num_threads(c["threads"])
    model = Decoder(c)
    run = torch.compile(model) if mode == "compiled" else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), fused=True)
    inputs, targets = torch.randint(c["vocabulary_size"], (2, 8, c["batch"], c["length"]))

    def step(number: int) -> float:
        loss = run(inputs[number % 8], targets[number % 8])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    for number in range(4):
        step(number)
    print("ready", flush=True)
    for _ in sys.stdin:
        steps, start, cpu = 0, time.perf_counter(), time.process_time()
        while (seconds := time.perf_counter() - start) < c["seconds"]:
            step(steps)
            steps += 1
        tokens = steps * c["batch"] * c["length"]
        spent = time.process_time() - cpu
        print(json.dumps({"tokens": tokens, "seconds": seconds, "cpu_s": spent}), flush=True)


if __name__ == "__main__":
    main()
