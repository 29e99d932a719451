"""A corpus rewritten by a language model: asked, kept, judged and accounted for.

    corpus ──> pieces ──> requests ──> engine ──> store ──> judged ──> corpus
              (style)    (style)    (jax, http)  (SQLite)   (style)

- A *style* (style.py, styles/) is data: a prompt, how its answer is read, and the checks (checks/)
  that a rewrite must satisfy.
- An *engine* (engine.py) runs a model: imported weights in this process, or any OpenAI-compatible
  server (http_engine.py).
- The *store* (store.py) keeps every answer under what it depends on: model, prompt and sampling.
  Nothing is asked twice, whichever job, style version or corpus it was asked for.
- A *job* (job.py) asks for what is not in the store, and makes the new corpus of the answers.  The
  second is a pure function: a stricter check costs no answer.
- The *books* (books.py) tell tokens, seconds, money and acceptance of every source.
- Without a model: problems from templates, sums, sketches and knots (synthesis/); with a verifier:
  solutions drawn until enough are right (rejection_sampling.py).

    $ gristmill rephrase wiki_sample --style wikipedia --engine jax --model smollm2_135m_instruct \\
          --limit 200 --out wiki_again
"""
