"""The common mistakes: type, status and text of each error."""

import json
import re
import urllib.error
import urllib.request

from . import endpoints
from .case import B, L, M, N, NOT_FOUND, S, Case, unique_name

NO_MATCH = "The provided key element does not match the schema"
BAD = "One or more parameter values were invalid: "


class NoTable(Case):
    has_table = False

    def test_no_such_table(self):
        name, key = unique_name(), {"id": S("x")}
        text = "Requested resource not found"
        condition = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": S("x")}}
        for operation, parameters in (
            ("put_item", {"Item": key}), ("get_item", {"Key": key}), ("delete_item", {"Key": key}),
            ("update_item", {"Key": key}), ("query", condition), ("scan", {}),
        ):
            with self.subTest(operation):
                self.refused(NOT_FOUND, text, operation, TableName=name, **parameters)

    def test_mistakes_are_found_before_the_table_is_looked_for(self):
        text = "Invalid ConditionExpression: The expression can not be empty;"
        self.invalid(text, "delete_item", TableName=unique_name(), Key={"id": S("x")}, ConditionExpression="")


class Keys(Case):
    sort = "N"

    def check(self, text, key):
        for operation in ("get_item", "delete_item", "update_item"):
            with self.subTest(operation=operation, key=key):
                self.invalid(text, operation, TableName=self.table, Key=key)

    def put(self, text, item):
        with self.subTest(item=item):
            self.invalid(text, "put_item", TableName=self.table, Item=item)

    def test_parts_that_are_missing_or_more(self):
        self.check(NO_MATCH, {"id": S("x")})
        self.check(NO_MATCH, {"sk": N(1)})
        self.check(NO_MATCH, {"id": S("x"), "sk": N(1), "more": N(1)})
        self.check(NO_MATCH, {"id": S("x"), "other": N(1)})
        self.put(BAD + "Missing the key id in the item", {"sk": N(1)})
        self.put(BAD + "Missing the key sk in the item", {"id": S("x")})

    def test_parts_of_another_type(self):
        self.check(NO_MATCH, {"id": N(1), "sk": N(1)})
        self.check(NO_MATCH, {"id": S("x"), "sk": S("1")})
        self.check(NO_MATCH, {"id": L(S("x")), "sk": N(1)})
        self.put(BAD + "Type mismatch for key id expected: S actual: N", {"id": N(1), "sk": N(1)})
        self.put(BAD + "Type mismatch for key sk expected: N actual: M", {"id": S("x"), "sk": M()})
        self.put(BAD + "Type mismatch for key sk expected: N actual: NULL", {"id": S("x"), "sk": {"NULL": True}})

    def test_empty_parts(self):
        empty = (
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} "
            "value. Key: {}"
        )
        self.put(empty.format("string", "id"), {"id": S(""), "sk": N(1)})
        # The service says it in other words of a key than of an item.
        text = re.compile(
            "^One or more parameter values (are not valid. |were invalid: )The AttributeValue for a key attribute cannot "
            "contain an empty string value. Key: id$"
        )
        self.check(text, {"id": S(""), "sk": N(1)})
        table = self.new_table("B")
        self.invalid(empty.format("binary", "id"), "put_item", TableName=table, Item={"id": B(b"")})


class ExpressionMistakes(Case):
    def delete(self, text, condition, names=None, values=None):
        parameters = {"ConditionExpression": condition}
        if names is not None:
            parameters["ExpressionAttributeNames"] = names
        if values is not None:
            parameters["ExpressionAttributeValues"] = values
        with self.subTest(condition=condition, names=names, values=values):
            self.invalid(text, "delete_item", TableName=self.table, Key=self.key(), **parameters)

    def test_reserved_words(self):
        text = "Attribute name is a reserved keyword; reserved keyword: {}"
        for word in ("name", "Size", "DATE", "status"):
            self.delete("Invalid ConditionExpression: " + text.format(word), f"attribute_exists({word})")
        parameters = {"FilterExpression": "name = :v", "ExpressionAttributeValues": {":v": N(1)}}
        self.invalid("Invalid FilterExpression: " + text.format("name"), "scan", TableName=self.table, **parameters)
        parameters = {"Key": self.key(), "ProjectionExpression": "id, year"}
        self.invalid("Invalid ProjectionExpression: " + text.format("year"), "get_item", TableName=self.table, **parameters)

    def test_placeholders_that_are_not_defined(self):
        condition = "Invalid ConditionExpression: An expression attribute "
        self.delete(condition + "value used in expression is not defined; attribute value: :v", "x = :v")
        self.delete(
            condition + "name used in the document path is not defined; attribute name: #n", "#n = :v", None, {":v": N(1)}
        )
        self.delete(
            condition + "name used in the document path is not defined; attribute name: #n", "x.#n = :v", {"#m": "x"},
            {":v": N(1)},
        )

    def test_placeholders_that_are_not_used(self):
        values = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}"
        self.delete(values, "x = :v", None, {":v": N(1), ":w": N(2)})
        names = "Value provided in ExpressionAttributeNames unused in expressions: keys: {#m}"
        self.delete(names, "#n = :v", {"#n": "x", "#m": "y"}, {":v": N(1)})

    def test_placeholders_without_an_expression(self):
        text = "ExpressionAttributeNames can only be specified when using expressions"
        self.invalid(text, "get_item", TableName=self.table, Key=self.key(), ExpressionAttributeNames={"#n": "x"})
        text = re.compile("^ExpressionAttributeValues can only be specified when using expressions")
        self.invalid(text, "delete_item", TableName=self.table, Key=self.key(), ExpressionAttributeValues={":v": N(1)})

    def test_placeholders_that_cannot_be(self):
        self.delete('ExpressionAttributeNames contains invalid key: Syntax error; key: "n"', "n = :v", {"n": "x"}, {":v": N(1)})
        self.delete('ExpressionAttributeValues contains invalid key: Syntax error; key: "v"', "x = :v", None, {"v": N(1)})
        self.delete("ExpressionAttributeNames must not be empty", "x = :v", {}, {":v": N(1)})
        self.delete("ExpressionAttributeValues must not be empty", "x = y", None, {})

    def test_values_that_cannot_be(self):
        # The service used to say of which value it speaks.
        around = lambda text: re.compile(f"^(ExpressionAttributeValues contains invalid value: )?{text}( for key :v)?$")
        self.delete(around("The parameter cannot be converted to a numeric value: x"), "x = :v", None, {":v": N("x")})
        self.delete(around(BAD + "An string set  may not be empty"), "x = :v", None, {":v": {"SS": []}})

    def test_syntax(self):
        error = 'Invalid ConditionExpression: Syntax error; token: "{}", near: "{}"'
        for condition, token, near in (
            ("x =", "<EOF>", "="), ("x = = :v", "=", "= = :v"), ("x", "<EOF>", "x"), ("AND x = :v", "AND", "AND x"),
            ("(x = :v", "<EOF>", ":v"), ("x = :v)", ")", ":v)"), ("x == :v", "=", "== :v"), ("x[a] = :v", "a", "[a]"),
        ):
            self.delete(error.format(token, near), condition, None, {":v": N(1)})

    def test_other_mistakes_in_conditions(self):
        condition, one = "Invalid ConditionExpression: ", {":v": N(1)}
        self.delete(condition + "The expression can not be empty;", "")
        self.delete(condition + "Invalid function name; function: nope", "nope(x)")
        self.delete(
            condition + "The function is not allowed in a condition expression; function: list_append", "list_append(x, y)"
        )
        self.delete(condition + "The expression has redundant parentheses;", "((x = :v))", None, one)
        self.delete(
            condition + "Incorrect number of operands for operator or function; operator or function: begins_with, number "
            "of operands: 1", "begins_with(x)",
        )
        self.delete(
            condition + "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
            "begins_with(x, :v)", None, one,
        )
        self.delete(
            condition + "Incorrect operand type for operator or function; operator or function: <, operand type: SS",
            "x < :v", None, {":v": {"SS": ["a"]}},
        )
        self.delete(
            condition + "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, first operand: [x]", "x = x",
        )
        self.delete(
            condition + "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound "
            "operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}", "x BETWEEN :w AND :v", None,
            {":v": N(1), ":w": N(2)},
        )
        self.delete(
            condition + "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: "
            "AttributeValue: {S:a}, upper bound operand: AttributeValue: {N:1}", "x BETWEEN :w AND :v", None,
            {":v": N(1), ":w": S("a")},
        )
        self.delete(
            condition + "Operator or function requires a document path; operator or function: attribute_exists",
            "attribute_exists(:v)", None, one,
        )
        types = "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
        self.delete(condition + types, "attribute_type(x, :v)", None, {":v": S("X")})

    def test_size_of_expressions(self):
        text = re.compile(
            "^Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097$"
        )
        condition = "x = :v" + " " * (4097 - len("x = :v"))
        self.delete(text, condition, None, {":v": N(1)})

    def test_projections_that_overlap(self):
        text = (
            "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of "
            "these paths; path one: [a, b], path two: [a]"
        )
        self.invalid(text, "get_item", TableName=self.table, Key=self.key(), ProjectionExpression="a.b, a")

    def test_both_kinds_of_parameters(self):
        text = (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{AttributesToGet} Expression parameters: {ProjectionExpression}"
        )
        parameters = {"ProjectionExpression": "a", "AttributesToGet": ["a"]}
        self.invalid(text, "get_item", TableName=self.table, Key=self.key(), **parameters)
        text = (
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{Expected} Expression parameters: {UpdateExpression}"
        )
        parameters = {"UpdateExpression": "REMOVE a", "Expected": {"a": {"Exists": False}}}
        self.invalid(text, "update_item", TableName=self.table, Key=self.key(), **parameters)


class QueryMistakes(Case):
    sort = "N"

    def query(self, text, condition=None, values=None, **parameters):
        if condition is not None:
            parameters["KeyConditionExpression"] = condition
        if values is not None:
            parameters["ExpressionAttributeValues"] = values
        with self.subTest(text):
            self.invalid(text, "query", TableName=self.table, **parameters)

    def test_conditions_that_no_key_can_have(self):
        one, two = {":v": S("x")}, {":v": S("x"), ":w": N(1)}
        key = "KeyConditionExpression"
        self.query("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
        self.query("Query condition missed key schema element: id", "sk = :w", {":w": N(1)})
        self.query("Query condition missed key schema element: sk", "id = :v AND x = :w", two)
        self.query("Query key condition not supported", "id > :v", one)
        self.query("Query key condition not supported", "begins_with(id, :v)", one)
        self.query(f"Invalid operator used in {key}: OR", "id = :v OR id = :w", {":v": S("x"), ":w": S("y")})
        self.query(f"Invalid operator used in {key}: NOT", "NOT id = :v", one)
        self.query(f"Invalid operator used in {key}: <>", "id = :v AND sk <> :w", two)
        self.query(f"Invalid operator used in {key}: IN", "id = :v AND sk IN (:w)", two)
        self.query(f"Invalid operator used in {key}: contains", "id = :v AND contains(sk, :w)", two)
        self.query(f"Invalid operator used in {key}: attribute_exists", "id = :v AND attribute_exists(sk)", one)
        self.query("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key", "id = :v AND id = :v", one)
        self.query("KeyConditionExpressions cannot have conditions on nested attributes", "id.x = :v", one)
        self.query("KeyConditionExpressions cannot contain nested operations", "id = :v AND size(sk) = :w", two)
        three = {**two, ":x": N(2)}
        self.query("Conditions can be of length 1 or 2 only", "id = :v AND sk = :w AND x = :x", three)

    def test_values_of_another_type(self):
        text = BAD + "Condition parameter type does not match schema type"
        self.query(text, "id = :v", {":v": N(1)})
        self.query(text, "id = :v AND sk = :w", {":v": S("x"), ":w": S("1")})
        table = self.new_table("S", "S")
        parameters = {"KeyConditionExpression": "id = :v AND sk > :w", "ExpressionAttributeValues": {":v": S("x"), ":w": N(1)}}
        self.invalid(text, "query", TableName=table, **parameters)

    def test_begins_with_is_not_for_numbers(self):
        text = (
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; operator or function: "
            "begins_with, operand type: N"
        )
        self.query(text, "id = :v AND begins_with(sk, :w)", {":v": S("x"), ":w": N(1)})

    def test_filters_on_the_key(self):
        text = "Filter Expression can only contain non-primary key attributes: Primary key attribute: {}"
        values = {":v": S("x"), ":w": N(1)}
        self.query(text.format("sk"), "id = :v", values, FilterExpression="sk > :w")
        self.query(text.format("id"), "id = :v", values, FilterExpression="attribute_exists(id) AND x = :w")

    def test_a_sort_key_that_the_table_does_not_have(self):
        table = self.new_table()
        values = {":v": S("x"), ":w": N(1)}
        parameters = {"KeyConditionExpression": "id = :v AND sk = :w", "ExpressionAttributeValues": values}
        self.invalid("Query key condition not supported", "query", TableName=table, **parameters)

    def test_starts_that_cannot_be(self):
        condition = {"condition": "id = :v", "values": {":v": S("x")}}
        bad = "The provided starting key is invalid"
        for start in ({"id": S("x")}, {"id": S("x"), "other": N(1)}, {"id": S("x"), "sk": S("1")}):
            self.query(bad, **condition, ExclusiveStartKey=start)
        outside = "The provided starting key is outside query boundaries based on provided conditions"
        self.query(outside, **condition, ExclusiveStartKey={"id": S("other"), "sk": N(1)})
        range_ = "The provided starting key does not match the range key predicate"
        condition = {"condition": "id = :v AND sk > :w", "values": {":v": S("x"), ":w": N(5)}}
        self.query(range_, **condition, ExclusiveStartKey={"id": S("x"), "sk": N(1)})

    def test_starts_of_scans_that_cannot_be(self):
        scan = lambda text, start: self.invalid(text, "scan", TableName=self.table, ExclusiveStartKey=start)
        bad = "The provided starting key is invalid: " + NO_MATCH
        scan(bad, {"id": S("x")})
        scan(bad, {"id": S("x"), "other": N(1)})
        scan(bad, {"id": N(1), "sk": N(1)})

    def test_limits_that_cannot_be(self):
        text = (
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater "
            "than or equal to 1"
        )
        self.query(text, "id = :v", {":v": S("x")}, Limit=0)
        self.invalid(text, "scan", TableName=self.table, Limit=0)

    def test_selects_that_cannot_be(self):
        text = (
            "1 validation error detected: Value 'SOME' at 'select' failed to satisfy constraint: Member must satisfy enum "
            "value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]"
        )
        self.query(text, "id = :v", {":v": S("x")}, Select="SOME")


class Shapes(Case):
    """What no client sends by itself, seen through a client without checks and as bare HTTP."""

    def test_parameters_that_are_missing(self):
        text = "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null"
        self.invalid(text, "get_item", TableName=self.table)
        text = "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null"
        self.invalid(text, "put_item", TableName=self.table)

    def post(self, target, body):
        """Status and body of an answer to bare HTTP."""
        headers = {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target,
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIASLIPRINGCLIENTS0/20260101/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=00", "X-Amz-Date": "20260101T000000Z",
        }
        request = urllib.request.Request(endpoints.next_endpoint(), data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def test_what_is_no_request(self):
        for target, body, kind in (
            ("DynamoDB_20120810.GetItem", b"{", "SerializationException"),
            ("DynamoDB_20120810.GetItem", b'{"TableName": 5}', "SerializationException"),
            ("DynamoDB_20120810.Nope", b"{}", "UnknownOperationException"),
        ):
            with self.subTest(target=target, body=body):
                status, answer = self.post(target, body)
                self.assertEqual((status, answer["__type"].rsplit("#")[-1]), (400, kind))
