"""Prints what botocore's model of the DynamoDB service says of its operations: parameters with all their members, and errors.

tests/compatibility/service_model.json is what this prints with the botocore of tests/clients/requirements.txt; tests/dynamodb_clients.rs compares the two:

    python tests/compatibility/service_model.py > tests/compatibility/service_model.json

A parameter is a path: `A.B` is the member B of A, `A[]` stands for the elements of a list, `A{}` for the values of a map. A `!` at the end says that it
is required. What is inside an AttributeValue is left out.
"""

import json
import sys

import botocore
import botocore.loaders


def members(shapes, name, path, seen):
    """The paths below the shape with this name, in the order of the model."""
    shape = shapes[name]
    if name == "AttributeValue" or name in seen:
        return
    if shape["type"] == "structure":
        for member, target in shape["members"].items():
            below = f"{path}.{member}" if path else member
            yield below + ("!" if member in shape.get("required", []) else "")
            yield from members(shapes, target["shape"], below, seen | {name})
    elif shape["type"] == "list":
        yield from members(shapes, shape["member"]["shape"], path + "[]", seen)
    elif shape["type"] == "map":
        yield from members(shapes, shape["value"]["shape"], path + "{}", seen)


def main():
    model = botocore.loaders.Loader().load_service_model("dynamodb", "service-2")
    operations = {}
    for name, operation in sorted(model["operations"].items()):
        parameters = members(model["shapes"], operation["input"]["shape"], "", frozenset()) if "input" in operation else ()
        errors = sorted(error["shape"] for error in operation.get("errors", []))
        operations[name] = {"parameters": list(parameters), "errors": errors}
    json.dump({"botocore": botocore.__version__, "operations": operations}, sys.stdout, indent=1)
    print()


main()
