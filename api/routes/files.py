"""Files to documents: one multipart request, any number of files, each parsed by its type."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from api.dependencies import CollectionName, Kb, Runner, State, WriteCaller, existing
from api.errors import ApiError
from api.http.responses import JsonResponse
from api.jobs.presentation import job_json
from api.jobs.tasks import with_caller
from api.jobs.uploads import About, keep, read_upload
from api.routes.failures import failures
from api.routes.writes import WaitFor, wait, write_status
from api.wire.base import WITHOUT_NUL, Groups, Metadata
from api.wire.documents import UploadResponse
from api.wire.jobs import JobView
from retrieval.catalog import Receipt
from retrieval.types import Document

MAX_FILES = 100  # of one request
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(Metadata)
_GROUPS: TypeAdapter[list[str]] = TypeAdapter(Groups)

router = APIRouter(prefix="/collections/{collection}", tags=["documents"], responses=failures(415))


@router.post(
    "/documents:upload",
    response_model=UploadResponse,
    responses={
        202: {"model": UploadResponse | JobView},
        207: {"model": UploadResponse, "description": "Some files failed."},
    },
    summary="Upload files",
)
async def upload_files(
    request: Request,
    kb: Kb,
    caller: WriteCaller,
    collection: CollectionName,
    state: State,
    jobs: Runner,
    files: Annotated[
        list[UploadFile], File(description="Text, Markdown, HTML, PDF, Office, CSV, JSON, mail, pictures.")
    ],
    acl: Annotated[list[str] | None, Form(description="Groups that may read them; repeat for more.")] = None,
    metadata: Annotated[str, Form(description="A JSON object for all of them.")] = "{}",
    prefix: Annotated[
        str, Form(max_length=500, pattern=WITHOUT_NUL, description="Put before each file's name to make its key.")
    ] = "",
    folders: Annotated[bool, Form(description="Keep the folders that a file's name begins with in its key.")] = False,
    wait_for: WaitFor = "committed",
    background: Annotated[bool, Query(description="Keep them, answer 202 with a job, and store them by it.")] = False,
) -> Response:
    """Parse files and store each as a document, its key being `prefix` and the file's name.

    Of several files of one name only the first is stored; the others are reported as failures.
    """
    if len(files) > MAX_FILES:
        raise ApiError(422, "invalid_request", f"{len(files)} files; expected at most {MAX_FILES} in one request")
    contents = [(_name(file, folders), await file.read()) for file in files]
    groups = None if acl is None else tuple(_parsed("acl", _GROUPS, acl))
    about = About(prefix, _parsed("metadata", _METADATA, _json(metadata)), groups)

    def store() -> Response | tuple[Receipt, list[dict[str, Any]]]:
        found = existing(kb, collection)
        if background:
            upload = keep(kb.settings, found, contents, about)
            job = jobs.submit("upload", collection, with_caller({"upload": upload}, caller.principal))
            return JsonResponse(job_json(job), 202, {"Location": f"/v1/jobs/{job.id}"})
        names = [name for name, _ in contents]
        ocr = kb.settings.reads_pictures
        read = [read_upload(about, name, data, names[:at], ocr) for at, (name, data) in enumerate(contents)]
        documents = [one for one in read if isinstance(one, Document)]
        if not documents:
            errors = [item for item in read if isinstance(item, dict)]
            raise ApiError(422, "unreadable_file", f"no file could be read: {errors[0]['error']}", detail=errors)
        receipt = kb.write(collection, documents)
        state.detail |= {"seq": receipt.seq, "files": len(documents)}
        outcomes = iter(receipt.outcomes)
        shown = [
            {"file": name, "key": one.key, "outcome": next(outcomes).value} if isinstance(one, Document) else one
            for (name, _), one in zip(contents, read, strict=True)
        ]
        contents.clear()  # so that nobody who waits holds so much
        return receipt, shown

    stored = await run_in_threadpool(store)
    if isinstance(stored, Response):
        return stored
    receipt, shown = stored
    searchable = await wait(request, collection, receipt.seq, receipt.collection_id, wait_for)
    status = 207 if len(receipt.outcomes) < len(shown) else write_status(searchable, wait_for)
    return JsonResponse({"seq": receipt.seq, "files": shown, "searchable": searchable}, status)


def _name(file: UploadFile, folders: bool) -> str:
    """The file's own name, after the folders that the client sends before it where they are wanted."""
    path = PurePosixPath((file.filename or "").replace("\\", "/").replace("\x00", ""))
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    if not parts:
        raise ApiError(422, "invalid_request", "a file has no name; send one in its part's Content-Disposition")
    return "/".join(parts if folders else parts[-1:])


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ApiError(422, "invalid_request", f"metadata is not JSON ({error}); expected an object") from error


def _parsed(field: str, adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise ApiError(422, "invalid_request", f"{field} does not fit: {reason}") from error
