"""The engine in JAX, over a tiny random model with a tokenizer and a chat template of its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jax
import pytest
import tokenizers

from research.errors import GristmillError
from research.jax_engine import ChatTokenizer, JaxEngine
from research.model.config import ModelConfig
from research.model.transformer import init_params
from research.model.weights import export_hf, import_weights
from research.rephrase.engine import Failure, Message, Request, Response, Sampling

WORDS = "the of and to in is that for it as was with be by on not he his but at are this have from"
SPECIAL = "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
INSTRUCTION = Message("system", f"Write it again, in other words. {WORDS}")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with weights `tiny`."""
    root = tmp_path_factory.mktemp("root")
    made = root / "tokenizer"
    made.mkdir()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(SPECIAL), show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator([WORDS], trainer)
    tokenizer.save(str(made / "tokenizer.json"))
    settings = {"chat_template": TEMPLATE, "eos_token": "<|end|>"}
    (made / "tokenizer_config.json").write_text(json.dumps(settings))
    config = ModelConfig(
        vocabulary_size=304, layers=2, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=64,
        max_length=256, tied_embeddings=True,
    )  # fmt: skip
    params = jax.tree.map(lambda a: 5 * a if a.ndim > 1 else a, init_params(config, 0))
    export_hf(config, params, made, root / "hf")
    import_weights(root, root / "hf", "tiny", "test")
    return root


@pytest.fixture(scope="module")
def engine(root: Path) -> JaxEngine:
    return JaxEngine(root, "tiny", slots=3, context=200)


def request(text: str, **sampling: object) -> Request:
    settings = Sampling(**{"max_tokens": 12} | sampling)
    return Request(text, (INSTRUCTION, Message("user", text)), settings)


def ask(engine: JaxEngine, *requests: Request) -> dict[str, Response | Failure]:
    answers = {asked.key: answer for asked, answer in engine.generate(iter(requests))}
    return {
        key: dataclasses.replace(answer, seconds=0.0) if isinstance(answer, Response) else answer
        for key, answer in answers.items()
    }


def test_a_conversation_is_what_the_template_makes_of_it(root: Path) -> None:
    tokenizer = ChatTokenizer(root / "weights" / "tiny")
    ids = tokenizer.encode((INSTRUCTION, Message("user", "it <|end|> was")))
    text = f"<|system|>{INSTRUCTION.content}<|end|><|user|>it <|end|> was<|end|><|assistant|>"
    assert ids == tokenizer.encode_text(text)
    assert tokenizer.decode(ids).startswith("Write it again")
    assert tokenizer.stop_ids == tokenizer.encode_text("<|end|>")


def test_answers_are_counted_and_cut(engine: JaxEngine) -> None:
    (answer,) = ask(engine, request("his is the but")).values()
    assert isinstance(answer, Response)
    prompt = engine.tokenizer.encode(request("his is the but").messages)
    assert (answer.finish, answer.completion_tokens) == ("length", 12)
    assert answer.prompt_tokens == len(prompt)
    assert answer.text and answer.text == engine.tokenizer.decode(
        engine.tokenizer.encode_text(answer.text)
    )


def test_a_stop_string_ends_an_answer_and_is_no_part_of_it(engine: JaxEngine) -> None:
    (whole,) = ask(engine, request("his is the but", max_tokens=40)).values()
    middle = len(whole.text) // 2
    word = whole.text[middle : middle + 3]
    (cut,) = ask(engine, request("his is the but", max_tokens=40, stop=("@@@@", word))).values()
    assert cut.text == whole.text[: whole.text.index(word)]
    assert cut.finish == "stop"
    assert cut.completion_tokens < whole.completion_tokens


def test_a_prompt_that_is_too_long_fails_for_good_and_alone(engine: JaxEngine) -> None:
    long = request("q" * 300)
    answers = ask(engine, request("it was"), long, request("in his"))
    assert answers.keys() == {"it was", long.key, "in his"}
    failure = answers[long.key]
    assert isinstance(failure, Failure) and failure.permanent
    assert failure.cause.endswith("tokens, the context 200")
    assert all(isinstance(answers[key], Response) for key in ("it was", "in his"))
    assert ask(engine, long) == {long.key: failure}


def test_a_draw_depends_on_its_seed_and_prompt_alone(engine: JaxEngine) -> None:
    words = WORDS.split()
    asked = [
        request(" ".join(words[: n + 1]), seed=n, temperature=1.0, top_p=0.95, max_tokens=5 + 3 * n)
        for n in range(7)
    ]
    together = ask(engine, *asked)
    assert ask(engine, *reversed(asked)) == together
    for one in asked[::3]:
        assert ask(engine, one) == {one.key: together[one.key]}
    other = request(asked[6].key, seed=99, temperature=1.0, top_p=0.95, max_tokens=23)
    assert ask(engine, other)[other.key].text != together[other.key].text


def test_the_model_ends_some_answers_itself(engine: JaxEngine) -> None:
    asked = [request(f"{n} is it", seed=n, temperature=3.0, max_tokens=60) for n in range(12)]
    answers = ask(engine, *asked).values()
    stopped = [answer for answer in answers if answer.finish == "stop"]
    assert stopped and len(stopped) < len(asked)
    assert all(answer.completion_tokens < 60 for answer in stopped)
    assert all(answer.completion_tokens == 60 for answer in answers if answer.finish == "length")
    assert not any("<|" in answer.text for answer in answers)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "has no chat template"),
        ({"chat_template": "{% if %}"}, "the chat template is damaged"),
        ({"chat_template": "{{ messages[9].content }}"}, "their chat template: .*no element 9"),
        ({"chat_template": "{{ raise_exception('no turns') }}"}, "their chat template: no turns"),
        ({"chat_template": "{{ messages[1].content }}."}, "nothing tells that an answer ends"),
    ],
)
def test_bad_templates_get_one_line(
    settings: dict[str, str], words: str, root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "tokenizer.json").write_bytes((root / "tokenizer" / "tokenizer.json").read_bytes())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(GristmillError, match=words) as caught:
        ChatTokenizer(tmp_path)
    assert "\n" not in str(caught.value)
