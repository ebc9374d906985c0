"""The card of an imported package, written from facts; what was not measured is said to be so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model_tools.thresholds_section import thresholds_section
from models import Manifest

ACCURACY_METRICS = ("map50", "map50_95", "map")


def card_text(
    manifest: Manifest,
    labels: Sequence[str],
    facts: Mapping[str, Any],
    mapping: Mapping[str, str | None] | None,
    source_of_thresholds: str,
) -> str:
    """The card in Markdown.

    Args:
        manifest: What `model.yaml` says.
        labels: What the package calls its classes.
        facts: What inspection and building found out.
        mapping: Foreign class → label, if there was one.
        source_of_thresholds: Where its thresholds come from, sentences.
    """
    source = manifest.source
    return f"""# {manifest.name} {manifest.version}

Imported from `{source.file}` (sha256 `{source.sha256}`). {source.architecture}.

## What it finds

{len(labels)} of the network's {facts["classes"]} classes: {", ".join(labels)}.
{_mapping(mapping)}
{thresholds_section(manifest.thresholds, source_of_thresholds)}
## How it was brought in

- Head: `{source.head}`. Decoding and selection are inside the graph.
- Scores: {source.scores}.
- Preprocessing, inside the graph: {source.preprocessing}.
- Images: {manifest.input.width}x{manifest.input.height} uint8 RGB, {_fit(manifest)},
  {_batch(manifest, facts)}.
- Precision: {manifest.precision}.
- Verified on {facts["images"]} golden images ({facts["origin"]}) with {facts["objects"]} objects
  above the thresholds: before any conversion, the graph gave what the file gives on its own, within
  0.01 pixels and 0.001 of score.

## How well it finds what there is

{_measured(manifest)}

## Where it comes from

- Licence of the weights: {manifest.licence}.
- Training data: {source.training_data}.
"""


def _fit(manifest: Manifest) -> str:
    return "stretched" if manifest.input.fit == "stretch" else "letterboxed"


def _mapping(mapping: Mapping[str, str | None] | None) -> str:
    if mapping is None:
        return ""
    kept = [f"{foreign} → {ours}" for foreign, ours in mapping.items() if ours is not None]
    return f"\nForeign classes and ours: {', '.join(kept)}. All others are dropped.\n"


def _batch(manifest: Manifest, facts: Mapping[str, Any]) -> str:
    if not manifest.input.dynamic_batch:
        return f"exactly {manifest.input.max_batch} at a time, as the file was exported"
    freed = facts["batch_of_file"]
    origin = f"; the file took exactly {freed}, which was rewritten and verified" if freed else ""
    return f"up to {manifest.input.max_batch} at a time{origin}"


def _measured(manifest: Manifest) -> str:
    lines = [f"- {name}: {value:g}" for name, value in manifest.measured.items()]
    if not any(name in manifest.measured for name in ACCURACY_METRICS):
        lines.append("Not measured on labelled images: `cityeye models eval` does that.")
    return "\n".join(lines)
