"""From crawl pages to training text, every decision counted, sampled and explained.

    corpus ──> recipe = [step, step, …] ──> corpus
                 │ each step: Document -> Document | Edited | Drop
                 └─> what every step dropped and changed, by reason, with examples

- A *step* (steps.py) is a small pure callable with its published thresholds as fields.
- A *recipe* (recipes.py) is a plain list of steps, whose thresholds Gin binds.
- The *runner* (runner.py) applies a recipe to a corpus in several processes, piece by piece, and
  can be interrupted at any time; documents that cannot be processed are quarantined.  Apache Beam
  (beam_runner.py) runs the same pieces, and has the recipe as a transform.
- The *report* (report.py) counts for every step: in = kept + dropped + quarantined, always checked.
- Filters for text are in filters/, for code in code/; programs that edit documents in edits/.

    $ gristmill curate wiki_sample --recipe fineweb_rules --out wiki_rules
    wiki_rules@1 made: 80 of 106 documents, 2.57MB, 0 quarantined, fingerprint b48230d329cf1f86
    step                in  out  dropped  quarantined  edits  bytes in  bytes out  dropped for
    gopher_repetition  106  104        2            0      0    2.85MB     2.83MB  top_2_gram 1, …
    gopher_quality     104   85       19            0      0    2.83MB      2.7MB  gopher_below_…
    c4                  85   81        4            0   1360     2.7MB     2.57MB  curly_bracket 4
    fineweb_quality     81   80        1            0      0    2.57MB     2.57MB  line_punct_ra…

`gristmill curate show` adds the reasons with examples; `gristmill curate explain` runs the steps
again on one document, kept or dropped, and prints every verdict.
"""
