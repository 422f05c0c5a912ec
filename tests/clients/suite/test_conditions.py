"""Conditions: every function and operator, as the condition of a write and as the filter of a read."""

from botocore.exceptions import ClientError

from .case import B, BOOL, BS, CONDITION_FAILED, L, M, N, NS, NULL, S, SS, Case

ITEM = {
    "s": S("hello"), "vacant": S(""), "n": N(5), "n2": N("5.0"), "b": B(b"\1\2\xff"), "yes": BOOL(True), "nay": BOOL(False),
    "nil": NULL, "l": L(N(1), S("two"), M(deep=S("x")), SS("a")), "m": M(a=N(1), b=M(c=S("x"), l=L(N(7)))),
    "ss": SS("a", "b"), "ns": NS(1, 2, 30), "bs": BS(b"\1", b"\2"), "s2": S("hello"), "odd name": N(1),
}

# A condition, the values in it, and whether it holds of ITEM.
COMPARISONS = [
    ("s = :v", [S("hello")], True), ("s = :v", [S("Hello")], False), ("s <> :v", [S("Hello")], True),
    ("s < :v", [S("hellp")], True), ("s < :v", [S("hello")], False), ("s <= :v", [S("hello")], True),
    ("s > :v", [S("hell")], True), ("s >= :v", [S("hello")], True), ("s > :v", [S("Z")], True),
    ("n = :v", [N("5.00")], True), ("n < :v", [N("10")], True), ("n > :v", [N("-10")], True), ("n <= :v", [N("4.99")], False),
    ("b < :v", [B(b"\2")], True), ("b >= :v", [B(b"\1\2")], True), ("b = :v", [B(b"\1\2\xff")], True),
    ("yes = :v", [BOOL(True)], True), ("nay = :v", [BOOL(True)], False), ("nay <> :v", [BOOL(True)], True),
    ("nil = :v", [NULL], True), ("vacant = :v", [S("")], True),
    ("s = s2", [], True), ("s <> s2", [], False), ("n = n2", [], True), ("n < n2", [], False),
    (":v = s", [S("hello")], True), (":v > n", [N(6)], True), (":v = :w", [N(1), N("1.0")], True),
    # Values of different types are never equal, and in no order.
    ("n = :v", [S("5")], False), ("n <> :v", [S("5")], True), ("n < :v", [S("6")], False), ("n > :v", [S("4")], False),
    ("s = n", [], False), ("s < n", [], False),
    # Sets and documents are equal by what is in them.
    ("ss = :v", [SS("b", "a")], True), ("ss = :v", [SS("a")], False), ("ns = :v", [NS("30", "1.0", "2")], True),
    ("m = :v", [M(b=M(l=L(N(7)), c=S("x")), a=N("1.0"))], True), ("m.b = :v", [M(c=S("x"))], False),
    ("l <> :v", [L(N(1))], True), ("l[2] = :v", [M(deep=S("x"))], True),
    # What is not there is not equal to anything.
    ("nope = :v", [S("x")], False), ("nope <> :v", [S("x")], True), ("nope < :v", [S("x")], False),
    ("m.nope = :v", [S("x")], False), ("s.a = :v", [S("x")], False),
]

PATHS = [
    ("m.a = :v", [N(1)], True), ("m.b.c = :v", [S("x")], True), ("m.b.l[0] = :v", [N(7)], True), ("l[0] = :v", [N(1)], True),
    ("l[2].deep = :v", [S("x")], True), ("l[9] = :v", [N(1)], False), ("l[1] = :v", [S("two")], True),
    ("#o = :v", [N(1)], True), ("m.#b.#c = :v", [S("x")], True), ("#m.#b.l[0] > :v", [N(6)], True),
]

FUNCTIONS = [
    ("attribute_exists(s)", [], True), ("attribute_exists(nope)", [], False), ("attribute_exists(nil)", [], True),
    ("attribute_exists(m.b.c)", [], True), ("attribute_exists(m.nope)", [], False), ("attribute_exists(l[3])", [], True),
    ("attribute_exists(l[4])", [], False), ("attribute_exists(s.x)", [], False), ("attribute_exists(id)", [], True),
    ("attribute_not_exists(nope)", [], True), ("attribute_not_exists(s)", [], False),
    ("attribute_not_exists(m.b.nope)", [], True),
    *[
        (f"attribute_type({name}, :v)", [S(kind)], True)
        for name, kind in (
            ("s", "S"), ("n", "N"), ("b", "B"), ("yes", "BOOL"), ("nil", "NULL"), ("l", "L"), ("m", "M"), ("ss", "SS"),
            ("ns", "NS"), ("bs", "BS"), ("l[3]", "SS"), ("m.b", "M"),
        )
    ],
    ("attribute_type(s, :v)", [S("N")], False), ("attribute_type(nope, :v)", [S("S")], False),
    ("begins_with(s, :v)", [S("hel")], True), ("begins_with(s, :v)", [S("hello")], True),
    ("begins_with(s, :v)", [S("ello")], False), ("begins_with(s, :v)", [S("")], True), ("begins_with(s, s2)", [], True),
    ("begins_with(b, :v)", [B(b"\1\2")], True), ("begins_with(b, :v)", [B(b"\2")], False),
    ("begins_with(s, :v)", [B(b"hel")], False), ("begins_with(n, :v)", [S("5")], False),
    ("begins_with(nope, :v)", [S("x")], False), ("begins_with(m.b.c, :v)", [S("x")], True),
    ("contains(s, :v)", [S("ell")], True), ("contains(s, :v)", [S("x")], False), ("contains(s, :v)", [N(5)], False),
    ("contains(b, :v)", [B(b"\2\xff")], True), ("contains(ss, :v)", [S("a")], True), ("contains(ss, :v)", [S("c")], False),
    ("contains(ss, :v)", [N(1)], False), ("contains(ns, :v)", [N("30.0")], True), ("contains(ns, :v)", [S("30")], False),
    ("contains(bs, :v)", [B(b"\2")], True), ("contains(l, :v)", [S("two")], True), ("contains(l, :v)", [N("1.0")], True),
    ("contains(l, :v)", [M(deep=S("x"))], True), ("contains(l, :v)", [S("x")], False), ("contains(nope, :v)", [S("x")], False),
    ("contains(m, :v)", [S("a")], False), ("contains(s, m.nope)", [], False),
    ("size(s) = :v", [N(5)], True), ("size(b) = :v", [N(3)], True), ("size(l) = :v", [N(4)], True),
    ("size(m) = :v", [N(2)], True), ("size(ss) = :v", [N(2)], True), ("size(ns) > :v", [N(2)], True),
    ("size(bs) < :v", [N(3)], True), ("size(vacant) = :v", [N(0)], True), ("size(l[1]) = :v", [N(3)], True),
    ("size(m.b) = size(ss)", [], True), ("size(nope) = :v", [N(0)], False), (":v < size(s)", [N(4)], True),
    ("size(s) BETWEEN :v AND :w", [N(5), N(6)], True), ("size(s) IN (:v, :w)", [N(1), N(5)], True),
]

OPERATORS = [
    ("n BETWEEN :v AND :w", [N(5), N(6)], True), ("n BETWEEN :v AND :w", [N(4), N(5)], True),
    ("n BETWEEN :v AND :w", [N(6), N(7)], False), ("s BETWEEN :v AND :w", [S("a"), S("i")], True),
    ("b BETWEEN :v AND :w", [B(b"\1"), B(b"\2")], True), ("nope BETWEEN :v AND :w", [N(1), N(9)], False),
    ("n BETWEEN :v AND :w", [S("0"), S("9")], False),
    (":v BETWEEN m.a AND n", [N(3)], True),
    ("n IN (:v)", [N(5)], True), ("n IN (:v, :w)", [N(1), N("5.0")], True), ("n IN (:v, :w)", [N(1), S("5")], False),
    ("s IN (n, s2)", [], True), ("m.a IN (:v)", [N(1)], True), ("nope IN (:v)", [N(1)], False),
    ("ss IN (:v)", [SS("b", "a")], True),
    ("NOT n = :v", [N(5)], False), ("NOT attribute_exists(nope)", [], True),
    ("n = :v AND s = :w", [N(5), S("hello")], True), ("n = :v AND s = :w", [N(5), S("x")], False),
    ("n = :v OR s = :w", [N(6), S("hello")], True), ("n = :v OR s = :w", [N(6), S("x")], False),
    # NOT binds closest, then AND, then OR.
    ("n = :v OR n = :v AND s = :w", [N(5), S("x")], True), ("(n = :v OR n = :v) AND s = :w", [N(5), S("x")], False),
    ("NOT n = :w AND n = :v", [N(5), N(6)], True), ("NOT (n = :w OR n = :v)", [N(5), N(6)], False),
    ("not n = :w and n = :v or n = :w", [N(5), N(6)], True), ("n between :v and :w", [N(5), N(6)], True), ("n in (:v)", [N(5)], True),
    ("n BETWEEN :v AND :w AND s = s2", [N(5), N(6)], True), ("n=:v AND(s=s2)", [N(5)], True),
]

NAMES = {"#o": "odd name", "#b": "b", "#c": "c", "#m": "m"}


class Conditions(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stored = {"id": S("one")}
        cls.client.put_item(TableName=cls.table, Item={**cls.stored, **ITEM})

    def write(self, condition, **parameters):
        """Whether a write is done under a condition."""
        try:
            self.client.update_item(
                TableName=self.table, Key=self.stored, UpdateExpression="REMOVE untouched",
                ConditionExpression=condition, **parameters,
            )
        except ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], CONDITION_FAILED, error)
            return False
        return True

    def filter(self, condition, **parameters):
        """Whether a filter lets the item through."""
        page = self.client.scan(TableName=self.table, FilterExpression=condition, ConsistentRead=True, **parameters)
        self.assertEqual(page["ScannedCount"], 1)
        return page["Count"] == 1

    def check(self, conditions):
        for condition, values, expected in conditions:
            with self.subTest(condition=condition, values=values):
                parameters = {}
                if values:
                    parameters["ExpressionAttributeValues"] = dict(zip((":v", ":w"), values))
                if names := {name: to for name, to in NAMES.items() if name in condition}:
                    parameters["ExpressionAttributeNames"] = names
                self.assertEqual(self.write(condition, **parameters), expected, "as the condition of a write")
                self.assertEqual(self.filter(condition, **parameters), expected, "as a filter")

    def test_comparisons(self):
        self.check(COMPARISONS)

    def test_paths(self):
        self.check(PATHS)

    def test_functions(self):
        self.check(FUNCTIONS)

    def test_operators(self):
        self.check(OPERATORS)

    def test_within_bounds_of_other_types(self):
        self.check([(":v BETWEEN n2 AND ns", [N(5)], False), (":v BETWEEN s AND s2", [N(5)], False)])

    def test_100_alternatives(self):
        values = {f":v{at}": N(at) for at in range(100)}
        self.assertTrue(self.write(f"n IN ({', '.join(values)})", ExpressionAttributeValues=values))
        values[":v100"] = N(100)
        text = "Invalid ConditionExpression: The IN operator is provided with too many operands; number of operands: 101"
        parameters = {"ConditionExpression": f"n IN ({', '.join(values)})", "ExpressionAttributeValues": values}
        self.invalid(text, "update_item", TableName=self.table, Key=self.stored, UpdateExpression="REMOVE x", **parameters)


class WritesUnderConditions(Case):
    def test_put_only_what_is_not_there(self):
        key = self.key()
        put = {"TableName": self.table, "Item": {**key, "x": N(1)}, "ConditionExpression": "attribute_not_exists(id)"}
        self.client.put_item(**put)
        self.refused(CONDITION_FAILED, "The conditional request failed", "put_item", **put)
        self.client.delete_item(TableName=self.table, Key=key)
        self.client.put_item(**put)

    def test_delete_under_a_condition(self):
        key = self.put(state=S("done"), n=N(1))
        parameters = {"TableName": self.table, "Key": key, "ConditionExpression": "#s = :s"}
        parameters["ExpressionAttributeNames"] = {"#s": "state"}
        wrong = {**parameters, "ExpressionAttributeValues": {":s": S("open")}}
        self.refused(CONDITION_FAILED, "The conditional request failed", "delete_item", **wrong)
        self.assertIsNotNone(self.get(key))
        self.client.delete_item(**parameters, ExpressionAttributeValues={":s": S("done")})
        self.assertIsNone(self.get(key))

    def test_update_under_a_condition(self):
        key = self.put(n=N(1))
        parameters = {
            "TableName": self.table, "Key": key, "UpdateExpression": "SET n = :new", "ConditionExpression": "n = :old",
            "ExpressionAttributeValues": {":old": N(1), ":new": N(2)},
        }
        self.client.update_item(**parameters)
        self.refused(CONDITION_FAILED, "The conditional request failed", "update_item", **parameters)
        self.assertEqual(self.get(key)["n"], N(2))

    def test_an_update_of_nothing_under_a_condition_creates_nothing(self):
        key = self.key()
        parameters = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": N(2)}}
        self.refused(
            CONDITION_FAILED, "The conditional request failed", "update_item", TableName=self.table, Key=key,
            ConditionExpression="attribute_exists(id)", **parameters,
        )
        self.assertIsNone(self.get(key))

    def test_the_condition_is_of_the_item_with_this_sort_key(self):
        table = self.new_table("S", "N")
        self.client.put_item(TableName=table, Item={"id": S("x"), "sk": N(1)})
        put = {"TableName": table, "ConditionExpression": "attribute_not_exists(id)"}
        self.client.put_item(**put, Item={"id": S("x"), "sk": N(2)})
        self.refused(
            CONDITION_FAILED, "The conditional request failed", "put_item", **put, Item={"id": S("x"), "sk": N(1)}
        )
