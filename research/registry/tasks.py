"""Tasks: a corpus, what is done to its text, and a vocabulary, as real SeqIO Tasks.

    add_task(
        "clean_code",
        corpus="code_sample",
        vocabulary="demo_8k",
        validation_share=0.05,
        domain_fields=("package",),
        preprocessors=(strip_trailing_whitespace,),
    )

A Task made with SeqIO's own `TaskRegistry.add` over a `CorpusDataSource` works as well.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from research import artefacts
from research.corpora.document import Corpus, read_batches
from research.errors import GristmillError
from research.registry.preprocessors import TEXT
from research.registry.seqio_quietly import seqio, tf
from research.registry.specs import check_name
from research.registry.splits import (
    SAMPLE_VALIDATION_SHARE,
    SPLITS,
    check_validation_share,
    split_of,
)
from research.registry.vocabularies import vocabulary as registered_vocabulary

TARGETS = "targets"
SAMPLES = ("web_sample", "wiki_sample", "code_sample", "math_sample", "docs_sample")
SAMPLE_VOCABULARY = "demo_8k"
FEATURES = ("id", TEXT, "source", "meta")  # of a source's examples; meta is JSON


class CorpusDataSource(seqio.DataSource):
    """The documents of a corpus below the data root, part by part, in order.

    An example has the string features id, text, source and meta.  A document belongs to the split
    'train' or 'validation' by its root ancestors; one with roots on both sides is in neither.
    """

    def __init__(
        self, corpus: str, *, validation_share: float, domain_fields: Sequence[str] = ()
    ) -> None:
        """Names a corpus; nothing is read yet.

        Args:
          corpus: its name, with or without '@version'.
          validation_share: share of root ancestors whose documents are held out.
          domain_fields: fields of a document's meta that, after its source, make its domain.

        Raises:
          GristmillError: a validation share outside [0, 1).
        """
        super().__init__(splits=SPLITS)
        self.corpus = corpus
        self.validation_share = check_validation_share(validation_share, f"corpus {corpus}")
        self.domain_fields = tuple(domain_fields)

    @property
    def supports_arbitrary_sharding(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"CorpusDataSource({self.corpus}, validation_share={self.validation_share})"

    def list_shards(self, split: str) -> Sequence[str]:
        """The parts of the corpus: each holds documents of both splits."""
        return self._open().parts

    def num_input_examples(self, split: str) -> int:
        """Number of documents of a split; reads ids and roots of the whole corpus once."""
        corpus = self._open()
        return _count(corpus.folder, tuple(corpus.parts), self.validation_share)[split]

    def get_dataset(
        self,
        split: str = "train",
        shuffle: bool = True,
        seed: int | None = None,
        shard_info: seqio.ShardInfo | None = None,
        **unused: object,
    ) -> tf.data.Dataset:
        """The examples of a split; `shuffle` only reorders parts, as SeqIO's file sources do."""
        corpus = self._open()
        if split not in SPLITS:
            raise GristmillError(f"corpus {self.corpus} has no split {split!r}: only train and "
                                 "validation")  # fmt: skip
        parts = corpus.parts
        if shard_info is not None:
            parts = parts[shard_info.index :: shard_info.num_shards]

        def read(part: bytes) -> Iterator[dict[str, str]]:
            columns = [*FEATURES, "roots"]
            for batch in read_batches(corpus.folder / part.decode(), columns):
                for row in batch.to_pylist():
                    roots = row.pop("roots") or (row["id"],)
                    if split_of(roots, self.validation_share) == split:
                        yield row

        files = tf.data.Dataset.from_tensor_slices(tf.constant(parts, tf.string))
        if shuffle:
            files = files.shuffle(max(1, len(parts)), seed=seed)
        signature = {name: tf.TensorSpec([], tf.string) for name in FEATURES}
        return files.flat_map(
            lambda part: tf.data.Dataset.from_generator(
                read, args=(part,), output_signature=signature
            )
        )

    def _open(self) -> Corpus:
        return Corpus.open(artefacts.data_root(), self.corpus)


@functools.lru_cache(maxsize=64)
def _count(folder, parts: tuple[str, ...], validation_share: float) -> Counter:
    counts: Counter = Counter()
    for part in parts:
        for batch in read_batches(folder / part, ["id", "roots"]):
            for row in batch.to_pylist():
                counts[split_of(row["roots"] or (row["id"],), validation_share)] += 1
    return counts


def targets_from_text(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Copies the feature 'text' to 'targets', which is then tokenised."""

    def on_example(example: Mapping[str, tf.Tensor]) -> Mapping[str, tf.Tensor]:
        return {**example, TARGETS: example[TEXT]}

    return dataset.map(on_example, num_parallel_calls=tf.data.AUTOTUNE)


def add_task(
    name: str,
    *,
    corpus: str,
    vocabulary: str,
    validation_share: float,
    domain_fields: Sequence[str] = (),
    preprocessors: Sequence[Callable] = (),
) -> seqio.Task:
    """Registers a SeqIO Task over a corpus.

    Every document becomes its tokens followed by EOS, untrimmed.

    Args:
      name: the Task's name: letters, digits and '_ . : #', not '.', ':' or '#' first.
      corpus: name of a corpus, with or without '@version'; it may be built later.
      vocabulary: name of a vocabulary; it may be made later.
      validation_share: share of root ancestors whose documents are held out; one for all Tasks
        of a mixture.
      domain_fields: fields of a document's meta that, after its source, make its domain.
      preprocessors: what is done to the text, in order: functions decorated with
        `@text_preprocessor` (or a `functools.partial` of one), which run everywhere; or any
        function from tf.data.Dataset to tf.data.Dataset, which only SeqIO can run.

    Returns:
      The Task, which `seqio.TaskRegistry.get(name)` returns too.

    Raises:
      GristmillError: the name is taken or ill-formed, or the validation share is not in [0, 1).
    """
    check_name(name, "Task")
    if name in seqio.TaskRegistry.names() or name in seqio.MixtureRegistry.names():
        raise GristmillError(f"Task {name}: there is a Task or Mixture of that name already")
    check_validation_share(validation_share, f"Task {name}")
    return seqio.TaskRegistry.add(
        name,
        source=CorpusDataSource(
            corpus, validation_share=validation_share, domain_fields=domain_fields
        ),
        preprocessors=[
            *preprocessors,
            targets_from_text,
            seqio.preprocessors.tokenize,
            seqio.preprocessors.append_eos,
        ],
        output_features={
            TARGETS: seqio.Feature(vocabulary=registered_vocabulary(vocabulary), add_eos=True)
        },
    )


for _sample in SAMPLES:
    add_task(
        _sample,
        corpus=_sample,
        vocabulary=SAMPLE_VOCABULARY,
        validation_share=SAMPLE_VALIDATION_SHARE,
    )
    add_task(
        f"{_sample}_bytes",
        corpus=_sample,
        vocabulary="byte",
        validation_share=SAMPLE_VALIDATION_SHARE,
    )
