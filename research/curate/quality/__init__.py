"""Quality models: what good text looks like, learned from text, and used to choose text.

    corpora, scores or ratings ──> examples ──> linear model ──> calibrated on held-out documents
                                                    │
        step `quality` (keep_share, min_score) <────┴──> `gristmill quality score`

- features.py: a text as the average of its hashed word unigrams and bigrams; linear.py: ordinal
  heads over them, trained and calibrated; training.py, metrics.py: what they are worth
- examples.py: labelled texts, without repetitions, split by root; models.py: models on disk
- ranked.py, step.py: documents kept by a score, the kept share exact
"""
