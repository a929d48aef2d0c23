"""The addresses of objects, each with what it needs of who comes there.

What belongs here: addresses and their parameters. What does not: what is done there. Names of
projects and containers have no `_` and no `.`: what begins or ends with such is something else.
"""

from collections.abc import Mapping
from typing import Any

from gmn_pipeline.serving.objects import (
    archive,
    batches,
    crawl_routes,
    listing,
    many,
    reading,
    shares,
    sharing,
    tus,
    use,
    writing,
)
from gmn_pipeline.serving.objects.rights import Need
from gmn_pipeline.serving.objects.told import DESCRIPTION_SCHEMA, OBJECT_SCHEMA
from gmn_pipeline.serving.objects.visits import JSON, Handler, objects_route
from gmn_pipeline.serving.routes import Answers, Parameter, Route, object_schema

_PROJECT = Parameter("project", "the project", is_required=True, is_in_path=True)
_CONTAINER = Parameter("container", "the container", is_required=True, is_in_path=True)
_NAME = Parameter(
    "name", "the name in it, with its folders: 2022/03/ff_0001.fits", is_required=True,
    is_in_path=True,
)  # fmt: skip
_OBJECT = (_PROJECT, _CONTAINER, _NAME)
_AT = "{project}/{container}/{name:path}"
_VERSION = Parameter("version", "which version, the newest without it", minimum=1)
_SECONDS = Parameter("seconds", "how long the address holds, 3,600 without it", 3_600, minimum=1)
_THROUGH = Parameter(
    "through", "whose address it is: the store's, if that is a bucket, or this server's", "store",
    choices=("store", "server"),
)  # fmt: skip
_OBJECT_ID = Parameter(
    "object_id", "the object's number", minimum=1, is_required=True, is_in_path=True
)
_BEFORE = Parameter("before", "those before this number", minimum=1)
_UNTIL = Parameter("until", "until when it holds (Unix time)", minimum=0)
_SIGNATURE = Parameter("signature", "what proves that it was made here")
_UPLOAD = Parameter("upload", "the upload", is_required=True, is_in_path=True)


def _header(name: str, meaning: str) -> Parameter:
    return Parameter(name, meaning, is_in_header=True)


_IF_MATCH = _header("If-Match", "ETag of what there must be")
_IF_NONE_MATCH = _header("If-None-Match", "*: there must be none")
_DIGEST = _header("Content-Digest", "sha-256=:...:, what the bytes must have (RFC 9530)")
_CHECKSUM = _header("X-Checksum-Sha256", "the same in hex")
_SAID = _header("GMN-Description", "what is said of it, as JSON: as in _about")
_TUS = _header("Tus-Resumable", "1.0.0")
_OFFSET = _header("Upload-Offset", "from which byte on")
_SUM = _header("Upload-Checksum", "sha1 or sha256, and it in base64")
_EMPTY = (Answers(JSON, "{}", {"type": "object"}),)
_BINARY = {"type": "string", "format": "binary"}
_BYTES = (Answers("application/octet-stream", "Its bytes", _BINARY),)
_OVERRIDE = _header("X-HTTP-Method-Override", "by POST: PATCH or DELETE")
_ONE = (Answers(JSON, "The object", OBJECT_SCHEMA),)
_SOME = (Answers(JSON, "Objects, a page of them", object_schema(objects="array")),)
_SHARES = (Answers(JSON, "Shares that hold", object_schema(shares="array")),)
_ANY = (Answers("*/*", "Its bytes, of the type that they were found to have"),)
_NOTHING = (Answers("text/plain", "Nothing but headers"),)
_TO = (Answers(JSON, "Where to", object_schema(to="string")),)
_MADE = {201: "It was made"}
_OUTCOMES = (Answers(JSON, "What became of each", many.OUTCOMES_SCHEMA),)
_PIECE = (Answers(tus.MEDIA_TYPE, "The bytes from that offset on", _BINARY),)


def _many(
    what: str, summary: str, need: Need, handler: Handler, schema: Mapping[str, Any]
) -> Route:
    """The same for many objects, each told by itself."""
    return objects_route(
        f"/objects/_many/{what}/{{project}}/{{container}}", f"objects_{what}_many",
        f"{summary}: {many.MOST_OBJECTS:,} at most, each told by itself", need, handler, _OUTCOMES,
        (_PROJECT, _CONTAINER), methods=("POST",),
        body=(Answers(JSON, "Which objects, and what else is said", schema),),
    )  # fmt: skip


ROUTES = (
    *crawl_routes.ROUTES,
    _many("describe", "Say something else of objects of a container", Need.WRITE, many.describe,
          many.DESCRIBE_SCHEMA),
    _many("move", "Move objects to another folder, container or project", Need.WRITE, many.move,
          many.MOVE_SCHEMA),
    _many("delete", "Delete objects; they can come back for a time", Need.WRITE, many.delete,
          many.body_schema()),
    _many("restore", "Take deletions back", Need.WRITE, many.restore, many.RESTORE_SCHEMA),
    _many("share", "Let one account read objects", Need.WRITE, many.share, many.SHARE_SCHEMA),
    _many("reprocess", "Have objects read again by processors", Need.PROCESS, many.reprocess,
          many.REPROCESS_SCHEMA),
    objects_route(
        "/objects/_many/zip/{project}/{container}", "objects_zip_many", "Objects of a container as "
        f"one file, as they are, {many.MOST_OBJECTS:,} at most", Need.READ, many.as_zip,
        (Answers(archive.MEDIA_TYPE, "A zip"),), (_PROJECT, _CONTAINER), methods=("POST",),
        problems=(413,),
        body=(Answers(JSON, "Which objects", many.body_schema()),
              Answers(many.FORM, "objects, several times", {"type": "object"})),
    ),
    objects_route(
        "/objects", "objects", "Projects of the lake of objects", Need.LIST, listing.projects,
        (Answers(JSON, "Those that one may see", object_schema(projects="array")),), has_page=True,
    ),
    objects_route(
        "/objects.json", "objects_search", "Objects by what they are called, are, and what is said "
        "of them", Need.LIST, listing.search, _SOME,
        (*listing.CRITERIA, listing.DELETED, listing.COUNT, listing.SIZE, listing.NEXT),
    ),
    objects_route(
        "/objects.zip", "objects_zip", "Objects as one file, as they are, 10,000 at most",
        Need.LIST, archive.answer, (Answers(archive.MEDIA_TYPE, "A zip"),), archive.PARAMETERS,
    ),
    objects_route(
        "/objects/_use", "objects_use", "How the lake is used: objects by project, type or size, "
        "operations by day", Need.LIST, use.answer,
        (Answers(JSON, "Rows, and what their columns are",
                 object_schema(rows="array", columns="array")),), (use.BY,),
    ),
    objects_route(
        "/objects/_uploads", "object_upload", "Begin a resumable upload (tus 1.0). Upload-Metadata "
        "has name (PROJECT/CONTAINER/NAME) and, if wanted, sha256 (hex), description (JSON) and "
        "after (the version that there must be, 0 for none)", Need.SOMEWHERE, tus.create, _NOTHING,
        (_TUS, _header("Upload-Length", "how many bytes it will have"),
         _header("Upload-Metadata", "names, each with its value in base64"), _SUM),
        methods=("POST",), done=_MADE, body=_PIECE, problems=(460, 423),
    ),
    objects_route(
        "/objects/_uploads/{upload}", "object_upload_state", "How far an upload is (tus 1.0)",
        Need.SOMEWHERE, tus.look, _NOTHING, (_UPLOAD, _TUS), methods=("HEAD",), problems=(423,),
    ),
    objects_route(
        "/objects/_uploads/{upload}", "object_upload_append", "Go on with an upload (tus 1.0)",
        Need.SOMEWHERE, tus.append, _NOTHING,
        (_UPLOAD, _TUS, _OFFSET, _SUM, _OVERRIDE),
        methods=("PATCH", "POST"), done={204: "So far it is here"}, body=_PIECE,
        problems=(460, 423),
    ),
    objects_route(
        "/objects/_uploads/{upload}", "object_upload_end", "Give an upload up (tus 1.0)",
        Need.SOMEWHERE, tus.end, _NOTHING, (_UPLOAD, _TUS), methods=("DELETE",),
        done={204: "Nothing of it is left"}, problems=(423,),
    ),
    objects_route(
        f"/objects/_about/{_AT}", "object_about", "What an object is, and what is said of it",
        Need.READ, listing.about, _ONE, (*_OBJECT, _VERSION),
    ),
    objects_route(
        f"/objects/_about/{_AT}", "object_describe", "Say something else of an object, by a merge "
        "patch (RFC 7396): a new version of the same bytes", Need.WRITE, writing.describe, _ONE,
        (*_OBJECT, _IF_MATCH), methods=("PATCH",), done=_MADE,
        body=(Answers("application/merge-patch+json", "What changes", DESCRIPTION_SCHEMA),
              Answers(JSON, "What changes", DESCRIPTION_SCHEMA)),
    ),
    objects_route(
        f"/objects/_versions/{_AT}", "object_versions", "All versions of an object, the newest "
        "first", Need.READ, listing.versions,
        (Answers(JSON, "All of them", object_schema(versions="array")),), _OBJECT,
    ),
    objects_route(
        f"/objects/_operations/{_AT}", "object_operations", "What was done to an object, and by "
        "whom, the newest first", Need.READ, listing.operations,
        (Answers(JSON, "A hundred", object_schema(operations="array")),), (*_OBJECT, _BEFORE),
    ),
    objects_route(
        f"/objects/_share/{_AT}", "object_share", "Make an address that gives an object to whoever "
        "has it, for a time", Need.WRITE, sharing.make,
        (Answers(JSON, "The address", object_schema(address="string")),),
        (*_OBJECT, _VERSION, _SECONDS, _THROUGH), methods=("POST",), body=_EMPTY,
    ),
    objects_route(
        "/objects/_shared", "objects_shared_with_me", "Objects that are shared with who asks",
        Need.LIST, shares.with_me, _SOME,
    ),
    objects_route(
        f"/objects/_shares/{_AT}", "object_shares", "Whom an object is shared with", Need.WRITE,
        shares.with_whom, _SHARES, _OBJECT,
    ),
    objects_route(
        f"/objects/_shares/{_AT}", "object_share_with", "Let one account read an object, until "
        "some time or until it is withdrawn", Need.WRITE, shares.share, _SHARES, _OBJECT,
        methods=("PUT",),
        body=(Answers(JSON, "Whom, and until when", object_schema(**{"with": "string"})),),
    ),
    objects_route(
        f"/objects/_shares/{_AT}", "object_share_withdraw", "Share an object with an account no "
        "more", Need.WRITE, shares.withdraw, _SHARES,
        (*_OBJECT, Parameter("with", "the account")), methods=("DELETE",),
    ),
    objects_route(
        "/objects/_shared/{object_id}/{version}", "object_shared", "An object, by such an address",
        Need.LINK, sharing.answer, _ANY,
        (_OBJECT_ID, Parameter("version", "which version", minimum=1, is_required=True,
                               is_in_path=True),
         _UNTIL, _SIGNATURE),
        has_parts=True, problems=(410,),
    ),
    objects_route(
        "/objects/_share_folder/{project}/{container}", "object_share_folder", "Make an address "
        "that gives all of a folder as one zip to whoever has it, for a time", Need.WRITE,
        sharing.make_of_folder,
        (Answers(JSON, "The address", object_schema(address="string")),),
        (_PROJECT, _CONTAINER, listing.FOLDER, _SECONDS), methods=("POST",), body=_EMPTY,
    ),
    objects_route(
        "/objects/_shared_folder/{project}/{container}", "object_shared_folder", "A folder as one "
        "zip, by such an address", Need.LINK, sharing.answer_folder,
        (Answers(archive.MEDIA_TYPE, "A zip"),),
        (_PROJECT, _CONTAINER, listing.FOLDER, _UNTIL, _SIGNATURE), problems=(410,),
    ),
    objects_route(
        f"/objects/_copy/{_AT}", "object_copy", "Make another object of the same bytes and "
        "description", Need.WRITE, writing.copy, _ONE, (*_OBJECT, _IF_MATCH), methods=("POST",),
        done=_MADE, body=_TO,
    ),
    objects_route(
        f"/objects/_move/{_AT}", "object_move", "Give an object another name, container or project",
        Need.WRITE, writing.move, _ONE, (*_OBJECT, _IF_MATCH), methods=("POST",), done=_MADE,
        body=_TO,
    ),
    objects_route(
        "/objects/_restore/{object_id}", "object_restore", "Take a deletion back", Need.SOMEWHERE,
        writing.restore, _ONE, (_OBJECT_ID,), methods=("POST",), body=_EMPTY,
    ),
    objects_route(
        "/objects/{project}", "objects_project", "Containers of a project, with the schemas of "
        "their metadata", Need.READ, listing.containers,
        (Answers(JSON, "All of them", object_schema(containers="array")),), (_PROJECT,),
        has_page=True,
    ),
    objects_route(
        "/objects/{project}", "objects_make_project", "Make a project", Need.MAKE_PROJECTS,
        writing.make_project, (Answers(JSON, "The project"),), (_PROJECT,), methods=("PUT",),
        done=_MADE, body=(Answers(JSON, "is_public: whether anybody may read it"),),
    ),
    objects_route(
        "/objects/{project}/{container}", "objects_folder", "What lies directly in a folder of a "
        "container", Need.READ, listing.level,
        (Answers(JSON, "Folders and objects, a page of them, in the order of their names",
                 object_schema(folders="array", objects="array")),),
        (_PROJECT, _CONTAINER, listing.FOLDER, listing.SIZE, listing.AFTER), has_page=True,
    ),
    objects_route(
        "/objects/{project}/{container}", "objects_make_container", "Make a container", Need.MANAGE,
        writing.make_container, (Answers(JSON, "The container"),), (_PROJECT, _CONTAINER),
        methods=("PUT",), done=_MADE,
        body=(Answers(JSON, "metadata_schema: a JSON schema for what is put there"),),
    ),
    objects_route(
        "/objects/{project}/{container}", "objects_put_many", "Put many objects, all of them or "
        "none", Need.WRITE, batches.put_many, _SOME,
        (_PROJECT, _CONTAINER, listing.FOLDER, _SAID), methods=("POST",), done=_MADE,
        body=(Answers(batches.FORM, "Files, each with its name"),
              Answers(batches.ZIP, "A zip, which is unpacked", _BINARY)),
    ),
    objects_route(
        f"/objects/{_AT}", "object", "An object", Need.READ, reading.answer, _ANY,
        (*_OBJECT, _VERSION), has_parts=True,
    ),
    objects_route(
        f"/objects/{_AT}", "object_put", "Put an object, or its next version", Need.WRITE,
        writing.put, _ONE, (*_OBJECT, _IF_MATCH, _IF_NONE_MATCH, _DIGEST, _CHECKSUM, _SAID),
        methods=("PUT",), done=_MADE, body=_BYTES,
    ),
    objects_route(
        f"/objects/{_AT}", "object_delete", "Delete an object; it can come back for a time",
        Need.WRITE, writing.delete, _ONE, (*_OBJECT, _IF_MATCH), methods=("DELETE",),
    ),
)  # fmt: skip
