"""llama.cpp's server, for benchmarks to compare with; run by an interpreter that has `xllamacpp`.

    python llama_server.py '{"model": "x.gguf", "slots": 8, "context": 1024, "threads": 2}'

Prints its address, and at each line on its standard input the CPU-seconds it has used so far.
"cache": "f32" keeps keys and values as they are computed; llama.cpp itself rounds them to float16.
"""

from __future__ import annotations

import json
import sys
import time

from xllamacpp import CommonParams, Server, ggml_type, llama_flash_attn_type

settings = json.loads(sys.argv[1])
p = CommonParams()
p.model.path = settings["model"]
p.hostnames, p.port = ["127.0.0.1"], 0
p.n_parallel = settings["slots"]
p.n_ctx = settings["context"] * settings["slots"]
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings["threads"]
p.verbosity = -1
if settings.get("cache") == "f32":
    p.cache_type_k = p.cache_type_v = ggml_type.GGML_TYPE_F32
    p.flash_attn_type = llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = Server(p)
print(server.listening_address, flush=True)
for _ in sys.stdin:
    print(time.process_time(), flush=True)
