"""What can go wrong between a transition and its delivery; every error says what to do about it.

PipelineError
├── OutboxError            the outbox file
│   ├── OutboxInUse            another process or connection has it open
│   ├── OutboxUnavailable      it cannot be read or written now (disk full, read-only)
│   └── OutboxTooNew           a newer program wrote it
├── SpoolError             the spool folder
│   ├── SpoolFull              a bound is reached; shed something or go without the image
│   ├── SpoolUnavailable       the folder cannot be written
│   └── SpoolDamaged           a spooled image is gone or altered
├── StoreError             the keyframe store
│   ├── StoreUnavailable       try again later
│   ├── StoreRefused           a person must change the configuration
│   ├── KeyframeMissing        no such key
│   └── KeyframeAltered        the data does not match its sha256
├── HoldsUnreadable        which keyframes must not be deleted is not known
├── SinkError              where events go
│   ├── SinkUnavailable        try again later
│   └── SinkRefused            the answer may be about this event, or about all of them
└── EncodingError          an image could not be made into a keyframe
"""

from __future__ import annotations


class PipelineError(Exception):
    """Anything in this package that is not a programming error."""


class OutboxError(PipelineError):
    """The outbox file cannot be used."""


class OutboxInUse(OutboxError):
    """Another connection has the file; exactly one may."""


class OutboxUnavailable(OutboxError):
    """The file cannot be read or written now."""


class OutboxTooNew(OutboxError):
    """A newer program wrote the file; this one must not touch it."""


class SpoolError(PipelineError):
    """The spool folder, or an image in it, cannot be used."""


class SpoolFull(SpoolError):
    """A bound on bytes, files or free disk is reached."""


class SpoolUnavailable(SpoolError):
    """The spool folder cannot be written."""


class SpoolDamaged(SpoolError):
    """A spooled image is gone or no longer matches its sha256."""


class StoreError(PipelineError):
    """The keyframe store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or is not well; try again later."""


class StoreRefused(StoreError):
    """The store answered no: credentials, bucket or rights need a person."""


class KeyframeMissing(StoreError):
    """The store has no image under this key."""


class KeyframeAltered(StoreError):
    """The data does not match the sha256 it was announced with."""


class HoldsUnreadable(PipelineError):
    """It is not known which incidents are held; nothing may be deleted."""


class SinkError(PipelineError):
    """An event was not acknowledged; the message says why and what to do, without the sink."""


class SinkUnavailable(SinkError):
    """The sink cannot take events now.

    Attributes:
        retry_after_s: How long it asked to be left alone, seconds, if it did.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SinkRefused(SinkError):
    """The sink answered no. Whether to this event or to everything, the next ones will show."""


class EncodingError(PipelineError):
    """An image could not be encoded."""
