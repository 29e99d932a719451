"""datatrove's inference runner on the job of `gristmill bench client_faults`, in a Python that has
it.

    PYTHON client_faults_anchor.py JOB.json

JOB.json has `url` (up to and without /v1), `slots`, `timeout`, `system`, `max_tokens`, `pieces`
(texts) and `folder` (for its output and checkpoints).  It stands alone: that Python need not have
Gristmill.  Run again after a crash, it goes on from its checkpoints.
"""

import json
import sys
from pathlib import Path


def main(job: dict) -> None:
    """Asks for all pieces, as datatrove's documentation has it, with checkpoints."""
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.writers import JsonlWriter

    async def rollout(document, generate):  # noqa: ANN001, ANN202: datatrove's own signature
        messages = [{"role": "system", "content": job["system"]}]
        messages.append({"role": "user", "content": document.text})
        return await generate({"messages": messages, "max_tokens": job["max_tokens"]})

    folder = Path(job["folder"])
    config = InferenceConfig(
        server_type="endpoint",
        endpoint_url=job["url"],
        api_key="none",
        model_name_or_path="reverser",
        max_concurrent_generations=job["slots"],
        max_concurrent_documents=2 * job["slots"],  # so that its wire need not wait for it
        request_timeout=job["timeout"],
        metric_interval=3600,
    )
    writer = JsonlWriter(
        str(folder / "out"), "${rank}_chunk_${chunk_index}.jsonl", compression=None
    )
    runner = InferenceRunner(
        rollout, config, writer, checkpoints_local_dir=str(folder / "checkpoints"),
        records_per_chunk=200,
    )  # fmt: skip
    runner.run(Document(text, f"{i:06d}") for i, text in enumerate(job["pieces"]))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
