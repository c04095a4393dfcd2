#!/usr/bin/env python3
"""Writes families/NAME/: tiny models of every family with random weights, and
the logits that PyTorch computes from them in float64, from the papers' and
transformers' formulas. Run it with Debian's python3-torch:
    /usr/bin/python3 tests/model/data/make_torch_families.py
"""
import json, math, pathlib, struct
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
OUT = pathlib.Path(__file__).parent / "families"
LENGTH = 40  # longer than every window and every original_max_position_embeddings

BASE = dict(vocab_size=40, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
            rms_norm_eps=1e-6, rope_theta=100.0, bos_token_id=0, eos_token_id=1,
            attention_dropout=0.0, use_cache=True)
SILU = dict(hidden_act="silu")
GELU = dict(hidden_activation="gelu_pytorch_tanh", head_dim=16)

# name: (architecture, model_type, keys of config.json, dtype of the file)
FAMILIES = {
    "llama2": ("LlamaForCausalLM", "llama", dict(**SILU, num_key_value_heads=4, pretraining_tp=1,
               rope_scaling=None, tie_word_embeddings=False), "F16"),
    "llama3": ("LlamaForCausalLM", "llama", dict(**SILU, head_dim=8, tie_word_embeddings=True,
               rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                 original_max_position_embeddings=24)), "BF16"),
    "llama_linear": ("LlamaForCausalLM", "llama", dict(**SILU, max_position_embeddings=24,
                     rope_scaling=dict(type="linear", factor=2.5)), "BF16"),
    "llama_dynamic": ("LlamaForCausalLM", "llama", dict(**SILU, max_position_embeddings=24,
                      rope_scaling=dict(type="dynamic", factor=2.0)), "BF16"),
    "llama_yarn": ("LlamaForCausalLM", "llama", dict(**SILU, max_position_embeddings=16, head_dim=16,
                   rope_scaling=dict(rope_type="yarn", factor=4.0, beta_fast=2.0, beta_slow=0.5,
                                     original_max_position_embeddings=16)), "BF16"),
    "mistral": ("MistralForCausalLM", "mistral", dict(**SILU, head_dim=16, sliding_window=8), "F16"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", dict(**SILU, tie_word_embeddings=True, use_sliding_window=False,
              sliding_window=8, max_window_layers=2), "BF16"),
    "qwen2_window": ("Qwen2ForCausalLM", "qwen2", dict(**SILU, use_sliding_window=True, sliding_window=8,
                     max_window_layers=1, max_position_embeddings=16, head_dim=16,
                     rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=16)), "BF16"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3", dict(**SILU, head_dim=16, tie_word_embeddings=True,
              attention_bias=False, sliding_window=None, use_sliding_window=False, max_window_layers=2), "F32"),
    "gemma": ("GemmaForCausalLM", "gemma", dict(hidden_act="gelu", hidden_activation=None, head_dim=16,
              num_key_value_heads=1), "BF16"),
    "gemma2": ("Gemma2ForCausalLM", "gemma2", dict(**GELU, hidden_act="gelu_pytorch_tanh",
               query_pre_attn_scalar=24, sliding_window=8, attn_logit_softcapping=3.0,
               final_logit_softcapping=2.0, cache_implementation="hybrid"), "BF16"),
    "gemma3": ("Gemma3ForCausalLM", "gemma3_text", dict(**GELU, query_pre_attn_scalar=24, sliding_window=8,
               sliding_window_pattern=3, num_hidden_layers=3, rope_theta=1000.0, rope_local_base_freq=50.0,
               rope_scaling=dict(factor=8.0, rope_type="linear"), attn_logit_softcapping=None,
               final_logit_softcapping=None), "BF16"),
    # As published for models that also see pictures: text_config, and names inside another model's.
    "gemma3_vision": ("Gemma3ForConditionalGeneration", "gemma3_text", dict(**GELU, query_pre_attn_scalar=24,
                      sliding_window=8, layer_types=["sliding_attention", "full_attention"],
                      rope_parameters=dict(
                          full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000.0),
                          sliding_attention=dict(rope_type="default", rope_theta=50.0))), "BF16"),
}


class Model:
    def __init__(self, architecture, model_type, keys, dtype):
        c = self.c = {**BASE, **keys}
        self.gemma = model_type.startswith("gemma")
        self.around = model_type in ("gemma2", "gemma3_text")
        self.bias = model_type == "qwen2"
        self.head_norms = model_type in ("qwen3", "gemma3_text")
        self.tied = c.get("tie_word_embeddings", self.gemma)
        self.heads, self.kv = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = c.get("head_dim") or c["hidden_size"] // self.heads
        self.dtype = dtype
        self.layers = c["num_hidden_layers"]
        self.weights = self.make_weights()

    def make_weights(self):
        c, w = self.c, {}
        H, I, V, D = c["hidden_size"], c["intermediate_size"], c["vocab_size"], self.dim
        gain = lambda n: (0.0 if self.gemma else 1.0) + 0.3 * torch.randn(n)
        w["model.embed_tokens.weight"] = torch.randn(V, H) * (0.3 if self.gemma else 1.0)
        for l in range(self.layers):
            p = f"model.layers.{l}."
            names = ["input_layernorm", "post_attention_layernorm"]
            if self.around:
                names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
            for name in names:
                w[p + name + ".weight"] = gain(H)
            for name, rows, cols in [("self_attn.q_proj", self.heads * D, H), ("self_attn.k_proj", self.kv * D, H),
                                     ("self_attn.v_proj", self.kv * D, H), ("self_attn.o_proj", H, self.heads * D),
                                     ("mlp.gate_proj", I, H), ("mlp.up_proj", I, H), ("mlp.down_proj", H, I)]:
                w[p + name + ".weight"] = 1.5 * torch.randn(rows, cols) / cols ** 0.5
                if self.bias and name[-6] in "qkv" and "self" in name:
                    w[p + name + ".bias"] = torch.randn(rows)
            if self.head_norms:
                w[p + "self_attn.q_norm.weight"] = gain(D)
                w[p + "self_attn.k_norm.weight"] = gain(D)
        w["model.norm.weight"] = gain(H)
        if not self.tied:
            w["lm_head.weight"] = torch.randn(V, H) / H ** 0.5
        kind = dict(BF16=torch.bfloat16, F16=torch.float16, F32=torch.float32)[self.dtype]
        return {k: v.to(kind) for k, v in w.items()}

    def sliding(self, l):
        c = self.c
        if c.get("sliding_window") is None or not c.get("use_sliding_window", True):
            return False
        if "layer_types" in c:
            return c["layer_types"][l] == "sliding_attention"
        if "max_window_layers" in c:
            return l >= c["max_window_layers"]
        if "sliding_window_pattern" in c:
            return (l + 1) % c["sliding_window_pattern"] != 0
        return l % 2 == 0 if self.around else True  # Gemma 2; Mistral

    # (angles (T, D/2), factor of cos and sin)
    def angles(self, l):
        c, D = self.c, self.dim
        p = torch.arange(LENGTH, dtype=torch.float64)
        i = torch.arange(0, D, 2, dtype=torch.float64)
        theta, scaling = c["rope_theta"], c.get("rope_scaling")
        if "rope_parameters" in c:
            scaling = c["rope_parameters"]["sliding_attention" if self.sliding(l) else "full_attention"]
            theta = scaling["rope_theta"]
        elif "rope_local_base_freq" in c and self.sliding(l):
            theta, scaling = c["rope_local_base_freq"], None
        freq, factor = theta ** (-i / D), 1.0
        kind = (scaling or {}).get("rope_type", (scaling or {}).get("type", "default"))
        if kind == "linear":
            freq = freq / scaling["factor"]
        elif kind == "dynamic":  # each token as it is turned when it is generated
            rows, M, s = [], c["max_position_embeddings"], scaling["factor"]
            for n in range(1, LENGTH + 1):
                base = theta * ((s * max(n, M) / M) - (s - 1)) ** (D / (D - 2))
                rows.append((n - 1) * base ** (-i / D))
            return torch.stack(rows), 1.0
        elif kind == "llama3":
            s, old = scaling["factor"], scaling["original_max_position_embeddings"]
            low, high, out = scaling["low_freq_factor"], scaling["high_freq_factor"], []
            for f in freq.tolist():
                wave = 2 * math.pi / f
                if wave < old / high:
                    out.append(f)
                elif wave > old / low:
                    out.append(f / s)
                else:
                    smooth = (old / wave - low) / (high - low)
                    out.append((1 - smooth) * f / s + smooth * f)
            assert len({round(a / b, 3) for a, b in zip(out, freq.tolist())}) > 2
            freq = torch.tensor(out, dtype=torch.float64)
        elif kind == "yarn":
            s, old = scaling["factor"], scaling["original_max_position_embeddings"]
            turns = lambda n: D * math.log(old / (n * 2 * math.pi)) / (2 * math.log(theta))
            low = max(math.floor(turns(scaling.get("beta_fast", 32))), 0)
            high = min(math.ceil(turns(scaling.get("beta_slow", 1))), D - 1)
            span = (high - low) or 0.001
            ramp = ((torch.arange(D // 2, dtype=torch.float64) - low) / span).clamp(0, 1)
            freq = freq / s * ramp + freq * (1 - ramp)
            factor = 0.1 * math.log(s) + 1.0
        return torch.outer(p, freq), factor

    def rope(self, x, l):  # (T, heads, D), Hugging Face's rotate_half
        angle, factor = self.angles(l)
        cos, sin = [torch.cat([t, t], -1)[:, None] * factor for t in (angle.cos(), angle.sin())]
        a, b = x[..., : self.dim // 2], x[..., self.dim // 2:]
        return x * cos + torch.cat([-b, a], -1) * sin

    def forward(self, tokens):
        c, D, T = self.c, self.dim, len(tokens)
        w = {k: v.double() for k, v in self.weights.items()}
        one = 1.0 if self.gemma else 0.0
        norm = lambda x, g: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + c["rms_norm_eps"]) * (one + g)
        soften = lambda x, cap: x if cap is None else cap * torch.tanh(x / cap)
        gelu = lambda z: 0.5 * z * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z ** 3)))
        act = gelu if self.gemma else F.silu
        x = w["model.embed_tokens.weight"][tokens]
        if self.gemma:
            x = x * torch.tensor(c["hidden_size"] ** 0.5, dtype=torch.float32).double()
        q_pos, k_pos = torch.arange(T)[:, None], torch.arange(T)[None]
        for l in range(self.layers):
            p = f"model.layers.{l}."
            seen = k_pos <= q_pos
            if self.sliding(l):
                seen &= k_pos > q_pos - c["sliding_window"]
            h = norm(x, w[p + "input_layernorm.weight"])
            part = lambda n: (h @ w[p + f"self_attn.{n}_proj.weight"].T
                              + w.get(p + f"self_attn.{n}_proj.bias", torch.zeros(1))).view(T, -1, D)
            q, k, v = part("q"), part("k"), part("v")
            if self.head_norms:
                q, k = norm(q, w[p + "self_attn.q_norm.weight"]), norm(k, w[p + "self_attn.k_norm.weight"])
            q, k, v = self.rope(q, l).transpose(0, 1), self.rope(k, l).transpose(0, 1), v.transpose(0, 1)
            k, v = [t.repeat_interleave(self.heads // self.kv, 0) for t in (k, v)]
            s = q @ k.transpose(1, 2) * c.get("query_pre_attn_scalar", D) ** -0.5
            s = soften(s, c.get("attn_logit_softcapping")).masked_fill(~seen, float("-inf"))
            a = (torch.softmax(s, -1) @ v).transpose(0, 1).reshape(T, -1) @ w[p + "self_attn.o_proj.weight"].T
            second = "post_attention_layernorm"
            if self.around:
                a = norm(a, w[p + "post_attention_layernorm.weight"])
                second = "pre_feedforward_layernorm"
            x = x + a
            h = norm(x, w[p + second + ".weight"])
            h = act(h @ w[p + "mlp.gate_proj.weight"].T) * (h @ w[p + "mlp.up_proj.weight"].T)
            h = h @ w[p + "mlp.down_proj.weight"].T
            if self.around:
                h = norm(h, w[p + "post_feedforward_layernorm.weight"])
            x = x + h
        head = w["model.embed_tokens.weight" if self.tied else "lm_head.weight"]
        return soften(norm(x, w["model.norm.weight"]) @ head.T, c.get("final_logit_softcapping"))


def write_safetensors(path, tensors, dtype):
    header, blobs, at = {}, [], 0
    for name, t in sorted(tensors.items()):  # as transformers orders them
        blob = t.contiguous().view(torch.int32 if dtype == "F32" else torch.int16).numpy().tobytes()
        header[name] = dict(dtype=dtype, shape=list(t.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


for number, (name, (architecture, model_type, keys, dtype)) in enumerate(FAMILIES.items()):
    torch.manual_seed(number + 1)
    model = Model(architecture, model_type, keys, dtype)
    out = OUT / name
    out.mkdir(parents=True, exist_ok=True)
    config = dict(architectures=[architecture], model_type=model_type, transformers_version="4.50.0", **model.c)
    tensors = model.weights
    if architecture == "Gemma3ForConditionalGeneration":
        text = {k: v for k, v in model.c.items() if k not in ("bos_token_id", "eos_token_id", "rope_theta")}
        config = dict(architectures=[architecture], model_type="gemma3", mm_tokens_per_image=256,
                      eos_token_id=[1, 2], text_config=dict(model_type=model_type, **text),
                      vision_config=dict(hidden_size=8))
        tensors = {"language_model." + k: v for k, v in tensors.items()}
        tensors["vision_tower.vision_model.post_layernorm.weight"] = torch.zeros(8).bfloat16()
        tensors["multi_modal_projector.mm_soft_emb_norm.weight"] = torch.zeros(8).bfloat16()
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_safetensors(out / "model.safetensors", tensors, dtype)
    tokens = torch.randint(0, model.c["vocab_size"], (LENGTH,))
    logits = model.forward(tokens)
    print(f"{name:14} logits up to {logits.abs().max():.2f}")
    (out / "expected.json").write_text(json.dumps(
        dict(tokens=tokens.tolist(), logits=[[round(v, 5) for v in row] for row in logits.tolist()])) + "\n")
