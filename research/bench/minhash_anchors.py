"""The contenders of `gristmill bench minhash` that are not ours, in a Python that has them.

    PYTHON minhash_anchors.py NAME TEXTS.jsonl OUT.npy

prints the CPU-seconds that signing all texts took; datatrove's signatures go to OUT.npy.  It stands
alone: that Python need not have Gristmill.
"""

import json
import re
import sys
import time

import numpy as np


def datatrove(texts: list[str]) -> np.ndarray:
    """Signatures as datatrove's first MinHash step computes them, uint64 [N, 14, 8]."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature

    step = MinhashDedupSignature("/tmp", MinhashConfig())
    step.get_signature(step.get_shingles("load the word tokenizer before the clock runs"))
    start = time.process_time()
    signatures = []
    for text in texts:
        shingles = step.get_shingles(text)
        signatures.append(step.get_signature(shingles) if shingles.size else np.zeros((14, 8)))
    print(time.process_time() - start)
    return np.array(signatures, np.uint64)


def datasketch(texts: list[str]) -> np.ndarray:
    """Signatures and candidate lookups by datasketch, with the words found by one expression."""
    from datasketch import MinHash, MinHashLSH

    word = re.compile(r"[^\W_]+")
    start = time.process_time()
    index = MinHashLSH(num_perm=112, params=(14, 8))
    for number, text in enumerate(texts):
        words = word.findall(re.sub(r"\d+([.,]\d+)?", "0", text.lower()))
        grams = {" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))}
        signature = MinHash(num_perm=112)
        signature.update_batch(grams)
        index.query(signature)
        index.insert(number, signature)
    print(time.process_time() - start)
    return np.zeros(0)


if __name__ == "__main__":
    name, path, out = sys.argv[1:]
    with open(path, encoding="utf-8") as lines:
        found = {"datatrove": datatrove, "datasketch": datasketch}[name](
            [json.loads(line)["text"] for line in lines]
        )
    np.save(out, found)
