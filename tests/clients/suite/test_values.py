"""Values: all ten types come back as they were sent, up to their limits and not beyond."""

import decimal
import re

from .case import B, BOOL, BS, L, M, N, NS, NULL, S, SS, Case

ITEM_BYTES_MAX = 400 * 1024
DIGITS_38 = "12345678901234567890123456789012345678"


def nested(depth, kind):
    """A value within lists or maps of this depth."""
    value = N(1)
    for _ in range(depth):
        value = L(value) if kind == "L" else M(a=value)
    return value


class Values(Case):
    def round_trip(self, value):
        """What comes back of a value, read by each of the ways to read."""
        key = self.put(v=value)
        found = [
            self.get(key)["v"],
            self.client.query(
                TableName=self.table, KeyConditionExpression="id = :id", ConsistentRead=True,
                ExpressionAttributeValues={":id": key["id"]},
            )["Items"][0]["v"],
            self.client.batch_get_item(RequestItems={self.table: {"Keys": [key], "ConsistentRead": True}})["Responses"][
                self.table
            ][0]["v"],
        ]
        self.assert_same(found[1], found[0])
        self.assert_same(found[2], found[0])
        return found[0]

    def check(self, *values):
        for value in values:
            with self.subTest(value=str(value)[:60]):
                self.assert_same(self.round_trip(value), value)

    def test_text(self):
        self.check(S("x"), S(""), S("é\u0000\n\t\"\\/"), S("日本語 𐀀 \U0001f600"), S("\u2028\ufeff"), S("x" * 100_000))

    def test_bytes(self):
        self.check(B(b"x"), B(b""), B(bytes(range(256))), B(b"\0" * 100_000))

    def test_simple_values(self):
        self.check(BOOL(True), BOOL(False), NULL)

    def test_sets(self):
        self.check(SS("b", "a", "é", ""), NS(3, "-1.5", 10), BS(b"b", b"\0", b""), SS("one"))

    def test_documents(self):
        self.check(L(), M(), L(L(), M(), NULL, N(1), S("x")), M(a=L(M(b=SS("x", "y"))), c=BOOL(True)))
        self.check({"M": {"with space": N(1), "é.#:[0]": N(2), "x" * 255: N(3)}})

    def test_names_of_attributes(self):
        key = self.key()
        item = {**key, "with space": N(1), "a.b": N(2), "a[0]": N(3), "#x": N(4), ":y": N(5), "é𐀀": N(6), "select": N(7)}
        self.client.put_item(TableName=self.table, Item=item)
        self.assertEqual(self.get(key), item)

    def test_numbers_in_their_one_form(self):
        for sent, stored in (
            ("0", "0"), ("-0", "0"), ("0.0", "0"), ("1.0", "1"), ("1.50", "1.5"), ("007", "7"), (".5", "0.5"),
            ("1E3", "1000"), ("1e-3", "0.001"), ("-12.340", "-12.34"), ("100", "100"), ("5.", "5"),
        ):
            with self.subTest(sent=sent):
                self.assertEqual(self.round_trip(N(sent)), N(stored))

    def test_numbers_of_38_digits(self):
        for text in (DIGITS_38, "-" + DIGITS_38, "0." + DIGITS_38, DIGITS_38[:19] + "." + DIGITS_38[19:], "9" * 38):
            with self.subTest(text=text):
                self.assertEqual(self.round_trip(N(text)), N(text))

    def test_numbers_of_all_magnitudes(self):
        for text in ("1E125", "-1E125", "9." + "9" * 37 + "E+125", "-9." + "9" * 37 + "E+125", "1E-130", "-1E-130", "1.5E-129"):
            with self.subTest(text=text):
                found = self.round_trip(N(text))["N"]
                self.assertEqual(decimal.Decimal(found), decimal.Decimal(text))

    def test_numbers_that_cannot_be(self):
        put = lambda number, text: self.invalid(text, "put_item", TableName=self.table, Item={**self.key(), "n": N(number)})
        over = "Number overflow. Attempting to store a number with magnitude larger than supported range"
        under = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        digits = "Attempting to store more than 38 significant digits in a Number"
        put("1E126", over)
        put("-1E126", over)
        put("1E-131", under)
        put(DIGITS_38 + "9", digits)
        put("1." + DIGITS_38, digits)
        put("0x10", "The parameter cannot be converted to a numeric value: 0x10")
        put("NaN", "The parameter cannot be converted to a numeric value: NaN")
        put("", re.compile("^The parameter cannot be converted to a numeric value(: )?$"))

    def test_equal_numbers_are_one_member_of_a_set(self):
        put = lambda *members: self.invalid(
            re.compile(r"Input collection (\[.*\] )?contains duplicates\.?$"), "put_item", TableName=self.table,
            Item={**self.key(), "n": NS(*members)},
        )
        put(1, 1)
        put("1", "1.0")

    def test_sets_that_cannot_be(self):
        bad = "One or more parameter values were invalid: "
        for value, text in (
            (SS(), bad + "An string set  may not be empty"),
            (NS(), bad + "An number set  may not be empty"),
            (BS(), bad + "Binary sets should not be empty"),
            (SS("a", "b", "a"), re.compile(bad + r'Input collection \["?a"?, ?"?b"?, ?"?a"?\] contains duplicates\.$')),
            (BS(b"a", b"a"), re.compile(bad + r"Input collection \[.*\] ?of type BS contains duplicates\.$")),
            ({"SS": ["a"], "S": "b"}, "Supplied AttributeValue has more than one datatypes set, must contain exactly one "
             "of the supported datatypes"),
            ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ):
            with self.subTest(value=str(value)):
                self.invalid(text, "put_item", TableName=self.table, Item={**self.key(), "v": value})

    def test_32_levels(self):
        for kind in "LM":
            self.check(nested(31, kind))
            text = (
                "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond "
                "supported limit"
            )
            item = {**self.key(), "v": nested(33, kind)}
            self.invalid(text, "put_item", TableName=self.table, Item=item)

    def test_a_document_of_many_parts(self):
        self.check(L(*[M(n=N(at), s=S(f"element {at}"), l=L(NULL, BOOL(at % 2 == 0))) for at in range(500)]))


class LargeItems(Case):
    """An item has at most 400 KiB, names and values together."""

    def item(self, bytes_of_all, fill="x"):
        key = self.key()
        rest = len("id") + len(key["id"]["S"]) + len("fill")
        count, left = divmod(bytes_of_all - rest, len(fill.encode()))
        return {**key, "fill": S(fill * count + "." * left)}

    def test_the_largest(self):
        for fill in ("x", "é"):
            item = self.item(ITEM_BYTES_MAX, fill)
            self.client.put_item(TableName=self.table, Item=item)
            self.assertEqual(self.get({"id": item["id"]}), item)

    def test_one_byte_more(self):
        text = "Item size has exceeded the maximum allowed size"
        for fill in ("x", "é"):
            item = self.item(ITEM_BYTES_MAX + 1, fill)
            self.invalid(text, "put_item", TableName=self.table, Item=item)
            self.assertIsNone(self.get({"id": item["id"]}))

    def test_an_update_beyond_it(self):
        item = self.item(ITEM_BYTES_MAX - 10)
        self.client.put_item(TableName=self.table, Item=item)
        parameters = {"UpdateExpression": "SET y = :y", "ExpressionAttributeValues": {":y": S("y" * 10)}}
        text = "Item size to update has exceeded the maximum allowed size"
        self.invalid(text, "update_item", TableName=self.table, Key={"id": item["id"]}, **parameters)
        self.assertEqual(self.get({"id": item["id"]}), item)
        parameters["ExpressionAttributeValues"] = {":y": S("y" * 9)}
        self.client.update_item(TableName=self.table, Key={"id": item["id"]}, **parameters)
        self.assertEqual(self.get({"id": item["id"]})["y"], S("y" * 9))

    def test_the_largest_keys(self):
        key = {"id": S("k" * 2048)}
        self.client.put_item(TableName=self.table, Item=key)
        self.assertEqual(self.get(key), key)
        text = re.compile(
            "^One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of ?2048 bytes$"
        )
        self.invalid(text, "put_item", TableName=self.table, Item={"id": S("k" * 2049)})
        table = self.new_table("S", "S")
        key = {"id": S("k"), "sk": S("s" * 1024)}
        self.client.put_item(TableName=table, Item=key)
        self.assertEqual(self.client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"], key)
        text = (
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of "
            "1024 bytes"
        )
        self.invalid(text, "put_item", TableName=table, Item={"id": S("k"), "sk": S("s" * 1025)})

    def test_conditions_on_keys_that_are_too_long(self):
        table = self.new_table("S", "S")
        hash_text = re.compile(
            "^One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of ?2048 bytes$"
        )
        range_text = (
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of "
            "1024 bytes"
        )
        for length in (2049, 70_000):
            values = {":k": S("k" * length), ":s": S("s")}
            self.invalid(
                hash_text, "query", TableName=table, KeyConditionExpression="id = :k AND sk > :s", ExpressionAttributeValues=values
            )
            values = {":k": S("k"), ":s": S("s" * length), ":t": S("t" * length)}
            for condition in ("sk = :s", "sk > :s", "sk BETWEEN :s AND :t", "begins_with(sk, :s)"):
                used = {name: value for name, value in values.items() if name in f"id = :k AND {condition}"}
                self.invalid(
                    range_text, "query", TableName=table, KeyConditionExpression=f"id = :k AND {condition}",
                    ExpressionAttributeValues=used,
                )
