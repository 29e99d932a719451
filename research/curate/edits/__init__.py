"""Edit programs: cleaning that can be read, checked, stored and replayed.

    text + expert's rewrite ──compile──> program ──┬──execute──> text
                                                   │
    text ──chunks──> refine model ──> programs ────┘      within bounds: step.py

- program.py: a program is text in a small language, parsed and never evaluated
- execute.py: replays it byte for byte, or says why it does not fit
- compile.py, alignment.py: the shortest deletions that make a rewrite of a text
- chunks.py: long documents as numbered chunks, for any `Refiner`, a callable
- line_scorer.py: a small model trained on compiled programs, as a `Refiner`
- store.py, step.py: programs of a corpus on disk, and the step that applies them

    $ gristmill refine compile web_sample web_clean --out programs.jsonl
    $ gristmill refine apply web_sample programs.jsonl --out web_refined
"""
