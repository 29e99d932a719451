"""How data is defined: SeqIO Tasks and Mixtures, written down as plain specs.

    corpora ──────────► tasks.py ───► mixtures.py ───► export.py ───► specs.py ───► caches, batches
    vocabularies/ ────► add_task      add_mixture      (SeqIO)        MixtureSpec
      tokenizers.py     TaskRegistry  MixtureRegistry                 <root>/mixtures/NAME.json

Three ideas:

*SeqIO defines, our pipeline executes.*  Tasks and Mixtures are real ones in SeqIO's registries, in
plain Python modules that a user can add to (`--modules my_data.py`), or in files of data where they
follow from settings (`definitions`).  What runs later is made from the exported specs, with the
same token ids, and without TensorFlow.  Only this package imports TensorFlow, and of it only
`tasks`, `mixtures`, `vocabularies` and `export` do.

*Shares are of tokens, splits are of roots.*  A Mixture's share is a share of the training tokens.
A document is held out by the hash of its root ancestors (`splits`), so a page and its rewrites are
on the same side in every Task.

*An export knows what it was made from.*  `load_mixture` reads it back in milliseconds while the
modules, the vocabulary and the corpora are unchanged, and exports anew once one is not.

    >>> from pathlib import Path
    >>> from research.registry.tokenizers import load_tokenizer
    >>> tokenizer = load_tokenizer(Path("gristmill_data"), "byte")
    >>> tokenizer.encode("Grist\\n").tolist()
    [74, 117, 108, 118, 119, 13]
    >>> tokenizer.decode([74, 117, 108, 118, 119, 13, tokenizer.spec.eos_id])
    'Grist\\n'
"""

import os

# before anything imports TensorFlow or absl: they log on import
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
