"""`request_change`: a change of a configuration, by the city that runs it or in the file alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cityeye.city_requests import CityRequests
from cityeye.config import load_config, state_folder
from cityeye.config_editor import CityAtRest, ConfigEditor
from cityeye.errors import CommandError
from serving import CityAwayError, ask_city


def request_change(
    path: Path, environment: Mapping[str, str], request: Mapping[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer, see `CityRequests`.

    Raises:
        CommandError: The city is another user's.
        ConfigurationError: The file has mistakes.
    """
    state = state_folder(path, environment)
    try:
        answer = ask_city(state, {**request, "config": str(path.resolve())})
    except PermissionError:
        raise CommandError(f"the city with the state folder {state} is another user's") from None
    except CityAwayError:
        city = CityAtRest(load_config(path, environment))
        answer = CityRequests(ConfigEditor(city)).answer(request)
    return int(answer["status"]), dict(answer["body"])
