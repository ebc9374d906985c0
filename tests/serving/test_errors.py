"""What an operator reads when a process of Ray is gone."""

from __future__ import annotations

import pytest

from serving.errors import death_of

DIED = (
    "The actor died unexpectedly before finishing this task.\n\tclass_name: CameraWorker\n"
    "The actor is dead because its worker process has died. Worker exit type: {} "
    "Worker exit detail: {}"
)
UNEXPECTED = (
    "Worker unexpectedly exits with a connection error code 2. End of file. Some common causes "
    "include: (1) the process was killed by the OOM killer due to high memory usage, (2) ray stop"
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (DIED.format("SYSTEM_ERROR", UNEXPECTED), "its process crashed or was killed"),
        (DIED.format("SYSTEM_ERROR", "Too slow."), "its process ended: Too slow. (SYSTEM_ERROR)"),
        (DIED.format("NODE_OUT_OF_MEMORY", "Task was killed."),
         "its process ended: Task was killed. (NODE_OUT_OF_MEMORY)"),
        ("The actor died:\nOSError: no such file", "OSError: no such file"),
        ("", "RuntimeError"),
    ],
)  # fmt: skip
def test_the_end_of_a_process_is_said_in_a_few_words(said, words):
    assert death_of(RuntimeError(said)) == words
