"""Put a trained generator into the package, in half precision, and its model card beside it.

python recipes/generator/ship.py FOLDER
"""

import argparse
import hashlib
from pathlib import Path

import torch
from batches import Pairs
from safetensors.torch import save

from gcl_cli.weights.shipped_generator import FILE

CARD = """# view_generator.safetensors

The painted generator of `gcl views` and `gcl search --from-behind`: a person's body and painted view from another side
-> the person, with alpha. {parameters:,} parameters in half precision, {size:,} bytes, for pictures of 128 x 64 pixels.
sha256: {digest}

## What it learned from
Synthetic people alone: {people:,} of the worlds of seeds {seeds} of `gcl synth` (bodies of the file
body.safetensors, clothes, cameras and scenes drawn by this project), {views:,} views, seen through `gcl mesh`'s own
estimates; in the second world most clothes have blots of other colours. No photograph of anybody, no other network's
weights.
Parts of these pairs, sha256 over all files in order: {pairs}

## How
`bash recipes/generator.sh`, on a CPU: {colours:,} steps of 24 views at half the size by colours, {finish:,} of 16 at
full size with an adversary and a judge of looks ({looks:,} steps); seed 0; {minutes:.0f} minutes of one core.

## Licence
Apache-2.0, as the project.

## What it is not for
It invents what a photograph does not show: faces, prints, what is carried. A view is no evidence of what anybody looks
like, and must not be shown as a photograph, nor be used to identify a person without a person's own judgement of real
pictures. It knows walking and standing adults in street clothes, and draws others as such. Wheelchairs, prams, animals,
costumes and uniforms were never shown to it.
"""


def main() -> None:
    """Write both files; prints the digest for gcl_cli/body/shipped.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of recipes/generator/learn.py; its pairs are in FOLDER/pairs")
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args()
    steps = {
        name: torch.load(given.folder / f"{name}.pt", weights_only=True) for name in ("looks", "colours", "finish")
    }
    weights = {name: value.half().contiguous() for name, value in steps["finish"]["averaged"].items()}
    file = save(weights)
    given.out.write_bytes(file)
    digest, parts = hashlib.sha256(file).hexdigest(), sorted((given.folder / "pairs").glob("*.npz"))
    pairs = Pairs(given.folder / "pairs")
    card = CARD.format(
        parameters=sum(value.numel() for value in weights.values()), size=len(file), digest=digest,
        people=len(pairs), views=sum(pairs.views_of(person) for person in range(len(pairs))),
        seeds=" and ".join(sorted({part.name.partition("_")[0] for part in parts})), pairs=_digest(parts),
        minutes=sum(state["seconds"] for state in steps.values()) / 60,
        **{name: state["step"] for name, state in steps.items()},
    )  # fmt: skip
    given.out.with_suffix(".md").write_text(card)
    print(f'"{given.out.name}": "{digest}",  # for gcl_cli/body/shipped.py')  # noqa: T201


def _digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


if __name__ == "__main__":
    main()
