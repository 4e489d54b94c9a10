"""`nbpipe snapshot dockerfile`: the makings of a container image, written beside one another or printed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from shlex import quote

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.calling import current_call
from nbpipe.services.imaging import image_for, write_image
from nbpipe.services.snapshot_exchange import file_name
from nbpipe.services.snapshot_records import Snapshot


def dockerfile_answer(snapshot: Snapshot, output: str | None, *, replace: bool, as_json: bool) -> Answer:
    """Write a snapshot's Dockerfile and what it copies, or print the Dockerfile alone where `output` is `-`.

    Raises:
        BadValueError: It cannot be written.
        ConflictError: It is there already, and `replace` is off.
    """
    if output == "-":
        image = image_for(snapshot)
        facts = {"dockerfile": image.dockerfile, "files": list(image.files), "notices": list(image.notices)}
        return sentence(image.dockerfile.rstrip("\n"), image, facts, as_json=as_json)
    # What is copied must not lie where Python looks first: nbpipe itself is among it.
    path = Path(output) if output is not None else Path(f"{file_name(snapshot)}-image") / "Dockerfile"
    made = write_image(snapshot, path, replace=replace)
    for notice in made.notices:
        current_call().say(f"note: {notice}")
    folder = made.path.parent
    lists = [name for name in made.files if "/" not in name]
    said = (
        f"{made.path} is written, with {', '.join(lists)} and nbpipe beside it. Build the image by\n"
        f"  docker build --file {quote(str(made.path))} --tag NAME {quote(str(folder))}"
    )
    return sentence(said, made, asdict(made), as_json=as_json)
