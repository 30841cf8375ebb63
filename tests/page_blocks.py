"""What a page of the documentation says can be done: its fenced blocks, done one after the other in this folder.

    python page_blocks.py docs/paths.md

A process of its own, as a reader has: what tests before have left in memory counts against no limit that a page gives.
"""

import re
import shlex
import sys
from pathlib import Path

from command_line import call

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKIPPED = "# not run"
NOT_AT_HAND = ("dnmf demo", "--scheduler", "--workers", "s3://", "deploy/")  # clusters, buckets, and what takes long


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return [text for found, text in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def commands_in(text: str) -> list[list[str]]:
    """Return the words of every ``dnmf …`` command in some lines for a shell."""
    lines = text.replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [shlex.split(part, comments=True) for part in parts if part.startswith("dnmf ")]


def do(page: Path) -> None:
    """Run the blocks of a page: Python as one module, commands by their words."""
    names = {"__name__": "__main__"}
    for number, (language, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")), 1):
        if language == "python":
            code = compile(text, f"{page.name}, block {number}", "exec")
            if not text.startswith(SKIPPED):
                exec(code, names)
        elif language == "sh" and not any(word in text for word in NOT_AT_HAND):
            for words in commands_in(text):
                result = call(*words[1:])
                assert result.exit_code == 0, f"{' '.join(words)}: {result.stderr}"


if __name__ == "__main__":
    do(Path(sys.argv[1]))
