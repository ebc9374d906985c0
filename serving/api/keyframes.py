"""Keyframes by the address that events carry where there is no embedded hub.

Only keys as CityEye makes them are asked for, and an object is given away only where its content is
what its key says: the rest of the store stays closed, whatever a caller writes into the path.
"""

# FastAPI reads the annotations of these routes at run time: no postponed annotations here.

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path, Response
from ray import serve

from pipelines import KeyframeMissing, StoreError
from pipelines.event_schemas import SCHEMA_MEDIA_TYPE, SCHEMAS, schema_file, schema_media_type
from pipelines.keyframe_key import is_content_of, is_keyframe_key, why_missing

router = APIRouter()
MAX_KEY_CHARS: Final = 512
IMAGE_HEADERS: Final = {
    # A browser may keep it, and asks each time: it may have been deleted meanwhile.
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@router.get(
    "/keyframes/{key:path}",
    summary="A keyframe that an event names",
    tags=["keyframes"],
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def show_keyframe(key: Annotated[str, Path(max_length=MAX_KEY_CHARS)]) -> Response:
    """404 where there is none, or none any more; 503 while the keyframe store does not answer."""
    if not is_keyframe_key(key):
        raise HTTPException(404, "this is no key of a keyframe")
    data = await stored_evidence(key)
    return Response(data, media_type="image/jpeg", headers=IMAGE_HEADERS)


async def stored_evidence(key: str) -> bytes:
    """What the city's store has under a key, if its digest is the one that the key names.

    Raises:
        HTTPException: 404 where there is none, or none any more; 502 where something else is
            stored; 503 while the store does not answer.
    """
    ingress: Any = serve.get_replica_context().servable_object
    if ingress.keyframes is None:
        raise HTTPException(404, "this city has no keyframe store")
    try:
        data: bytes = await asyncio.to_thread(ingress.keyframes.get, key)
    except KeyframeMissing:
        raise HTTPException(404, why_missing(key)) from None
    except StoreError:
        raise HTTPException(503, "the keyframe store does not answer: try again") from None
    if not is_content_of(key, data):
        raise HTTPException(502, "what is stored is not what its key names")
    return data


@router.get(
    "/schemas/{name}",
    summary="The JSON Schema that an event's `dataschema` names",
    tags=["schemas"],
    response_class=Response,
    responses={200: {"content": {SCHEMA_MEDIA_TYPE: {}}}},
)
async def show_schema(name: Annotated[str, Path(max_length=MAX_KEY_CHARS)]) -> Response:
    """Without a token: `/schemas/incident-1.json` for `urn:cityeye:schema:incident:1`.

    `/schemas/asyncapi.json` describes all events.
    """
    schema = schema_file(name)
    if schema is None:
        raise HTTPException(404, f"there is no such schema; there are {', '.join(SCHEMAS)}")
    return Response(schema, media_type=schema_media_type(name))
