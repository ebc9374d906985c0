"""What the scripts of the pages say, in the language of the page.

A problem that the API names in English is shown in the language of the page where it is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from event_hub.console.language import N_, Language
from event_hub.console.words import KINDS

CONSOLE: Final = {
    "days": N_("%(days)s d %(hours)s h"),
    "shown": N_("New incident"),
    "error": N_("This did not work. Try again."),
    "error401": N_("Your session has ended: log in again."),
    "error403": N_("You are not allowed to do this."),
    "error404": N_("It is not there any more: retention has deleted it, or it never came."),
    "error409": N_("Somebody else has just done something else with it: look again."),
    "error422": N_("Something is missing in what you entered, or wrong."),
    "error502": N_("What is stored is not what the event names."),
    "error503": N_("The store does not answer: try again."),
    "reasonMissing": N_("Choose a reason."),
    "reasonOther": N_("Say which reason it is."),
    "toMissing": N_("Say to whom it goes."),
    "textMissing": N_("Write the note."),
    "reasonTooShort": N_("Give a reason of at least 8 characters."),
    "refused": N_("It was refused:"),
}
CHANGES: Final = {
    "error404": N_("The city has no such camera any more."),
    "error409": N_("The configuration was changed meanwhile, or the city refuses the change."),
    "error502": N_("The city's control API does not let the hub do this."),
    "error503": N_("The city does not answer: try again."),
    "notTaken": N_("It stands in the file, and the city has not taken it:"),
}
"""Where a city is changed; some instead of those of the console."""

TRIAL: Final = {
    "untested": N_("This address and login are not tested."),
    "testing": N_("The camera is being opened; this takes some seconds."),
    "sourceMissing": N_("Give the address of the camera."),
    "testGood": N_("It gives images: {codec}, {width}x{height}, {fps} per second."),
    "testGoodMain": N_("Its main stream gives {width}x{height}."),
    "testBad": N_("No image came:"),
    "testImage": N_("Image of the camera, not masked"),
}
"""Where a camera is tried before what was given is saved."""

ADDING: Final = {
    "added": N_("Added: {number}. A camera stands in the list once it has reported."),
    "rowGood": N_("in order"),
    "rowsGood": N_("Rows: {number}, all in order. Nothing is changed until you import them."),
    "rowsWrong": N_("Rows: {number}, with problems: {wrong}. Nothing was changed."),
    "checking": N_("The rows are being checked."),
}

CAMERA: Final = {
    "connectionSaved": N_("Saved. The camera is opened anew."),
    "zones": N_("zone"),
    "lines": N_("line"),
    "masks": N_("mask"),
    "pointOf": N_("Point {number} of {total} of {name}: {x} % from the left, {y} % from the top"),
    "pointX": N_("Point {number}, per cent from the left"),
    "pointY": N_("Point {number}, per cent from the top"),
    "pointAdd": N_("Add a point after point {number}"),
    "pointRemove": N_("Remove point {number}"),
    "wayPoint": N_("direction"),
    "masksAll": N_("nothing in it counts"),
    "unwatched": N_("no task watches it, so nothing comes of it"),
    "wholeImage": N_("{task} names no zone and watches the whole image."),
    "inForce": N_("In force: the rules of this camera watch what is drawn here."),
    "notInForce": N_("Not in force yet: the rules of this camera watch something else."),
    "forceUnknown": N_(
        "Saved. Whether it is in force is not known, as the camera gives no frame now."
    ),
    "unsaved": N_("Not saved: the rules of this camera watch what was drawn before."),
    "saving": N_("It is being saved."),
    "nameMissing": N_("Give it a name."),
    "nameTwice": N_("Something else here has this name: give it another."),
    "refusedAtShapes": N_("Nothing was saved: see what is said at the zones, lines and masks."),
    "nothingToUndo": N_("There is no change that can be taken back."),
}
TASKS: Final = {
    "traffic": N_("traffic"),
    "littering": N_("littering"),
    "crowding": N_("crowding"),
}
PROBLEMS: Final = (
    N_("a polygon needs at least {least} corners, got {count}"),
    N_("the polygon has no area"),
    N_("edges cross near {where}; give the corners in order"),
    N_("its two points lie on each other; move them apart"),
    N_("one of its two points lies on the horizon; move it nearer"),
    N_("point {number} at {where} lies outside the image"),
    N_("a zone is called `{name}` too"),
    N_("the zone `{name}` is unknown"),
    N_("the line `{name}` is unknown"),
    N_("`{text}` is no span of time"),
    N_("`{text}` has no length"),
    N_("`{text}` is no time of day"),
    N_("`{text}` is no day or span of days"),
    N_("the schedule has no time zone"),
    N_(
        "camera {name}: its password was given for another address; give it again together with "
        "this one"
    ),
)
"""What the configuration has against a change; `{}` stands for what differs."""

WHOLE_ZONE: Final = "picture"
"""The name of the zone of a task that names none, as events and live frames have it."""


def script_texts(language: Language, page: str) -> Mapping[str, Any]:
    """The texts of a page's scripts."""
    given: dict[str, Any] = {**_in(language, CONSOLE)}
    if page in ("camera", "cameras"):
        given |= _in(language, CHANGES) | _in(language, TRIAL)
        given["problems"] = {text: language.text(text) for text in PROBLEMS}
    if page == "cameras":
        given |= _in(language, ADDING)
    if page == "camera":
        given |= _in(language, CAMERA)
        given |= {"tasks": task_names(language), "kinds": _in(language, KINDS)}
        given["wholeZone"] = WHOLE_ZONE
    return given


def task_names(language: Language) -> dict[str, str]:
    """What the tasks are called, by their codes."""
    return _in(language, TASKS)


def _in(language: Language, texts: Mapping[str, str]) -> dict[str, str]:
    return {name: language.text(text) for name, text in texts.items()}
