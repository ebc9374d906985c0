"""A receiver that knows the published description and nothing of this program.

Reads all events of a hub, checks each by the schemas that the hub names, keeps the newest state of
each incident by the rules of docs/events.md, and prints it: `python consumer.py URL TOKEN`.
"""

import json
import sys
import urllib.request

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


def read(url: str, token: str = "") -> dict:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return json.load(answer)


def validators(hub: str) -> dict[str, Draft202012Validator]:
    """What checks an event, by its type; schemas are fetched as they are named."""
    home = f"{hub}/schemas/asyncapi.json"
    document = read(home)
    registry = Registry(  # type: ignore[call-arg]
        retrieve=lambda url: Resource.from_contents(read(url), default_specification=DRAFT202012)
    )
    found = {}
    for message in document["components"]["messages"].values():
        schema = {"$id": home, **message["payload"]["schema"]}
        found[message["name"]] = Draft202012Validator(schema, registry=registry)
    return found


def main(hub: str, token: str) -> None:
    checks, seen, after = validators(hub), set(), 0
    newest: dict[str, tuple] = {}
    while True:
        page = read(f"{hub}/api/events?after={after}&limit=50", token)
        for event in (one["event"] for one in page["events"]):
            checks[event["type"]].validate(event)
            *_, name, major = event["dataschema"].split(":")
            schema = read(f"{hub}/schemas/{name}-{major}.json")
            assert schema["$id"] == event["dataschema"], schema["$id"]
            seen.add((event["source"], event["id"]))
            if event["type"].startswith("cityeye.incident."):
                order = (event["incarnation"], event["sequence"])
                known = newest.get(event["data"]["incident_id"], ((-1, ""), {}))
                newest[event["data"]["incident_id"]] = max(
                    known, (order, event["data"]), key=lambda one: one[0]
                )
        if not page["events"]:
            break
        after = page["next_after"]
    state = {name: data["phase"] for name, (_, data) in newest.items()}
    print(json.dumps({"events": len(seen), "incidents": state}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
