"""Gristmill: a laboratory for language-model pre-training data.

Data flows one way, and so do the imports:

    corpora -> curate -> rephrase -> registry -> input_pipeline -> train -> evaluate -> analyse

* A *corpus* is a folder of Parquet parts with a manifest; every document knows what it was made of.
* A SeqIO *Task* names a corpus, its preprocessors and a vocabulary; a *Mixture* names Tasks and
  their shares of the tokens.  `research.registry` is the only package that imports TensorFlow.
* A *token cache* is a Task made into memory-mapped tokens; batches are a pure function of the
  caches, a mixture plan and a step number.
"""
