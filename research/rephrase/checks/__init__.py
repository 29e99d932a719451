"""What a rewrite must satisfy before it may be trained on.

    answer ──> parse ──> rewrite ──> check ──> check ──> … ──> taken
                                       └─> Rejection(reason, detail), counted with examples

A check is a frozen dataclass whose fields are its thresholds; it sees the piece of text and the
rewrite of it, and nothing else, so a corpus can be judged anew without asking the model again.
"""
