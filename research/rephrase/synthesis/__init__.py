"""Text that no language model writes: templates, rules and rearranged documents.

    settings, seed, number of the item [, documents of a source]  ->  item  ->  corpus

* `generator`       what a generator is; `generators` finds one by its name.
* `corpus`          makes a corpus of its items, in any number of processes.
* `draws`           random draws that depend on a key alone.
* `math_problems`   word problems of `math_templates`; `problem` and `exact` prove each of them.
* `sums`            sums written plainly, reversed, or in columns.
* `untie_knots`     long packs of documents that have to be put together again.
* `sketches`        keywords of a passage, then the passage.
* `variants`        sentences said otherwise, by `english_rules`.

Item i is a function of what is named above, so more items, other workers or an interruption change
none of those made before:

    >>> math = find_generator("math_templates")                        # doctest: +SKIP
    >>> next(math.items(seed=0, start=7, stop=8, source=None)).meta["answer"]   # doctest: +SKIP
    'Answer: 1082'
"""
