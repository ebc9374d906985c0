"""The robots of groups of WeCom, DingTalk and Feishu, as their makers describe them.

WeCom: developer.work.weixin.qq.com/document/path/91770. DingTalk:
open.dingtalk.com/document/robots/custom-robot-access. Feishu:
open.feishu.cn/document/client-docs/bot-v3/add-custom-bot. All answer 200 with a code in JSON.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus

from event_hub.subscriptions.message import RobotMessage
from event_hub.subscriptions.outcome import DeliveryOutcome, OutgoingRequest, ReceivedAnswer

JSON_TYPE: Final = "application/json; charset=utf-8"
WECOM_BYTES: Final = 4096
LONGEST_BYTES: Final = 16_000
"""Of a message to DingTalk or Feishu, which take 20 kB with all that is around it."""

RATE_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Robot:
    """One maker's robots.

    Attributes:
        per_minute: Messages that one takes; more are refused, and DingTalk locks it for 10 min.
        codes: Names of the code in an answer; 0 is success.
        too_many: Codes that say that there were too many.
        settings: Codes that say that key, signature or keyword are wrong: no message would pass.
        write: Target and body for a message, target, secret and time.
    """

    per_minute: float
    codes: tuple[str, ...]
    too_many: Collection[int]
    settings: Collection[int]
    write: Callable[[RobotMessage, str, str, datetime], tuple[str, Mapping[str, Any]]]
    wait_s: float = RATE_WAIT_S

    def request(
        self, message: RobotMessage, target: str, secret: str, now: datetime
    ) -> OutgoingRequest:
        """What is posted for a message."""
        target, body = self.write(message, target, secret, now)
        text = json.dumps(body, ensure_ascii=False).encode()
        return OutgoingRequest(target, {"Content-Type": JSON_TYPE}, text)

    def outcome(self, answer: ReceivedAnswer) -> DeliveryOutcome:
        """What an answer with a status of success says."""
        try:
            said = json.loads(answer.body)
            code = next(int(said[name]) for name in self.codes if name in said)
        except (ValueError, TypeError, StopIteration):
            return DeliveryOutcome(
                "down", "the receiver does not answer as a robot does; check its URL"
            )
        if code == 0:
            return DeliveryOutcome("accepted")
        if code in self.too_many:
            return DeliveryOutcome(
                "down", f"the robot takes no more for now (code {code})", self.wait_s
            )
        if code in self.settings:
            return DeliveryOutcome(
                "down", f"the robot refuses everything (code {code}); check its key and secret"
            )
        return DeliveryOutcome("refused", f"the robot refused the message (code {code})")


def _wecom(
    message: RobotMessage, target: str, secret: str, now: datetime
) -> tuple[str, Mapping[str, Any]]:
    content = cut(f"**{message.title}**\n{message.text}", WECOM_BYTES, message.link)
    return target, {"msgtype": "markdown", "markdown": {"content": content}}


def _dingtalk(
    message: RobotMessage, target: str, secret: str, now: datetime
) -> tuple[str, Mapping[str, Any]]:
    if secret:
        stamp = str(int(now.timestamp() * 1000))
        digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
        joint = "&" if "?" in target else "?"
        sign = quote_plus(base64.b64encode(digest))
        target = f"{target}{joint}timestamp={stamp}&sign={sign}"
    # A single line feed is no new line there.
    lines = message.text.replace("\n", "\n\n")
    text = cut(f"### {message.title}\n\n{lines}", LONGEST_BYTES, message.link)
    return target, {"msgtype": "markdown", "markdown": {"title": message.title, "text": text}}


def _feishu(
    message: RobotMessage, target: str, secret: str, now: datetime
) -> tuple[str, Mapping[str, Any]]:
    text = cut(message.text, LONGEST_BYTES, message.link)
    card = {
        "config": {"wide_screen_mode": True},
        "header": {
            "title": {"tag": "plain_text", "content": message.title},
            "template": "red" if message.is_urgent else "blue",
        },
        "elements": [{"tag": "markdown", "content": text}],
    }
    body: dict[str, Any] = {"msg_type": "interactive", "card": card}
    if secret:
        stamp = str(int(now.timestamp()))
        # The text to sign is the key, and what is signed is empty.
        digest = hmac.new(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256).digest()
        body |= {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}
    return target, body


def cut(text: str, most: int, link: str) -> str:
    """The text with a link behind it, cut so that both have at most so many bytes of UTF-8."""
    tail = f"\n\n{link}" if link else ""
    room = most - len(tail.encode())
    return text.encode()[:room].decode(errors="ignore") + tail


WECOM: Final = Robot(18.0, ("errcode",), {45009, 45033}, {93000, 40014, 40001}, _wecom)
DINGTALK: Final = Robot(
    18.0, ("errcode",), {130101, 130102, 410100}, {310000, 300001, 40035}, _dingtalk, 600.0
)
FEISHU: Final = Robot(
    60.0, ("code", "StatusCode"), {11232, 9499}, {19001, 19021, 19022, 19024}, _feishu
)
