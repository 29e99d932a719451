"""From plain specs to exact batches; numpy and grain, no TensorFlow.

    TaskSpec --token_cache--> tokens --packing--> rows --mixture_plan--> batch s --loader--> device

* A batch is a pure function of (plan, step): nothing is shuffled by a buffer, nothing is trimmed,
  and the state of the data in a checkpoint is a step and a hash.
* Row i of a source depends on the seed, the source and L alone: two arms of an experiment see each
  source in the same order, whatever else they mix.
* Every target can be traced to its document and offset.

A plan prints as `gristmill mixture show`; a source of batches reads like a list:

    >>> batch = BatchSource(spec, caches, bos_id=3, pad_id=0)[1000]   # doctest: +SKIP
    >>> {key: value.shape for key, value in batch.items()}            # doctest: +SKIP
    {'inputs': (64, 1024), 'targets': (64, 1024), 'segment_ids': (64, 1024), ...}
"""
