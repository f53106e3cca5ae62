"""The kinds of patches which clients send, applied to plain JSON.

JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch (apimachinery `pkg/util/strategicpatch`), the last
one by the merge keys of the published schemas. Server-side apply is not here: nothing of ours sends it.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.autoscaler.kubernetes_api.schemas import resolve
from tests.autoscaler.kubernetes_api.statuses import Json, bad_request, unprocessable

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: Json, operations: Any) -> Json:
    """Apply a JSON patch.

    Raises:
        ApiError: it is none (400), or cannot be applied: a failed test, a path which is not there (422).
    """
    if not isinstance(operations, list) or not all(isinstance(step, dict) for step in operations):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    root: Any = copy.deepcopy(target)
    for step in operations:
        name, path = step.get("op"), _pointer(step.get("path", ""))
        try:
            match name:
                case "test":
                    if _get(root, path) != step.get("value"):
                        raise unprocessable(f"testing value {step.get('path')} failed: test failed")
                case "add":
                    root = _add(root, path, copy.deepcopy(step.get("value")))
                case "replace":
                    _get(root, path)
                    root = _replace(root, path, copy.deepcopy(step.get("value")))
                case "remove":
                    _remove(root, path)
                case "move" | "copy":
                    source = _pointer(step.get("from", ""))
                    value = copy.deepcopy(_get(root, source))
                    if name == "move":
                        _remove(root, source)
                    root = _add(root, path, value)
                case _:
                    raise unprocessable(f"Unexpected kind: {name}")
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise unprocessable(
                f"{name} operation does not apply: doc is missing path: {step.get('path')}"
            ) from error
    result: Json = root
    return result


def strategic(target: Any, patch: Any, schema: Json) -> Any:
    """Apply a strategic merge patch: lists with a merge key are merged by it, others are replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {name: copy.deepcopy(value) for name, value in patch.items() if name != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    properties = resolve(schema).get("properties", {})
    result = dict(target) if isinstance(target, dict) else {}
    kept = patch.get("$retainKeys")
    if kept is not None:
        result = {name: value for name, value in result.items() if name in kept}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            of = name.partition("/")[2]
            result[of] = [item for item in result.get(of, []) if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            result.pop(name, None)
        elif isinstance(value, list):
            result[name] = _merge_lists(result.get(name) or [], value, properties.get(name, {}))
        else:
            result[name] = strategic(result.get(name), value, properties.get(name, {}))
    return result


def _merge_lists(old: list[Any], new: list[Any], schema: Json) -> list[Any]:
    schema = resolve(schema)
    if "merge" not in schema.get("x-kubernetes-patch-strategy", "").split(","):
        return copy.deepcopy(new)
    key = schema.get("x-kubernetes-patch-merge-key")
    if key is None:
        return [*old, *(item for item in new if item not in old)]
    if any(item.get("$patch") == "replace" for item in new):
        return [copy.deepcopy(item) for item in new if item.get("$patch") != "replace"]
    result = list(old)
    for item in new:
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((i for i, there in enumerate(result) if there.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del result[at]
        elif at is None:
            result.append(strategic({}, item, schema.get("items", {})))
        else:
            result[at] = strategic(result[at], item, schema.get("items", {}))
    return result


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise unprocessable(f"path {text} does not begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(node: Any, path: list[str]) -> Any:
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _add(root: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(root, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else int(path[-1]), value)
    else:
        parent[path[-1]] = value
    return root


def _replace(root: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(root, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = value
    return root


def _remove(root: Any, path: list[str]) -> None:
    parent = _get(root, path[:-1])
    del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]
