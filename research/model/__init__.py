"""The language model: a decoder whose parameters are a plain dict of arrays.

    ModelConfig ──> init_params ──> params ──> hidden_states ──> [B, L, D] ──┐
         │              ▲              │                                     ├──> the loss, logits
         └─ param_shardings(mesh) ─────┴─────> output_projection ──> [D, V] ─┘

The ideas:

* Flax NNX modules say what the layers are; `nnx.split` takes them apart once, and from there on
  parameters, gradients and optimizer states are pytrees of float32 arrays with readable paths
  (`layers/attention/query`).
* Every parameter names its axes ('embed', 'heads', …); one table in `sharding.py` says which mesh
  axes they lie on.  The result depends on the seed, never on the mesh.
* All layers are one scanned body, so that compiling takes as long for 32 layers as for one.
* One masking rule, whatever kernel computes it: a token sees the earlier tokens of its own
  segment, at most a window away.

    >>> config = ModelConfig(vocabulary_size=8192, layers=2, width=64, heads=4, kv_heads=2,
    ...                      head_dim=16, mlp_width=192, max_length=256)
    >>> parameters(config)
    1147200
"""
