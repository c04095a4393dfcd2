#!/usr/bin/env python3
"""Writes torch_llama/: a tiny Llama with random weights, and the logits that
PyTorch computes from them. Run it with Debian's python3-torch:
    /usr/bin/python3 tests/model/data/make_torch_llama.py
"""
import json, pathlib, struct
import torch
import torch.nn.functional as F

torch.manual_seed(7)
torch.set_num_threads(1)
OUT = pathlib.Path(__file__).parent / "torch_llama"
CONFIG = dict(
    architectures=["LlamaForCausalLM"], model_type="llama", torch_dtype="bfloat16",
    vocab_size=48, hidden_size=32, intermediate_size=56, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, head_dim=8,
    max_position_embeddings=32, rms_norm_eps=1e-5, rope_theta=500000.0,
    hidden_act="silu", tie_word_embeddings=False, bos_token_id=0, eos_token_id=[1, 2])
H, I, V = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
NH, NK, D = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"], CONFIG["head_dim"]


def weights():
    w = {"model.embed_tokens.weight": torch.randn(V, H)}
    for l in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{l}."
        w[p + "input_layernorm.weight"] = 1 + 0.1 * torch.randn(H)
        w[p + "post_attention_layernorm.weight"] = 1 + 0.1 * torch.randn(H)
        for name, rows, cols in [("self_attn.q_proj", NH * D, H), ("self_attn.k_proj", NK * D, H),
                                 ("self_attn.v_proj", NK * D, H), ("self_attn.o_proj", H, NH * D),
                                 ("mlp.gate_proj", I, H), ("mlp.up_proj", I, H), ("mlp.down_proj", H, I)]:
            w[p + name + ".weight"] = torch.randn(rows, cols) / cols ** 0.5
    w["model.norm.weight"] = 1 + 0.1 * torch.randn(H)
    w["lm_head.weight"] = torch.randn(V, H) / H ** 0.5
    return {k: v.bfloat16() for k, v in w.items()}


def rope(x):  # (T, heads, D), Hugging Face's rotate_half
    inv = 1.0 / CONFIG["rope_theta"] ** (torch.arange(0, D, 2, dtype=torch.float64) / D)
    angle = torch.outer(torch.arange(x.shape[0], dtype=torch.float64), inv)
    cos, sin = torch.cat([angle, angle], -1).cos()[:, None], torch.cat([angle, angle], -1).sin()[:, None]
    a, b = x[..., : D // 2], x[..., D // 2:]
    return x * cos + torch.cat([-b, a], -1) * sin


def forward(w, tokens):
    w = {k: v.double() for k, v in w.items()}
    norm = lambda x, g: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * g
    x = w["model.embed_tokens.weight"][tokens]
    mask = torch.full((len(tokens), len(tokens)), float("-inf"), dtype=torch.float64).triu(1)
    for l in range(CONFIG["num_hidden_layers"]):
        p = f"model.layers.{l}."
        h = norm(x, w[p + "input_layernorm.weight"])
        q = rope((h @ w[p + "self_attn.q_proj.weight"].T).view(-1, NH, D)).transpose(0, 1)
        k = rope((h @ w[p + "self_attn.k_proj.weight"].T).view(-1, NK, D)).transpose(0, 1)
        v = (h @ w[p + "self_attn.v_proj.weight"].T).view(-1, NK, D).transpose(0, 1)
        k, v = k.repeat_interleave(NH // NK, 0), v.repeat_interleave(NH // NK, 0)
        a = torch.softmax(q @ k.transpose(1, 2) / D ** 0.5 + mask, -1) @ v
        x = x + a.transpose(0, 1).reshape(len(tokens), -1) @ w[p + "self_attn.o_proj.weight"].T
        h = norm(x, w[p + "post_attention_layernorm.weight"])
        h = F.silu(h @ w[p + "mlp.gate_proj.weight"].T) * (h @ w[p + "mlp.up_proj.weight"].T)
        x = x + h @ w[p + "mlp.down_proj.weight"].T
    return norm(x, w["model.norm.weight"]) @ w["lm_head.weight"].T


def write_safetensors(path, tensors):
    header, blobs, at = {}, [], 0
    for name, t in tensors.items():
        blob = t.contiguous().view(torch.int16).numpy().tobytes()
        header[name] = dict(dtype="BF16", shape=list(t.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


OUT.mkdir(exist_ok=True)
w = weights()
tokens = torch.randint(0, V, (19,))
(OUT / "config.json").write_text(json.dumps(CONFIG, indent=1))
write_safetensors(OUT / "model.safetensors", w)
logits = forward(w, tokens)
(OUT / "expected.json").write_text(json.dumps(
    dict(tokens=tokens.tolist(), logits=[[round(v, 6) for v in row] for row in logits.tolist()])))
