"""A small model of every supported family, as Hugging Face folders with weights made from names.

Weights come from raw Philox bits, so that the same numbers can be made anywhere, for ever.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from research.model.families import hf_tensors, read_hf_config

_COMMON = {
    "vocab_size": 48,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "torch_dtype": "float32",
}
_LLAMA = {**_COMMON, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
_LLAMA |= {"hidden_act": "silu", "num_hidden_layers": 2, "rms_norm_eps": 1e-5}

HF_CONFIGS: dict[str, dict[str, Any]] = {
    "llama2": {**_LLAMA, "num_key_value_heads": 4, "tie_word_embeddings": False},
    "llama3": {
        **_LLAMA,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
        "rope_theta": 500000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16,
        },
    },
    "smollm2": {
        **_LLAMA,
        "num_key_value_heads": 1,
        "tie_word_embeddings": True,
        "rope_theta": 100000.0,
    },
    "qwen2": {
        **_COMMON,
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_act": "silu",
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "rope_theta": 1000000.0,
        "use_sliding_window": False,
        "sliding_window": 32,
        "max_window_layers": 2,
    },
    "qwen3": {
        **_COMMON,
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "hidden_act": "silu",
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "rope_theta": 1000000.0,
    },
    "gemma3": {
        **_COMMON,
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "hidden_activation": "gelu_pytorch_tanh",
        "num_hidden_layers": 4,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        "query_pre_attn_scalar": 24,
        "sliding_window": 4,
        "sliding_window_pattern": 3,
    },
}
ROWS, LENGTH = 2, 24
TOKENS_BxL = (np.arange(ROWS * LENGTH).reshape(ROWS, LENGTH) * 29 + 7) % 48


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 in [-1, 1), decided by the name."""
    bits = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(int(np.prod(shape)))
    return ((bits >> 11) * 2.0**-52 - 1).astype(np.float32).reshape(shape)


def write_tiny(name: str, folder: Path) -> Path:
    """Writes config.json and model.safetensors of one of HF_CONFIGS."""
    hf = HF_CONFIGS[name]
    family, config = read_hf_config(hf, name)
    tensors = {}
    for tensor in hf_tensors(config, family):
        values = uniform(tensor.name, tensor.shape)
        if "norm" in tensor.name:
            values = np.float32(1 - config.norm_offset) + 0.3 * values
        elif tensor.name.endswith("bias"):
            values = 0.5 * values
        elif "embed" not in tensor.name:
            values = 0.4 * values
        tensors[tensor.name] = values
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(hf))
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    return folder
