"""The parameters that expressions replaced, which old applications still send."""

from .case import B, BS, CONDITION_FAILED, L, M, N, NS, S, SS, VALIDATION, Case

BAD = "One or more parameter values were invalid: "
FAILED = "The conditional request failed"

ITEM = {"s": S("hello"), "n": N(5), "b": B(b"\1\2"), "ss": SS("a", "b"), "ns": NS(1, 2), "l": L(S("x"), N(1)), "nil": {"NULL": True}}

# An attribute, a comparison, its values, and whether it holds of ITEM.
COMPARISONS = [
    ("s", "EQ", [S("hello")], True), ("s", "EQ", [S("x")], False), ("n", "EQ", [N("5.0")], True), ("n", "EQ", [S("5")], False),
    ("ss", "EQ", [SS("b", "a")], True), ("nope", "EQ", [S("x")], False),
    ("s", "NE", [S("x")], True), ("s", "NE", [S("hello")], False), ("n", "NE", [S("5")], True), ("ss", "NE", [SS("a")], True),
    ("n", "LT", [N(6)], True), ("n", "LT", [N(5)], False), ("n", "LE", [N(5)], True), ("n", "GT", [N("-6")], True),
    ("n", "GE", [N(5)], True), ("s", "GT", [S("hell")], True), ("b", "LT", [B(b"\2")], True), ("n", "LT", [S("9")], False),
    ("n", "BETWEEN", [N(5), N(6)], True), ("n", "BETWEEN", [N(6), N(7)], False), ("s", "BETWEEN", [S("a"), S("z")], True),
    ("n", "IN", [N(1), N(5)], True), ("n", "IN", [N(1)], False), ("s", "IN", [S("hello"), S("x")], True),
    ("s", "NOT_NULL", [], True), ("nope", "NOT_NULL", [], False), ("nil", "NOT_NULL", [], True),
    ("nope", "NULL", [], True), ("s", "NULL", [], False), ("nil", "NULL", [], False),
    ("s", "CONTAINS", [S("ell")], True), ("ss", "CONTAINS", [S("a")], True), ("ns", "CONTAINS", [N(3)], False),
    ("l", "CONTAINS", [N(1)], True), ("nope", "CONTAINS", [S("x")], False),
    ("s", "NOT_CONTAINS", [S("x")], True), ("ss", "NOT_CONTAINS", [S("a")], False),
    ("s", "BEGINS_WITH", [S("he")], True), ("s", "BEGINS_WITH", [S("el")], False), ("b", "BEGINS_WITH", [B(b"\1")], True),
]


def comparison(operator, values):
    return {"ComparisonOperator": operator, **({"AttributeValueList": values} if values else {})}


class Comparisons(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stored = {"id": S("one")}
        cls.client.put_item(TableName=cls.table, Item={**cls.stored, **ITEM})

    def test_as_filter_and_as_condition(self):
        for name, operator, values, holds in COMPARISONS:
            with self.subTest(name=name, operator=operator, values=values):
                wanted = {name: comparison(operator, values)}
                page = self.client.scan(TableName=self.table, ScanFilter=wanted, ConsistentRead=True)
                self.assertEqual((page["Count"], page["ScannedCount"]), (int(holds), 1))
                parameters = {"TableName": self.table, "Key": self.stored, "Expected": wanted}
                if holds:
                    self.client.update_item(**parameters)
                else:
                    self.refused(CONDITION_FAILED, FAILED, "update_item", **parameters)

    def test_joined(self):
        holds, fails = comparison("EQ", [N(5)]), comparison("EQ", [S("x")])
        wanted = {"n": holds, "s": fails}
        for operator, count in ((None, 0), ("AND", 0), ("OR", 1)):
            parameters = {"ScanFilter": wanted, **({"ConditionalOperator": operator} if operator else {})}
            page = self.client.scan(TableName=self.table, ConsistentRead=True, **parameters)
            self.assertEqual(page["Count"], count, operator)
            parameters = {"TableName": self.table, "Key": self.stored, "Expected": wanted}
            if operator:
                parameters["ConditionalOperator"] = operator
            if count:
                self.client.update_item(**parameters)
            else:
                self.refused(CONDITION_FAILED, FAILED, "update_item", **parameters)

    def test_wrong_numbers_of_values(self):
        for operator, values in (("EQ", []), ("EQ", [N(1), N(2)]), ("BETWEEN", [N(1)]), ("NULL", [N(1)])):
            text = BAD + f"Invalid number of argument(s) for the {operator} ComparisonOperator"
            self.invalid(text, "scan", TableName=self.table, ScanFilter={"n": comparison(operator, values)})

    def test_an_operator_without_conditions(self):
        text = "ConditionalOperator cannot be used without Filter or Expected"
        self.invalid(text, "update_item", TableName=self.table, Key=self.stored, ConditionalOperator="OR")


class Expected(Case):
    def test_value_and_exists(self):
        key = self.put(n=N(1))
        parameters = {"TableName": self.table, "Item": {**key, "n": N(2)}}
        for expected in ({"n": {"Value": N(7)}}, {"n": {"Exists": False}}, {"id": {"Exists": False}}, {"x": {"Value": N(1)}}):
            self.refused(CONDITION_FAILED, FAILED, "put_item", **parameters, Expected=expected)
        self.client.put_item(**parameters, Expected={"n": {"Value": N(1)}, "x": {"Exists": False}})
        self.assertEqual(self.get(key)["n"], N(2))
        self.client.put_item(TableName=self.table, Item={**key, "n": N(3)}, Expected={"n": {"Value": N(2), "Exists": True}})
        self.refused(
            CONDITION_FAILED, FAILED, "delete_item", TableName=self.table, Key=key, Expected={"n": {"Value": N(2)}}
        )
        self.client.delete_item(TableName=self.table, Key=key, Expected={"n": {"Value": N(3)}})
        self.assertIsNone(self.get(key))

    def test_what_cannot_be_expected(self):
        put = lambda text, expected: self.invalid(
            text, "put_item", TableName=self.table, Item=self.key(), Expected={"a": expected}
        )
        put(BAD + "Value must be provided when Exists is null for Attribute: a", {})
        put(BAD + "Value must be provided when Exists is true for Attribute: a", {"Exists": True})
        put(BAD + "Value cannot be used when Exists is false for Attribute: a", {"Exists": False, "Value": N(1)})
        put(
            BAD + "Exists and ComparisonOperator cannot be used together for Attribute: a",
            {"Exists": False, "ComparisonOperator": "NULL"},
        )


class AttributeUpdates(Case):
    def check(self, before, updates, after):
        with self.subTest(before=before, updates=updates):
            key = self.put(**before)
            answer = self.client.update_item(
                TableName=self.table, Key=key, AttributeUpdates=updates, ReturnValues="ALL_NEW"
            )
            self.assert_same(answer["Attributes"], {**key, **after})
            self.assert_same(self.get(key), {**key, **after})

    def test_put(self):
        self.check({"a": N(1)}, {"a": {"Value": S("x")}, "b": {"Value": N(2), "Action": "PUT"}}, {"a": S("x"), "b": N(2)})

    def test_add(self):
        add = lambda value: {"a": {"Value": value, "Action": "ADD"}}
        self.check({}, add(N(2)), {"a": N(2)})
        self.check({"a": N(1)}, add(N("-3")), {"a": N(-2)})
        self.check({"a": SS("x")}, add(SS("y", "x")), {"a": SS("x", "y")})
        self.check({}, add(NS(1)), {"a": NS(1)})
        self.check({"a": BS(b"x")}, add(BS(b"y")), {"a": BS(b"x", b"y")})
        self.check({"a": L(N(1))}, add(L(N(2))), {"a": L(N(1), N(2))})

    def test_delete(self):
        self.check({"a": N(1), "b": N(2)}, {"a": {"Action": "DELETE"}}, {"b": N(2)})
        self.check({"b": N(2)}, {"a": {"Action": "DELETE"}}, {"b": N(2)})
        take = lambda value: {"a": {"Value": value, "Action": "DELETE"}}
        self.check({"a": SS("x", "y")}, take(SS("x", "z")), {"a": SS("y")})
        self.check({"a": SS("x")}, take(SS("x")), {})

    def test_of_another_type(self):
        key = self.put(a=S("x"))
        update = {"a": {"Value": N(1), "Action": "ADD"}}
        self.refused(
            VALIDATION, "Type mismatch for attribute to update", "update_item", TableName=self.table, Key=key,
            AttributeUpdates=update,
        )

    def test_kinds_of_return_values(self):
        key = self.put(a=N(1), b=N(2))
        update = lambda value, kind: self.client.update_item(
            TableName=self.table, Key=key, AttributeUpdates={"a": {"Value": N(value)}}, ReturnValues=kind
        ).get("Attributes")
        self.assertEqual(update(2, "UPDATED_OLD"), {"a": N(1)})
        self.assertEqual(update(3, "UPDATED_NEW"), {"a": N(3)})
        self.assertEqual(update(4, "ALL_OLD"), {**key, "a": N(3), "b": N(2)})
        self.assertIsNone(update(5, "NONE"))

    def test_what_cannot_be_updated(self):
        update = lambda text, updates: self.invalid(
            text, "update_item", TableName=self.table, Key=self.key(), AttributeUpdates=updates
        )
        update(BAD + "Cannot update attribute id. This attribute is part of the key", {"id": {"Value": S("x")}})
        update(BAD + "Only DELETE action is allowed when no attribute value is specified", {"a": {"Action": "PUT"}})
        update(
            BAD + "DELETE action with value is not supported for the type N", {"a": {"Action": "DELETE", "Value": N(1)}}
        )
        update(BAD + "ADD action is not supported for the type S", {"a": {"Action": "ADD", "Value": S("x")}})


class Reads(Case):
    sort = "N"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = S("one")
        for sk in range(10):
            cls.client.put_item(TableName=cls.table, Item={"id": cls.one, "sk": N(sk), "a": N(sk % 3), "b": M(x=N(sk))})

    def query(self, sort=None, **parameters):
        conditions = {"id": comparison("EQ", [self.one]), **({"sk": sort} if sort else {})}
        page = self.client.query(TableName=self.table, KeyConditions=conditions, ConsistentRead=True, **parameters)
        return [int(item["sk"]["N"]) for item in page["Items"]]

    def test_key_conditions(self):
        self.assertEqual(self.query(), list(range(10)))
        for operator, values, expected in (
            ("EQ", [4], [4]), ("LT", [2], [0, 1]), ("LE", [2], [0, 1, 2]), ("GT", [7], [8, 9]), ("GE", [7], [7, 8, 9]),
            ("BETWEEN", [3, 5], [3, 4, 5]),
        ):
            sort = comparison(operator, [N(value) for value in values])
            self.assertEqual(self.query(sort), expected, operator)
            self.assertEqual(self.query(sort, ScanIndexForward=False), expected[::-1], operator)

    def test_begins_with(self):
        table = self.new_table("S", "S")
        for sk in ("a", "ab", "b"):
            self.client.put_item(TableName=table, Item={"id": self.one, "sk": S(sk)})
        conditions = {"id": comparison("EQ", [self.one]), "sk": comparison("BEGINS_WITH", [S("a")])}
        page = self.client.query(TableName=table, KeyConditions=conditions, ConsistentRead=True)
        self.assertEqual([item["sk"]["S"] for item in page["Items"]], ["a", "ab"])

    def test_query_filter(self):
        self.assertEqual(self.query(QueryFilter={"a": comparison("EQ", [N(0)])}), [0, 3, 6, 9])
        wanted = {"a": comparison("EQ", [N(0)]), "b": comparison("NULL", [])}
        self.assertEqual(self.query(QueryFilter=wanted), [])
        self.assertEqual(self.query(QueryFilter=wanted, ConditionalOperator="OR"), [0, 3, 6, 9])
        text = "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk"
        parameters = {"KeyConditions": {"id": comparison("EQ", [self.one])}, "QueryFilter": {"sk": comparison("EQ", [N(1)])}}
        self.invalid(text, "query", TableName=self.table, **parameters)

    def test_conditions_that_no_key_can_have(self):
        query = lambda text, conditions: self.invalid(text, "query", TableName=self.table, KeyConditions=conditions)
        one = comparison("EQ", [self.one])
        query("Attempted conditional constraint is not an indexable operation", {"id": one, "sk": comparison("NE", [N(1)])})
        query("Query key condition not supported", {"id": comparison("GT", [self.one])})
        query("Query condition missed key schema element: id", {"sk": comparison("EQ", [N(1)])})
        query("Conditions can be of length 1 or 2 only", {"id": one, "sk": comparison("EQ", [N(1)]), "x": one})
        query("Conditions can be of length 1 or 2 only", {})

    def test_attributes_to_get(self):
        key = {"id": self.one, "sk": N(4)}
        self.assertEqual(self.get(key, AttributesToGet=["a", "nope"]), {"a": N(1)})
        page = self.client.query(
            TableName=self.table, KeyConditions={"id": comparison("EQ", [self.one])}, AttributesToGet=["sk"], Limit=2,
            ConsistentRead=True,
        )
        self.assertEqual(page["Items"], [{"sk": N(0)}, {"sk": N(1)}])
        page = self.client.scan(TableName=self.table, AttributesToGet=["a"], ConsistentRead=True)
        self.assertEqual([item["a"]["N"] for item in page["Items"]], [str(sk % 3) for sk in range(10)])
        asked = {"Keys": [key], "AttributesToGet": ["sk"], "ConsistentRead": True}
        answer = self.client.batch_get_item(RequestItems={self.table: asked})
        self.assertEqual(answer["Responses"][self.table], [{"sk": N(4)}])
        text = BAD + "Duplicate value in attribute name: a"
        self.invalid(text, "get_item", TableName=self.table, Key=key, AttributesToGet=["a", "b", "a"])
