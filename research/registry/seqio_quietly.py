"""Imports SeqIO and TensorFlow, for the rest of this package, without their notices.

TensorFlow 2.21 logs to file descriptor 2 before any of its settings is read, so the descriptor
itself is turned away during the import; if the import fails, what was written is shown.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from research.registry.interrupts import interrupts_kept


@contextlib.contextmanager
def stderr_withheld() -> Iterator[None]:
    """Keeps what is written to descriptor 2 back, and shows it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as withheld:
        os.dup2(withheld.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            withheld.seek(0)
            os.write(kept, withheld.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


with stderr_withheld(), interrupts_kept():
    import seqio
    import tensorflow as tf

    # the accelerators are JAX's: TensorFlow would take all of their memory
    with contextlib.suppress(RuntimeError):  # the user has started TensorFlow before us
        for kind in ("GPU", "TPU"):
            tf.config.set_visible_devices([], kind)

__all__ = ["seqio", "stderr_withheld", "tf"]
