#!/usr/bin/env python3
"""One training step in PyTorch, timed, as a user would write it. Prints JSON.
    /usr/bin/python3 bench/train_step.py [bf16|f32] [steps]
The model is the Llama of bench/train_step.cc: 34.1M parameters, 8 x 512 tokens.
"""
import json, statistics, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F
from llama_parts import RMSNorm, attention, causal_mask, rope_angles, rotate

H, I, L, NH, V, B, T = 512, 1408, 8, 8, 8192, 8, 512


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2 = RMSNorm(H), RMSNorm(H)
        self.qkv, self.o = nn.Linear(H, 3 * H, bias=False), nn.Linear(H, H, bias=False)
        self.gate_up, self.down = nn.Linear(H, 2 * I, bias=False), nn.Linear(I, H, bias=False)

    def forward(self, x, cos, sin, mask):
        q, k, v = (t.view(B, T, NH, H // NH).transpose(1, 2) for t in self.qkv(self.n1(x)).chunk(3, -1))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        a = attention(q, k, v, mask)
        x = x + self.o(a.transpose(1, 2).reshape(B, T, H))
        gate, up = self.gate_up(self.n2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head, self.norm = nn.Embedding(V, H), nn.Linear(H, V, bias=False), RMSNorm(H)
        self.blocks = nn.ModuleList(Block() for _ in range(L))
        angles = rope_angles(T, H // NH, 1e4)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())
        self.register_buffer("mask", causal_mask(T))

    def forward(self, tokens, targets):
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin, self.mask)
        return F.cross_entropy(self.head(self.norm(x)).view(-1, V).float(), targets.view(-1))


dtype = sys.argv[1] if len(sys.argv) > 1 else "bf16"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 5
torch.manual_seed(1)
model = Llama()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)
tokens, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
seconds = []
for step in range(steps + 1):
    begin = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
        loss = model(tokens, targets)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if step:
        seconds.append(time.perf_counter() - begin)
print(json.dumps(dict(dtype=dtype, tokens_per_second=round(B * T / statistics.median(seconds)),
                      parameters=sum(p.numel() for p in model.parameters()), torch=torch.__version__)))
