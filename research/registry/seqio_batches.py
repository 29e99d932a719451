"""SeqIO as an executor: the pipeline that ours is measured against, and used for nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from research.registry.seqio_quietly import seqio, tf


def packed_batches(
    folder: Path,
    sources: Sequence[tuple[np.ndarray, np.ndarray]],
    weights: Sequence[float],
    length: int,
    batch: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Batches of a SeqIO Mixture over tokens cached as tf.Examples.

    Args:
      folder: where the examples are written, once.
      sources: (tokens, offsets) of each.
      weights: mixing rates, of examples as SeqIO has them.
      length: of packed rows.
      batch: rows in a batch.
    """
    targets = seqio.Feature(seqio.PassThroughVocabulary(1 << 16), add_eos=False)
    description = {"targets": tf.io.RaggedFeature(tf.int64)}
    names = []
    for number, (tokens, offsets) in enumerate(sources):
        path = folder / f"{number}.tfrecord"
        if not path.exists():
            _write_examples(path, tokens, offsets)
        names.append(f"seqio_batches_{number}")
        seqio.TaskRegistry.add(
            names[-1],
            source=seqio.TFExampleDataSource({"train": str(path)}, description),
            preprocessors=[_as_int32],
            output_features={"targets": targets},
        )
    mixture = "seqio_batches"
    seqio.MixtureRegistry.add(mixture, list(zip(names, weights, strict=True)))
    dataset = seqio.get_dataset(
        mixture,
        {"targets": length},
        seqio.DecoderFeatureConverter(pack=True),
        shuffle=True,
        num_epochs=None,
        batch_size=batch,
        seed=0,
    )
    yield from dataset.prefetch(8).as_numpy_iterator()


def _as_int32(dataset: tf.data.Dataset) -> tf.data.Dataset:
    return dataset.map(lambda example: {"targets": tf.cast(example["targets"], tf.int32)})


def _write_examples(path: Path, tokens: np.ndarray, offsets: np.ndarray) -> None:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for a, b in itertools.pairwise(offsets):
            values = tf.train.Int64List(value=tokens[a:b].tolist())
            features = tf.train.Features(feature={"targets": tf.train.Feature(int64_list=values)})
            writer.write(tf.train.Example(features=features).SerializeToString())
