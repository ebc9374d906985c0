"""`cityeye models compare`: what a shadow would have reported, beside what was reported."""

from __future__ import annotations

import json as json_format
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cityeye.city_client import DEFAULT_API, DEFAULT_HUB, CityClient
from cityeye.commands.decision_report import decision_lines
from cityeye.commands.hub_option import HubOption
from cityeye.commands.model_rollout import ApiOption, ModelArgument, TokenFileOption
from cityeye.commands.terminal_text import thresholds_line


def compare(
    name: ModelArgument,
    first: Annotated[str, typer.Argument(metavar="V1", help="The version in service.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Its shadow.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the disputed images.", file_okay=False)
    ] = Path("disputed"),
    json: Annotated[Path | None, typer.Option(help="Write everything to this file too.")] = None,
    api: ApiOption = DEFAULT_API,
    hub: HubOption = DEFAULT_HUB,
    token_file: TokenFileOption = None,
) -> None:
    """Compare two versions on the same frames, and fetch the disputed images."""
    client = CityClient.of(api, token_file, os.environ)
    found = client.get(f"/models/{name}/comparison", first=first, second=second)
    if json is not None:
        json.write_text(json_format.dumps(found, indent=2) + "\n", encoding="utf-8")
    _show_sum(found)
    for camera in found["cameras"]:
        _show_camera(camera)
    _show_costs(found["costs"])
    for line in decision_lines(hub, name, (first, second), token_file):
        typer.echo(line)
    count = _fetch(client, found, out)
    typer.echo(f"{count} disputed images in {out}" if count else "no disputed image")


def _show_sum(found: dict[str, Any]) -> None:
    boxes = found["boxes"]
    typer.echo(f"{found['first']} in service, {found['second']} its shadow")
    typer.echo(f"  {boxes['frames']} frames inferred by both, {found['unseen']} by the first alone")
    typer.echo(f"  boxes: {_boxes(boxes)}")
    if boxes["both"]:
        typer.echo(
            f"  where both found an object: mean IoU {boxes['mean_iou']:.3f}, "
            f"score {boxes['mean_score_difference']:+.3f}"
        )
    typer.echo(
        f"  incidents: {found['incidents_both']} in both, {found['only_first']} only in the first, "
        f"{found['only_second']} only in the second"
    )


def _boxes(boxes: dict[str, Any]) -> str:
    share = "nothing to agree on" if boxes["share"] is None else f"{boxes['share']:.1%} in both"
    return (
        f"{share} ({boxes['both']}), only first {boxes['only_first']}, only second "
        f"{boxes['only_second']}, low confidence in first {boxes['low_confidence_first']}, "
        f"low confidence in second {boxes['low_confidence_second']}"
    )


def _show_camera(camera: dict[str, Any]) -> None:
    typer.echo(f"{camera['camera']} ({camera['task']}): {_boxes(camera['boxes'])}")
    for side in ("first", "second"):
        if thresholds := camera[f"{side}_thresholds"]:
            typer.echo(f"  thresholds of the {side}: {thresholds_line(thresholds)}")
    typer.echo(
        f"  incidents: {camera['incidents_first']} of the first, "
        f"{camera['incidents_second']} of the second, {camera['incidents_both']} the same"
    )
    for note in camera["only"]:
        until = note["ended_at"] or "going on"
        typer.echo(
            f"  only {note['side']}: {note['kind']} in {note['zone']}, {note['severity']}, "
            f"{note['opened_at']} to {until}"
        )
    if camera["fault"]:
        typer.echo(f"  the shadow failed: {camera['fault']}")


def _show_costs(costs: list[dict[str, Any]]) -> None:
    for cost in costs:
        run, queue = cost["inference_ms_per_image"], cost["queue_ms"]
        if run is None:
            typer.echo(f"{cost['model']}: no inference since the workers started")
            continue
        typer.echo(
            f"{cost['model']}: inference {run:.1f} ms per image on {cost['provider']}, of which "
            f"{cost['core_ms_per_image']:.1f} ms of a core; queue time {queue:.1f} ms per batch; "
            f"{cost['errors']} of {cost['requests']} batches failed"
        )
    prices = [cost["core_ms_per_image"] for cost in costs]
    if all(prices):
        times = prices[1] / prices[0]
        typer.echo(f"the second takes {times:.2f} times the processor time of the first")


def _fetch(client: CityClient, found: dict[str, Any], out: Path) -> int:
    """Fetches every image that is disputed and still there; says how many."""
    names = {name for camera in found["cameras"] for name in camera["images"]}
    names |= {note["image"] for camera in found["cameras"] for note in camera["only"]}
    count = 0
    for name in sorted(names - {""}):
        image = client.find_image(f"/comparisons/images/{name}")
        if image is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(image)
            count += 1
    return count
