"""From crawl pages to training text, every decision counted, sampled and explained.

    corpus ──> recipe = [step, step, …] ──> corpus
                 │ each step: Document -> Document | Edited | Drop
                 └─> what every step dropped and changed, by reason, with examples

- A *step* (steps.py) is a small pure callable with its published thresholds as fields.
- A *recipe* (recipes.py) is a plain list of steps.
- The *runner* (runner.py) applies a recipe to a corpus in several processes, piece by piece, and
  can be interrupted at any time; documents that cannot be processed are quarantined.
- The *report* (report.py) counts for every step: in = kept + dropped + quarantined, always checked.
"""
