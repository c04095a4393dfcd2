"""What the PyTorch peers of train_step and lora_step have in common."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class RMSNorm(nn.Module):
    def __init__(self, width, **options):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, **options))

    def forward(self, x):
        x32 = x.float()
        return self.weight * (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + 1e-5)).type_as(x)


def rope_angles(length, head_dim, theta):
    angle = torch.outer(torch.arange(length), theta ** (-torch.arange(0, head_dim, 2) / head_dim))
    return torch.cat([angle, angle], -1)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def causal_mask(length):
    return torch.full((length, length), float("-inf")).triu(1)


def attention(q, k, v, mask):
    """Causal; (batch, heads, length, head_dim)."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5 + mask
    return torch.softmax(scores.float(), -1).type_as(v) @ v
