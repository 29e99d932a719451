"""Text that no language model writes: templates, rules and rearranged documents.

    settings, seed, number of the item [, documents of a source]  ->  item  ->  corpus

* `generator`       what a generator is; `generators` finds one by its name.
* `corpus`          makes a corpus of its items, in any number of processes.
* `draws`           random draws that depend on a key alone.
* `math_templates`  word problems; `problem` and `exact` prove each of them.

Item i is a function of what is named above, so more items, other workers or an interruption change
none of those made before:

    >>> math = find_generator("math_templates")                        # doctest: +SKIP
    >>> next(math.items(seed=0, start=7, stop=8, source=None)).meta["answer"]   # doctest: +SKIP
    'Answer: 24'
"""
