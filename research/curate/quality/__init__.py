"""Quality models: what good text looks like, learned from text, and used to choose text.

    corpora, scores or ratings ──> examples ──> linear model ──> calibrated on held-out documents
                                                    │
        step `quality` (keep_share, min_score) <────┴──> `gristmill quality score`

- features.py: a text as the average of its hashed word unigrams and bigrams; linear.py: ordinal
  heads over them, trained and calibrated; training.py, metrics.py: what they are worth
- sources.py: where labels come from; ratings.py: fourteen criteria and fifteen domains, rated by
  anybody; rules.py: a rater that only counts
- examples.py: labelled texts, without repetitions, split by root; models.py: models on disk
- ranked.py, step.py: documents kept by a score, the kept share exact
"""
