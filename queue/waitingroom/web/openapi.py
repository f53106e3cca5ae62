"""The OpenAPI 3.1 document, made from the table of routes (`routetable`) and the models; served at `/openapi.json`."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from waitingroom.web.admin_documents import Problem
from waitingroom.web.negotiation import PROBLEM_TYPE
from waitingroom.web.routetable import ROUTES, Parameter, Route

PATH = "/openapi.json"
_REFERENCE = "#/components/schemas/{model}"


class OpenApi:
    """Serves the document."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.get(PATH, self.document)]

    async def document(self, request: web.Request) -> web.Response:
        """The description of this API."""
        return web.Response(
            body=_encoded(),
            content_type="application/json",
            headers={"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"},
        )


@cache
def openapi_document() -> dict[str, Any]:
    """Build the document."""
    models = {Problem} | {model for route in ROUTES for model in (route.body, route.answer) if model}
    by_mode = [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)]
    references, definitions = models_json_schema(by_mode, ref_template=_REFERENCE)  # type: ignore[arg-type]
    schemas: dict[Any, Any] = {model: schema for (model, _), schema in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate waiting room",
            "version": version("tidegate"),
            "description": "Places, passes and the operators' side of a waiting room.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
    }


@cache
def _encoded() -> bytes:
    return json.dumps(openapi_document(), separators=(",", ":")).encode()


def _operation(route: Route, schemas: dict[type[BaseModel], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route, schemas),
    }
    parameters = [_parameter(parameter) for parameter in route.parameters]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body]}}
        operation["requestBody"] = {"required": route.body_required, "content": content}
    if route.roles:
        operation["security"] = [{"admin": []}]
        operation["description"] = f"For tokens of role {' or '.join(route.roles)}."
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _responses(route: Route, schemas: dict[type[BaseModel], Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in route.statuses:
        response: dict[str, Any] = {"description": _describe(status)}
        if status == HTTPStatus.OK:
            response["content"] = {kind: _schema(route, kind, schemas) for kind in route.kinds}
        elif status >= HTTPStatus.BAD_REQUEST and route.problems:
            response["content"] = {PROBLEM_TYPE: {"schema": schemas[Problem]}}
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE} and route.problems:
            response["headers"] = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
        responses[str(status)] = response
    return responses


def _schema(route: Route, kind: str, schemas: dict[type[BaseModel], Any]) -> dict[str, Any]:
    if kind == "application/json":
        return {"schema": schemas[route.answer] if route.answer else {"type": "object"}}
    return {"schema": {"type": "string"}}


def _describe(status: int) -> str:
    phrase = HTTPStatus(status).phrase
    return re.sub(r"^Ok$", "OK", phrase)
