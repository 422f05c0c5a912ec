"""Update expressions: every section, function and path, and what they do to what is not there."""

from .case import B, BOOL, BS, L, M, N, NS, S, SS, Case

DIGITS_38 = "12345678901234567890123456789012345678"
LARGEST = "9" * 38 + "0" * 88

# The attributes before, the expression, the values in it, and the attributes after.
SET = [
    ({}, "SET a = :v", [S("x")], {"a": S("x")}),
    ({"a": N(1)}, "SET a = :v", [S("x")], {"a": S("x")}),
    ({"a": N(1)}, "set a = :v", [N(2)], {"a": N(2)}),
    ({"a": N(1), "b": S("x")}, "SET b = a", [], {"a": N(1), "b": N(1)}),
    ({"a": N(1), "b": N(2)}, "SET a = b, b = a", [], {"a": N(2), "b": N(1)}),
    ({"a": N(1)}, "SET a = a + :v", [N(2)], {"a": N(3)}),
    ({"a": N(1)}, "SET a = a - :v", [N("2.5")], {"a": N("-1.5")}),
    ({"a": N(1)}, "SET a = :v - a", [N(5)], {"a": N(4)}),
    ({"a": N(1), "b": N(2)}, "SET c = a + b", [], {"a": N(1), "b": N(2), "c": N(3)}),
    ({"a": N("0.1")}, "SET a = a + :v", [N("0.2")], {"a": N("0.3")}),
    ({"a": N(DIGITS_38)}, "SET a = a + :v", [N(1)], {"a": N(int(DIGITS_38) + 1)}),
    ({"a": N(1)}, "SET a = a + :v, b = a", [N(1)], {"a": N(2), "b": N(1)}),
    ({"m": M(a=N(1))}, "SET m.a = :v, m.b = :w", [N(2), S("x")], {"m": M(a=N(2), b=S("x"))}),
    ({"m": M(a=M(b=N(1)))}, "SET m.a.b = m.a.b + :v", [N(1)], {"m": M(a=M(b=N(2)))}),
    ({"m": M(a=N(1))}, "SET m = :v", [L()], {"m": L()}),
]

FUNCTIONS = [
    ({}, "SET a = if_not_exists(a, :v)", [N(1)], {"a": N(1)}),
    ({"a": N(7)}, "SET a = if_not_exists(a, :v)", [N(1)], {"a": N(7)}),
    ({"b": N(7)}, "SET a = if_not_exists(b, :v)", [N(1)], {"a": N(7), "b": N(7)}),
    ({}, "SET a = if_not_exists(a, :v) + :w", [N(0), N(1)], {"a": N(1)}),
    ({"a": N(4)}, "SET a = if_not_exists(a, :v) + :w", [N(0), N(1)], {"a": N(5)}),
    ({"m": M()}, "SET m.a = if_not_exists(m.a, :v)", [N(1)], {"m": M(a=N(1))}),
    ({"b": N(3)}, "SET a = if_not_exists(a, b)", [], {"a": N(3), "b": N(3)}),
    ({"l": L(N(1))}, "SET l = list_append(l, :v)", [L(N(2), S("x"))], {"l": L(N(1), N(2), S("x"))}),
    ({"l": L(N(1))}, "SET l = list_append(:v, l)", [L(N(0))], {"l": L(N(0), N(1))}),
    ({"l": L(N(1))}, "SET l = list_append(l, l)", [], {"l": L(N(1), N(1))}),
    ({}, "SET l = list_append(if_not_exists(l, :v), :w)", [L(), L(N(1))], {"l": L(N(1))}),
    ({"l": L(L(N(1)))}, "SET l[0] = list_append(l[0], :v)", [L(N(2))], {"l": L(L(N(1), N(2)))}),
]

LISTS = [
    ({"l": L(N(0), N(1), N(2))}, "SET l[1] = :v", [S("x")], {"l": L(N(0), S("x"), N(2))}),
    ({"l": L(N(0))}, "SET l[1] = :v", [S("x")], {"l": L(N(0), S("x"))}),
    ({"l": L(N(0))}, "SET l[50] = :v", [S("x")], {"l": L(N(0), S("x"))}),
    ({"l": L(N(0))}, "SET l[50] = :v, l[20] = :w", [S("x"), S("y")], {"l": L(N(0), S("y"), S("x"))}),
    ({"l": L(M(a=N(1)))}, "SET l[0].a = :v, l[0].b = :w", [N(2), N(3)], {"l": L(M(a=N(2), b=N(3)))}),
    ({"l": L(N(0), N(1), N(2))}, "REMOVE l[1]", [], {"l": L(N(0), N(2))}),
    ({"l": L(N(0), N(1), N(2), N(3))}, "REMOVE l[0], l[2]", [], {"l": L(N(1), N(3))}),
    ({"l": L(N(0), N(1))}, "REMOVE l[7]", [], {"l": L(N(0), N(1))}),
    ({"l": L(N(0), N(1), N(2))}, "SET l[2] = :v REMOVE l[0]", [S("x")], {"l": L(N(1), S("x"))}),
    ({"l": L(N(0), N(1))}, "SET l[0] = l[1], l[1] = l[0]", [], {"l": L(N(1), N(0))}),
]

REMOVE = [
    ({"a": N(1), "b": N(2)}, "REMOVE a", [], {"b": N(2)}),
    ({"a": N(1), "b": N(2)}, "REMOVE a, b", [], {}),
    ({"a": N(1)}, "REMOVE nope", [], {"a": N(1)}),
    ({"m": M(a=N(1), b=N(2))}, "REMOVE m.a", [], {"m": M(b=N(2))}),
    ({"m": M(a=N(1))}, "REMOVE m.a", [], {"m": M()}),
    ({"m": M(a=N(1))}, "REMOVE m.nope", [], {"m": M(a=N(1))}),
    ({"a": N(1), "b": N(2)}, "SET b = a REMOVE a", [], {"b": N(1)}),
]

ADD = [
    ({}, "ADD a :v", [N(3)], {"a": N(3)}),
    ({"a": N(1)}, "ADD a :v", [N(3)], {"a": N(4)}),
    ({"a": N(1)}, "ADD a :v", [N("-1.5")], {"a": N("-0.5")}),
    ({"a": N(1)}, "ADD a :v, b :w", [N(1), N(2)], {"a": N(2), "b": N(2)}),
    ({}, "ADD a :v", [SS("x", "y")], {"a": SS("x", "y")}),
    ({"a": SS("x")}, "ADD a :v", [SS("x", "y")], {"a": SS("x", "y")}),
    ({"a": NS(1)}, "ADD a :v", [NS("1.0", 2)], {"a": NS(1, 2)}),
    ({"a": BS(b"x")}, "ADD a :v", [BS(b"y")], {"a": BS(b"x", b"y")}),
    ({"m": M(a=N(1))}, "ADD m.a :v, m.b :w", [N(1), N(5)], {"m": M(a=N(2), b=N(5))}),
]

DELETE = [
    ({"a": SS("x", "y", "z")}, "DELETE a :v", [SS("x", "z", "nope")], {"a": SS("y")}),
    ({"a": SS("x")}, "DELETE a :v", [SS("x")], {}),
    ({"a": NS(1, 2)}, "DELETE a :v", [NS("1.0")], {"a": NS(2)}),
    ({"a": BS(b"x", b"y")}, "DELETE a :v", [BS(b"x")], {"a": BS(b"y")}),
    ({"b": N(1)}, "DELETE a :v", [SS("x")], {"b": N(1)}),
    ({"m": M(a=SS("x", "y"))}, "DELETE m.a :v", [SS("x")], {"m": M(a=SS("y"))}),
]

ALL_SECTIONS = [
    (
        {"a": N(1), "b": S("x"), "c": N(1), "d": SS("p", "q")}, "SET a = :v REMOVE b ADD c :w DELETE d :x",
        [S("new"), N(1), SS("p")], {"a": S("new"), "c": N(2), "d": SS("q")},
    ),
    ({"b": N(1), "d": SS("p")}, "DELETE d :x ADD c :w REMOVE b SET a = :v", [S("y"), N(1), SS("p")], {"a": S("y"), "c": N(1)}),
]

PATH = "The document path provided in the update expression is invalid for update"
TYPE = "An operand in the update expression has an incorrect data type"
ABSENT = "The provided expression refers to an attribute that does not exist in the item"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"

# Updates that the item does not allow.
IMPOSSIBLE = [
    ({"a": N(1)}, "SET m.a = :v", [N(1)], PATH),
    ({"a": N(1)}, "SET a.b = :v", [N(1)], PATH),
    ({"m": M()}, "SET m.a.b = :v", [N(1)], PATH),
    ({"m": M()}, "SET m[0] = :v", [N(1)], PATH),
    ({"l": L(N(1))}, "SET l.a = :v", [N(1)], PATH),
    ({}, "REMOVE m.a", [], PATH),
    ({}, "ADD m.a :v", [N(1)], PATH),
    ({"a": S("x")}, "SET a = a + :v", [N(1)], TYPE),
    ({"a": S("x")}, "ADD a :v", [N(1)], TYPE),
    ({"a": SS("x")}, "ADD a :v", [NS(1)], TYPE),
    ({"a": SS("x")}, "DELETE a :v", [NS(1)], TYPE),
    ({"a": N(1)}, "SET a = list_append(a, :v)", [L()], TYPE),
    ({}, "SET a = b", [], ABSENT),
    ({}, "SET a = a + :v", [N(1)], ABSENT),
    ({}, "SET a = list_append(a, :v)", [L()], ABSENT),
    ({"m": M()}, "SET a = m.b", [], ABSENT),
    ({"a": N(LARGEST)}, "SET a = a + :v", [N(LARGEST)], OVERFLOW),
]

UPDATE = "Invalid UpdateExpression: "
OVERLAP = UPDATE + (
    "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: {}, path two: {}"
)
CONFLICT = OVERLAP.replace("overlap", "conflict")
OF_THE_KEY = "One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key"
OPERANDS = UPDATE + "Incorrect number of operands for operator or function; operator or function: {}, number of operands: {}"
NOT_HERE = UPDATE + "The function is not allowed in an update expression; function: {}"
OPERAND = UPDATE + "Incorrect operand type for operator or function; "

# Expressions that no item allows.
REFUSED = [
    ("SET a = :v, a = :v", [N(1)], OVERLAP.format("[a]", "[a]")),
    ("SET a.b = :v, a = :v", [N(1)], OVERLAP.format("[a, b]", "[a]")),
    ("SET a = :v REMOVE a[0]", [N(1)], OVERLAP.format("[a]", "[a, [0]]")),
    ("SET a.b = :v REMOVE a[0]", [N(1)], CONFLICT.format("[a, b]", "[a, [0]]")),
    ("SET a = :v SET b = :v", [N(1)], UPDATE + 'The "SET" section can only be used once in an update expression;'),
    ("SET a = attribute_exists(b)", [], NOT_HERE.format("attribute_exists")),
    ("SET a = nope(b)", [], UPDATE + "Invalid function name; function: nope"),
    ("SET a = size(b)", [], NOT_HERE.format("size")),
    ("SET a = if_not_exists(b)", [], OPERANDS.format("if_not_exists", 1)),
    ("SET a = if_not_exists(:v, b)", [N(1)], UPDATE + "Operator or function requires a document path; operator or function: if_not_exists"),
    ("SET a = :v + :v", [S("x")], OPERAND + "operator or function: +, operand type: S"),
    ("SET a = list_append(a, :v)", [N(1)], OPERAND + "operator or function: list_append, operand type: N"),
    ("ADD a :v", [S("x")], OPERAND + "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
    ("DELETE a :v", [N(1)], OPERAND + "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
    ("SET a = :v", [], UPDATE + "An expression attribute value used in expression is not defined; attribute value: :v"),
    ("SET #a = :v", [N(1)], UPDATE + "An expression attribute name used in the document path is not defined; attribute name: #a"),
    ("SET name = :v", [N(1)], UPDATE + "Attribute name is a reserved keyword; reserved keyword: name"),
    ("", [], UPDATE + "The expression can not be empty;"),
    ("SET", [], UPDATE + 'Syntax error; token: "<EOF>", near: "SET"'),
    ("SET a :v", [N(1)], UPDATE + 'Syntax error; token: ":v", near: "a :v"'),
    ("SET a = :v + :v + :v", [N(1)], UPDATE + 'Syntax error; token: "+", near: ":v + :v"'),
    ("SET id = :v", [N(1)], OF_THE_KEY),
    ("REMOVE id", [], OF_THE_KEY),
]


class Updates(Case):
    def parameters(self, expression, values):
        parameters = {"TableName": self.table, "UpdateExpression": expression}
        if values:
            parameters["ExpressionAttributeValues"] = dict(zip((":v", ":w", ":x"), values))
        return parameters

    def check(self, updates):
        for before, expression, values, after in updates:
            with self.subTest(before=before, expression=expression):
                key = self.put(**before)
                answer = self.client.update_item(Key=key, ReturnValues="ALL_NEW", **self.parameters(expression, values))
                self.assert_same(answer["Attributes"], {**key, **after})
                self.assert_same(self.get(key), {**key, **after})

    def test_set(self):
        self.check(SET)

    def test_functions(self):
        self.check(FUNCTIONS)

    def test_lists(self):
        self.check(LISTS)

    def test_remove(self):
        self.check(REMOVE)

    def test_add(self):
        self.check(ADD)

    def test_delete(self):
        self.check(DELETE)

    def test_all_sections_at_once(self):
        self.check(ALL_SECTIONS)

    def test_what_an_item_does_not_allow(self):
        for before, expression, values, text in IMPOSSIBLE:
            with self.subTest(before=before, expression=expression):
                key = self.put(**before)
                self.invalid(text, "update_item", Key=key, **self.parameters(expression, values))
                self.assert_same(self.get(key), {**key, **before})

    def test_what_no_item_allows(self):
        for expression, values, text in REFUSED:
            with self.subTest(expression):
                self.invalid(text, "update_item", Key=self.key(), **self.parameters(expression, values))

    def test_names(self):
        key = self.put(m={"M": {"a.b": N(1)}})
        self.client.update_item(
            TableName=self.table, Key=key, UpdateExpression="SET #m.#n = #m.#n + :v, #o = :w",
            ExpressionAttributeNames={"#m": "m", "#n": "a.b", "#o": "odd name"},
            ExpressionAttributeValues={":v": N(1), ":w": BOOL(True)},
        )
        self.assertEqual(self.get(key), {**key, "m": {"M": {"a.b": N(2)}}, "odd name": BOOL(True)})

    def test_every_type_can_be_set(self):
        values = [S("x"), N(1), B(b"\0"), BOOL(False), {"NULL": True}, L(), M(), SS("x"), NS(1), BS(b"x")]
        names = [f"a{at}" for at in range(len(values))]
        key = self.key()
        self.client.update_item(
            TableName=self.table, Key=key, UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in names),
            ExpressionAttributeValues={f":{name}": value for name, value in zip(names, values)},
        )
        self.assertEqual(self.get(key), {**key, **dict(zip(names, values))})
