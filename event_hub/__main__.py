"""Runs a hub on its own: `python -m event_hub --database sqlite:///hub.db --keyframes FOLDER`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from pydantic import SecretStr, ValidationError

from event_hub.errors import HubError
from event_hub.keyframes import FolderKeyframes
from event_hub.server import serve
from event_hub.settings import DEFAULT_PORT, HubSettings


def main() -> int:
    """Parse the command line and serve; 2 means the hub could not begin."""
    parser = argparse.ArgumentParser(prog="event_hub", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--database", default="sqlite:///event_hub.db", metavar="URL")
    parser.add_argument("--keyframes", type=Path, default=Path("keyframes"), metavar="FOLDER")
    parser.add_argument("--webhook-secret-file", type=Path, help="one whsec_ secret per line")
    parser.add_argument("--no-console", action="store_true", help="serve the API alone")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    try:
        settings = HubSettings(
            host=arguments.host,
            port=arguments.port,
            database=arguments.database,
            console=not arguments.no_console,
            webhook_secrets=_secrets(arguments.webhook_secret_file),
        )
        serve(settings, FolderKeyframes(arguments.keyframes), on_ready=_announce)
    except ValidationError as error:
        sys.stderr.write(f"{error.errors(include_input=False)[0]['msg']}\n")
        return 2
    except (HubError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _secrets(file: Path | None) -> tuple[SecretStr, ...]:
    lines = file.read_text().split() if file is not None else []
    return tuple(SecretStr(line) for line in lines)


def _announce(url: str) -> None:
    sys.stdout.write(f"CityEye event hub at {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
