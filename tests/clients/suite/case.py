"""What the tests are written with: tables that go away by themselves, short forms of values, refusals."""

import re
import unittest
import uuid

from botocore.exceptions import ClientError

from . import endpoints

# How a waiter of boto3 waits. Its default asks every 20 s.
QUICKLY = {"Delay": 0.05, "MaxAttempts": 400}

VALIDATION = "ValidationException"
NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
CONDITION_FAILED = "ConditionalCheckFailedException"


# The service has come to put this before texts that stood alone for years: either form will do where the text
# that is expected has none.
ONE_ERROR = "1 validation error detected: "


def S(text):
    return {"S": text}


def N(number):
    return {"N": str(number)}


def B(content):
    return {"B": content}


def L(*elements):
    return {"L": list(elements)}


def M(**entries):
    return {"M": entries}


def BOOL(value):
    return {"BOOL": value}


NULL = {"NULL": True}


def SS(*members):
    return {"SS": list(members)}


def NS(*members):
    return {"NS": [str(member) for member in members]}


def BS(*members):
    return {"BS": list(members)}


def same(value):
    """A value or an item in a form in which sets compare as sets."""
    if isinstance(value, list):
        return [same(element) for element in value]
    if not isinstance(value, dict):
        return value
    return {name: frozenset(inner) if name in ("SS", "NS", "BS") else same(inner) for name, inner in value.items()}


def unique_name(prefix="clients"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def wait_until_there(name):
    endpoints.client().get_waiter("table_exists").wait(TableName=name, WaiterConfig=QUICKLY)


def wait_until_gone(name):
    endpoints.client().get_waiter("table_not_exists").wait(TableName=name, WaiterConfig=QUICKLY)


def key_parameters(partition="S", sort=None):
    """The parameters of CreateTable for the key: `id` with the one type, `sk` with the other."""
    parts = [("id", partition, "HASH")] + ([("sk", sort, "RANGE")] if sort else [])
    return {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind, _ in parts],
        "KeySchema": [{"AttributeName": name, "KeyType": part} for name, _, part in parts],
    }


def create_table(partition="S", sort=None, **parameters):
    """A new table that is ready. Its name."""
    name = unique_name()
    parameters = {"BillingMode": "PAY_PER_REQUEST", **key_parameters(partition, sort), **parameters}
    endpoints.client().create_table(TableName=name, **parameters)
    wait_until_there(name)
    return name


def delete_table(name):
    """Deletes a table if it is there."""
    try:
        endpoints.client().delete_table(TableName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in (NOT_FOUND, IN_USE):
            raise


class Case(unittest.TestCase):
    """Tests that share a table whose keys have these types."""

    maxDiff = None
    partition = "S"
    sort = None

    # No table of its own where the class has no use for one.
    has_table = True

    @classmethod
    def setUpClass(cls):
        cls.client = endpoints.client()
        cls.unchecked = endpoints.client(checks_parameters=False)
        if cls.has_table:
            cls.table = create_table(cls.partition, cls.sort)
            cls.addClassCleanup(delete_table, cls.table)

    def new_table(self, *kinds, **parameters):
        """A table for one test."""
        name = create_table(*kinds, **parameters)
        self.addCleanup(delete_table, name)
        return name

    def refused(self, code, message, operation, checked=True, **parameters):
        """The request is refused with this type and text (or pattern), as a client's mistake. The whole error."""
        client = self.client if checked else self.unchecked
        with self.assertRaises(ClientError, msg=f"{operation}({parameters}) is refused with {message!r}") as caught:
            getattr(client, operation)(**parameters)
        response = caught.exception.response
        found = response["Error"].get("Message", "")
        expected = message.pattern.lstrip("^") if isinstance(message, re.Pattern) else message
        if not expected.startswith(ONE_ERROR):
            found = found.removeprefix(ONE_ERROR)
        if isinstance(message, re.Pattern):
            self.assertRegex(found, message)
        else:
            self.assertEqual(found, message)
        self.assertEqual(response["Error"]["Code"], code)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"], 400)
        return response

    def invalid(self, message, operation, **parameters):
        """The request is refused by a ValidationException. The server itself checks all of it."""
        return self.refused(VALIDATION, message, operation, checked=False, **parameters)

    def key(self, sk=None):
        """A key that no other test has, with this sort key."""
        return {"id": S(uuid.uuid4().hex), **({} if sk is None else {"sk": sk})}

    def put(self, **attributes):
        """Puts an item under a new key. The key."""
        key = self.key()
        self.client.put_item(TableName=self.table, Item={**key, **attributes})
        return key

    def get(self, key, **parameters):
        """The item as it is now; `None` where there is none."""
        return self.client.get_item(TableName=self.table, Key=key, ConsistentRead=True, **parameters).get("Item")

    def assert_same(self, found, expected, msg=None):
        """Equal, whatever order the members of sets come in."""
        self.assertEqual(same(found), same(expected), msg)
