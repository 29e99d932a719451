"""Training: a run is a RunSpec, computed as an ExecSpec says, into a directory.

    gin files ─> RunSpec, ExecSpec ─> loop.train ─┬─> spec.json      what it is
                                       │    ▲     ├─> metrics.jsonl  a line per log_every steps
                   BatchSource ────────┘    │     ├─> checkpoints/   state, place in the data
                   evaluators (passed in) ──┘     └─> result.json    last: the run is finished

The ideas:

* `RunSpec` holds what changes the result and has a fingerprint; `ExecSpec` holds what must not.
* A step is a pure function of a state and a batch; the state is one pytree that lies sharded over
  the mesh, and a batch is a pure function of the step.  So killing a run costs the steps since
  its last checkpoint and changes nothing else.
* A checkpoint carries checksums of its arrays that hold on any mesh; a damaged one is never used.
* "pjit" today is `jax.jit` with `in_shardings` and `out_shardings`.

    $ gristmill config --gin_file gin_configs/runs/proxy_1m_cpu.gin | tail -1
    fingerprint 5b1f…
"""
