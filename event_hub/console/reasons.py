"""Reasons that events give in English sentences, in another language where they are known.

A reason is free text with an address or a number in it. The table has the sentences of the cameras'
side with names for those parts; a reason that it does not have is shown as it came, in English.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from event_hub.console.language import N_, Language
from event_hub.console.words import CAMERA_STATES

REASONS: Final = (
    N_("nothing heard for more than {seconds} s; last known: {last}"),
    N_("nothing heard since this hub started; last known: {last}"),
    N_("{state}, {why}"),
    N_("connecting"),
    N_("ended"),
    N_("frames arrive"),
    N_("too few images"),
    N_("too many damaged images"),
    N_("the image is frozen: it has not changed at all for {seconds} s"),
    N_("no image for {seconds} s"),
    N_("no data for {seconds} s"),
    N_("the stream broke ({why})"),
    N_("the stream ended"),
    N_("the stream is not understood: {why}"),
    N_("this program was held up for many seconds"),
    N_("{where} could not be opened ({why})"),
    N_("{where} refused the connection"),
    N_("{where} refused the request"),
    N_("{where} has no such stream"),
    N_("{where} does not send video over {transport}"),
    N_("{where} answered with a server error"),
    N_("the host of {where} was not found in time"),
    N_("the host of {where} has no address"),
    N_("{where} did not answer in time"),
    N_("{where} does not speak TLS as this machine does"),
    N_("{where} must not be dialled: {why}"),
    N_("the certificate of {where} is not trusted ({why})"),
    N_("{where} closed the connection without an answer"),
    N_("{where} is not understood: {why}"),
    N_("{where} points to {other}, which is not followed"),
    N_("the camera offers its video as {codecs}, which is not read"),
    N_("the camera offers no video on this path"),
    N_("the camera forbids the access"),
    N_("the camera refused the login"),
    N_("the camera refused the login {times} times"),
    N_("the camera refused the login once, which may be a damaged answer"),
    N_("other cameras at this address are trying the same login"),
    N_("the camera asks for a login and none is configured"),
    N_(
        "the camera asks for a Basic login, which hands the password over, and has offered Digest "
        "before"
    ),
    N_("the camera asks for a login in an unknown way"),
    N_("it has no image of that moment: {why}"),
    N_("its nearest image is {seconds} s away"),
    N_("its image of that moment is damaged, or cannot be decoded"),
    N_("nothing of it is kept that a decoder could start at"),
    N_("nothing has come for {seconds} s"),
    N_("its video is {codec}, and only {others} is kept"),
    N_("more than {size} MB came since its last key frame; {why}"),
    N_(
        "decoding {some} of the {number} images since its last key frame took more than {seconds} "
        "s; {why}"
    ),
    N_("set the camera to a key frame every one or two seconds"),
    N_(
        "its images are {main} and those that are inferred {inferred}: boxes and zones would lie "
        "elsewhere in them; set both streams to the same ratio of width to height"
    ),
    N_("the reader failed ({why})"),
    N_(
        "the view has moved: aim the camera as before, or draw its zones anew and apply the "
        "configuration"
    ),
    N_("the view is covered: clear what is in front of the lens"),
    N_("the view is blurred: clean or focus the lens"),
    N_("the view is too dark to see anything"),
    N_("the view is washed out, by fog or by glare"),
    N_("the view is full of noise: check the signal of the camera and its cable"),
    N_(
        "the model cannot see well: it is confident of hardly anything that moves; wait for fog or "
        "rain to end, light the place, or try another model"
    ),
    N_("CityEye was stopped"),
    N_("its worker crashed or was replaced"),
    N_("its worker was replaced"),
    N_("its worker was replaced: {why}"),
    N_("it was removed from the configuration"),
    N_("it was removed from the configuration, or moved to another worker"),
    N_("no frame has been analysed yet"),
    N_("no rule of the camera is for this kind"),
    N_("the image does not show the place: {why}"),
    N_("no frame for {seconds} s"),
    N_("the rule is not armed now"),
    N_("it is hidden now"),
    N_("name or password is wrong"),
    N_(
        "too many logins failed: wait {seconds} s, then try again; an administrator can set a new "
        "password meanwhile"
    ),
    N_("the token is not valid; a link works only once"),
    N_("the identity provider did not let you in"),
    N_("this login was not begun here, or is over; begin anew"),
    N_("{name} has no role here: none of the values of {claim} gives one; ask an administrator"),
    N_(
        "{name} has no cameras here: none of the values of {claim} gives a camera group; ask an "
        "administrator"
    ),
    N_("{name} may not log in here; ask an administrator"),
    N_("another user here is called {name}; an administrator has to remove one of them"),
    N_("the identity provider does not answer at {url} ({why})"),
)
"""The most particular first where two fit; `{}` stands for what differs."""

STATE: Final = "{state}, {why}"
_NAME = re.compile(r"\\\{(\w+)\\\}")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    # Without what differs first: `its worker was replaced` fits no other sentence by accident.
    ordered = sorted(REASONS, key=lambda text: text.count("{"))
    return tuple(
        (text, re.compile(_NAME.sub(r"(?P<\1>.+?)", re.escape(text)), re.DOTALL))
        for text in ordered
    )


def translated(language: Language, reason: str) -> str | None:
    """A reason in a language; None where it is not known, English to all."""
    if reason in CAMERA_STATES:
        return language.text(CAMERA_STATES[reason])
    for text, pattern in _patterns():
        found = pattern.fullmatch(reason)
        if found is None or (text == STATE and found["state"] not in CAMERA_STATES):
            continue
        parts = {name: _part(language, name, value) for name, value in found.groupdict().items()}
        return language.text(text).format(**parts)
    return None


def _part(language: Language, name: str, value: str) -> str:
    """What stands in a reason may be a reason itself."""
    known = translated(language, value) if name in {"last", "state", "why"} else None
    return value if known is None else known
