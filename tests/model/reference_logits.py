"""Prints the logits of Hugging Face folders by `transformers`, as JSON: {folder: [[[…]]]}.

Run by the slow test of weights in whatever interpreter has `torch` and `transformers`:

    python tests/model/reference_logits.py TOKENS_JSON FOLDER …
"""

from __future__ import annotations

import json
import sys

import torch
import transformers

tokens = torch.tensor(json.loads(sys.argv[1]))
logits = {}
for folder in sys.argv[2:]:
    model, found = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not found["missing_keys"] and not found["unexpected_keys"], (folder, found)
    with torch.no_grad():
        logits[folder] = model.eval()(tokens).logits.tolist()
print(json.dumps(logits))
