"""Filters for code.

    code_language ──> parses ──> generated_code ──> lint_score        licence_header
    by meta or path   compiled   minified, data     pylint's score    noted or taken out

`lint_score` gives pylint's score of a Python file without pylint: python_tokens.py cuts the source
up, syntax_tree.py makes a tree with scopes of it in one walk, class_facts.py knows the classes of
the module and of the standard library, and each lint_*.py yields the messages of one field.

    $ gristmill curate code_sample --recipe swallow_code_filter --out code_clean
"""
