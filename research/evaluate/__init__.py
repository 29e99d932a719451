"""Measuring models: held-out loss by domain, in bits per byte.

    validation caches ──> rows of whole documents ──> nll of every token ──> sums by document
                                                                                │
                    (name, value) <── bits per byte, loss, by domain and overall ┘

* An evaluator is a small class with `evaluate(params, step)` that yields (name, value); the
  training loop is handed a list of them and knows nothing else about them.
* Every document is scored whole, and sums are kept by document, so that two models can be compared
  document by document.

    >>> for name, value in DomainLoss(...).evaluate(params, step=0):   # doctest: +SKIP
    ...     print(name, round(value, 4))
    demo/web_sample/bits_per_byte 4.0212
"""
