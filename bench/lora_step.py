#!/usr/bin/env python3
"""One step of training a LoRA adapter in PyTorch, timed, as a user would write it. Prints JSON.
    /usr/bin/python3 bench/lora_step.py [steps]
The shape of Llama 3.2 1B with random frozen bf16 weights; rank 16 on all linear layers, 512 tokens.
"""
import json, resource, statistics, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from llama_parts import RMSNorm, attention, causal_mask, rope_angles, rotate

H, I, L, NH, KV, V, T, R, ALPHA = 2048, 8192, 16, 32, 8, 128256, 512, 16, 32
D = H // NH


class Lora(nn.Module):
    """A frozen linear layer and its low-rank update, as in PEFT."""

    def __init__(self, inner, outer):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outer, inner, dtype=torch.bfloat16).normal_(std=0.02), requires_grad=False)
        self.a = nn.Parameter(torch.empty(R, inner).uniform_(-inner**-0.5, inner**-0.5))
        self.b = nn.Parameter(torch.zeros(outer, R))

    def forward(self, x):
        return F.linear(x, self.weight) + F.linear(F.linear(x, self.a), self.b) * (ALPHA / R)


def frozen_norm():
    return RMSNorm(H, dtype=torch.bfloat16).requires_grad_(False)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = frozen_norm(), frozen_norm()
        self.q, self.k, self.v, self.o = Lora(H, H), Lora(H, KV * D), Lora(H, KV * D), Lora(H, H)
        self.gate, self.up, self.down = Lora(H, I), Lora(H, I), Lora(I, H)

    def forward(self, x, cos, sin, mask):
        h = self.n1(x)
        heads = lambda t, n: t.view(1, T, n, D).transpose(1, 2)
        q, k, v = heads(self.q(h), NH), heads(self.k(h), KV), heads(self.v(h), KV)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        k, v = (t.repeat_interleave(NH // KV, 1) for t in (k, v))
        a = attention(q, k, v, mask)
        x = x + self.o(a.transpose(1, 2).reshape(1, T, H))
        h = self.n2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Parameter(torch.empty(V, H, dtype=torch.bfloat16).normal_(std=0.02), requires_grad=False)
        self.norm = frozen_norm()
        self.blocks = nn.ModuleList(Block() for _ in range(L))
        angles = rope_angles(T, D, 5e5)
        self.register_buffer("cos", angles.cos().bfloat16())
        self.register_buffer("sin", angles.sin().bfloat16())
        self.register_buffer("mask", causal_mask(T).bfloat16())

    def forward(self, tokens, targets):
        x = F.embedding(tokens, self.embed)
        for block in self.blocks:
            x = block(x, self.cos, self.sin, self.mask)
        return F.cross_entropy(F.linear(self.norm(x), self.embed).view(-1, V).float(), targets.view(-1))


steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3
torch.manual_seed(1)
model = Llama()
learned = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(learned, lr=2e-4)
tokens, targets = torch.randint(0, V, (1, T)), torch.randint(0, V, (1, T))
seconds = []
for step in range(steps + 1):
    begin = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(tokens, targets)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if step:
        seconds.append(time.perf_counter() - begin)
print(json.dumps(dict(tokens_per_second=round(T / statistics.median(seconds), 1),
                      peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      trainable=sum(p.numel() for p in learned), torch=torch.__version__)))
