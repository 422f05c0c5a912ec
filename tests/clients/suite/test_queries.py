"""Queries: every test of a sort key of every type against a model of it, and what else a query can ask."""

import decimal
import random
import re

from .case import B, Case, N, S


def text_of(value):
    return value["S"].encode()


def number_of(value):
    return decimal.Decimal(value["N"])


def bytes_of(value):
    return value["B"]


class SortKeys:
    """What holds for sort keys of one type. `values` are in no order; `rank` is what they are ordered by."""

    values = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = S("one")
        values = list(cls.values)
        random.Random(7).shuffle(values)
        for number, value in enumerate(values):
            item = {"id": cls.one, "sk": value, "number": N(number)}
            cls.client.put_item(TableName=cls.table, Item=item)
            # Another partition key, which must never be seen.
            cls.client.put_item(TableName=cls.table, Item={**item, "id": S("other")})
        cls.ordered = sorted(cls.values, key=cls.rank)

    def found(self, condition="", values=None, **parameters):
        """The sort keys that a query gives, page by page."""
        expression = "id = :id" + (f" AND {condition}" if condition else "")
        parameters = {
            "TableName": self.table,
            "KeyConditionExpression": expression,
            "ExpressionAttributeValues": {":id": self.one, **(values or {})},
            "ConsistentRead": True,
            **parameters,
        }
        found = []
        while True:
            page = self.client.query(**parameters)
            self.assertEqual(page["Count"], len(page["Items"]))
            self.assertLessEqual(page["Count"], parameters.get("Limit", 1000))
            found.extend(item["sk"] for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return found
            self.assertEqual(set(page["LastEvaluatedKey"]), {"id", "sk"})
            parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def check(self, holds, condition="", values=None):
        """What a query finds is what the model holds, in both directions and in pages."""
        expected = [value for value in self.ordered if holds(self.rank(value))]
        with self.subTest(condition=condition, values=values):
            self.assertEqual(self.found(condition, values), expected)
            self.assertEqual(self.found(condition, values, ScanIndexForward=False), expected[::-1])
            self.assertEqual(self.found(condition, values, Limit=3), expected)
            self.assertEqual(self.found(condition, values, Limit=2, ScanIndexForward=False), expected[::-1])

    def test_all(self):
        self.check(lambda _: True)

    def test_comparisons(self):
        for value in (self.ordered[0], self.ordered[len(self.ordered) // 2], self.ordered[-1], *self.absent):
            rank, values = self.rank(value), {":v": value}
            self.check(lambda found: found == rank, "sk = :v", values)
            self.check(lambda found: found < rank, "sk < :v", values)
            self.check(lambda found: found <= rank, "sk <= :v", values)
            self.check(lambda found: found > rank, "sk > :v", values)
            self.check(lambda found: found >= rank, "sk >= :v", values)

    def test_between(self):
        middle = len(self.ordered) // 2
        for lower, upper in (
            (self.ordered[1], self.ordered[-2]), (self.ordered[middle], self.ordered[middle]),
            (self.ordered[0], self.ordered[-1]), (min(self.absent, key=self.rank), max(self.absent, key=self.rank)),
        ):
            least, most = self.rank(lower), self.rank(upper)
            self.check(lambda found: least <= found <= most, "sk BETWEEN :a AND :b", {":a": lower, ":b": upper})

    def test_the_other_way_round(self):
        middle = self.ordered[len(self.ordered) // 2]
        self.assertEqual(self.found(":v > sk", {":v": middle}), self.found("sk < :v", {":v": middle}))


class TextSortKeys(SortKeys, Case):
    sort = "S"
    rank = staticmethod(text_of)
    # The order is that of UTF-8: the last one is behind all of the 16-bit letters.
    values = [S(text) for text in ("a", "A", "ab", "abc", "b", "B", "é", "10", "9", "a\u0000", " ", "\uff5e", "𐀀", "ab\u0001")]
    absent = [S("aa"), S("\u0001"), S("\U0010ffff")]

    def test_prefixes(self):
        for prefix in ("a", "ab", "abc", "b", "é", "x", "𐀀"):
            holds = lambda found: found.startswith(prefix.encode())
            self.check(holds, "begins_with(sk, :v)", {":v": S(prefix)})


class NumberSortKeys(SortKeys, Case):
    sort = "N"
    rank = staticmethod(number_of)
    values = [N(number) for number in (
        "0", "1", "-1", "10", "9", "2", "-10", "-9", "0.5", "0.05", "-0.5", "123.456", "1000000000000000000000",
        "-1000000000000000000000", "0.00000000000000000001", "99999999999999999999999999999999999999",
    )]
    absent = [N("3"), N("-3.5"), N("100")]

    def test_one_number_is_one_key(self):
        for same in ("10", "10.0", "1E1", "0010"):
            self.assertEqual(self.found("sk = :v", {":v": N(same)}), [N("10")])


class BinarySortKeys(SortKeys, Case):
    sort = "B"
    rank = staticmethod(bytes_of)
    values = [B(content) for content in (
        b"\0", b"\0\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\xff\0", b"\xff\xff", b"a", b"ab", b"\0\xff", b"a\0",
    )]
    absent = [B(b"\x02"), B(b"\xfe"), B(b"b")]

    def test_prefixes(self):
        for prefix in (b"\0", b"\xff", b"\xff\xff", b"a", b"x"):
            self.check(lambda found: found.startswith(prefix), "begins_with(sk, :v)", {":v": B(prefix)})


class QueriesByPartitionKey(Case):
    """A table without a sort key, and partition keys of other types."""

    def test_one_item(self):
        key = self.put(x=N(1))
        parameters = {
            "TableName": self.table, "KeyConditionExpression": "#k = :id", "ConsistentRead": True,
            "ExpressionAttributeNames": {"#k": "id"},
        }
        page = self.client.query(**parameters, ExpressionAttributeValues={":id": key["id"]})
        self.assertEqual((page["Count"], page["ScannedCount"], page["Items"]), (1, 1, [{**key, "x": N(1)}]))
        page = self.client.query(**parameters, ExpressionAttributeValues={":id": S("never there")})
        self.assertEqual((page["Count"], page["ScannedCount"], page["Items"]), (0, 0, []))
        self.assertNotIn("LastEvaluatedKey", page)

    def test_partition_keys_of_other_types(self):
        for kind, keys in (("N", [N("1"), N("1.5"), N("-7")]), ("B", [B(b"\0"), B(b"\xff\0"), B(b"a")])):
            table = self.new_table(kind)
            for key in keys:
                self.client.put_item(TableName=table, Item={"id": key, "x": S("y")})
            for key in keys:
                parameters = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": key}}
                page = self.client.query(TableName=table, ConsistentRead=True, **parameters)
                self.assertEqual(page["Items"], [{"id": key, "x": S("y")}])


class Queries(Case):
    sort = "N"
    count = 20

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = S("one")
        for at in range(cls.count):
            item = {"id": cls.one, "sk": N(at), "parity": S("odd" if at % 2 else "even"), "m": {"M": {"x": N(at * at)}}}
            cls.client.put_item(TableName=cls.table, Item=item)

    def query(self, values=None, **parameters):
        parameters = {"KeyConditionExpression": "id = :id", "ConsistentRead": True, **parameters}
        return self.client.query(
            TableName=self.table, ExpressionAttributeValues={":id": self.one, **(values or {})}, **parameters
        )

    def places(self, page):
        return [int(item["sk"]["N"]) for item in page["Items"]]

    def test_a_filter_takes_away_after_the_limit(self):
        odd = {"FilterExpression": "parity = :odd", "values": {":odd": S("odd")}}
        page = self.query(**odd)
        self.assertEqual((page["Count"], page["ScannedCount"]), (10, 20))
        self.assertEqual(self.places(page), list(range(1, 20, 2)))
        page = self.query(**odd, Limit=5)
        self.assertEqual((page["Count"], page["ScannedCount"], self.places(page)), (2, 5, [1, 3]))
        self.assertEqual(page["LastEvaluatedKey"], {"id": self.one, "sk": N(4)})
        page = self.query(**odd, Limit=1)
        self.assertEqual((page["Count"], page["ScannedCount"], page["Items"]), (0, 1, []))
        self.assertEqual(page["LastEvaluatedKey"], {"id": self.one, "sk": N(0)})

    def test_a_filter_within_documents(self):
        page = self.query({":x": N(30)}, FilterExpression="m.x < :x AND NOT contains(parity, :id)")
        self.assertEqual(self.places(page), [0, 1, 2, 3, 4, 5])

    def test_projection(self):
        page = self.query(ProjectionExpression="#p, m.x", ExpressionAttributeNames={"#p": "parity"}, Limit=2)
        expected = [{"parity": S("even"), "m": {"M": {"x": N(0)}}}, {"parity": S("odd"), "m": {"M": {"x": N(1)}}}]
        self.assertEqual(page["Items"], expected)

    def test_select(self):
        page = self.query(Select="COUNT")
        self.assertEqual((page["Count"], page["ScannedCount"]), (20, 20))
        self.assertNotIn("Items", page)
        page = self.query({":odd": S("odd")}, Select="COUNT", FilterExpression="parity = :odd", Limit=5)
        self.assertEqual((page["Count"], page["ScannedCount"]), (2, 5))
        self.assertEqual(page["LastEvaluatedKey"], {"id": self.one, "sk": N(4)})
        self.assertEqual(len(self.query(Select="ALL_ATTRIBUTES")["Items"][0]), 4)
        page = self.query(Select="SPECIFIC_ATTRIBUTES", ProjectionExpression="parity")
        self.assertEqual(page["Items"][0], {"parity": S("even")})

    def test_selects_that_do_not_go_together(self):
        """A query puts more words before what a scan says."""
        values = {"AttributeValueList": [self.one], "ComparisonOperator": "EQ"}
        for operation, before, parameters in (
            ("query", "1 validation error detected: ", {"KeyConditions": {"id": values}}),
            ("scan", "", {}),
        ):
            refused = lambda text, **more: self.invalid(
                before + text, operation, TableName=self.table, **parameters, **more
            )
            for select, what in (
                ("ALL_ATTRIBUTES", "ALL_ATTRIBUTES"),
                ("ALL_PROJECTED_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
                ("COUNT", "only the Count"),
            ):
                with self.subTest(operation=operation, select=select):
                    text = f"Cannot specify the AttributesToGet when choosing to get {what}"
                    refused(text, Select=select, AttributesToGet=["parity"])
            refused(
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                Select="ALL_PROJECTED_ATTRIBUTES",
            )
            refused(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                Select="SPECIFIC_ATTRIBUTES",
            )
        text = "Cannot specify the ProjectionExpression when choosing to get only the Count"
        self.invalid(text, "scan", TableName=self.table, Select="COUNT", ProjectionExpression="parity")

    def test_start_after_what_is_not_there(self):
        after = {"ExclusiveStartKey": {"id": self.one, "sk": N("4.5")}}
        self.assertEqual(self.places(self.query(**after, Limit=2)), [5, 6])
        self.assertEqual(self.places(self.query(**after, Limit=2, ScanIndexForward=False)), [4, 3])

    def test_start_after_the_last(self):
        page = self.query(ExclusiveStartKey={"id": self.one, "sk": N(19)})
        self.assertEqual(self.places(page), [])
        self.assertNotIn("LastEvaluatedKey", page)

    def test_paginator(self):
        paginator = self.client.get_paginator("query")
        pages = paginator.paginate(
            TableName=self.table, KeyConditionExpression="id = :id AND #sk >= :from", ConsistentRead=True,
            ExpressionAttributeNames={"#sk": "sk"}, ExpressionAttributeValues={":id": self.one, ":from": N(5)},
            PaginationConfig={"PageSize": 4, "MaxItems": 11},
        )
        self.assertEqual([at for page in pages for at in self.places(page)], list(range(5, 16)))

    def test_without_consistency_in_the_end(self):
        for _ in range(1000):
            if self.query(ConsistentRead=False)["Count"] == self.count:
                return
        self.fail("writes that were acknowledged never came to be seen")

    def test_many_items_in_few_pages(self):
        page = self.query()
        self.assertEqual(self.places(page), list(range(self.count)))
        self.assertNotIn("LastEvaluatedKey", page)


class QueriesWhileItemsChange(Case):
    sort = "N"

    def test_pages_go_on_where_they_stopped(self):
        partition = S("one")
        put = lambda at: self.client.put_item(TableName=self.table, Item={"id": partition, "sk": N(at)})
        for at in range(0, 40, 2):
            put(at)
        parameters = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": partition}, "Limit": 5}
        found, start = [], {}
        for _ in range(20):
            page = self.client.query(TableName=self.table, ConsistentRead=True, **parameters, **start)
            found.extend(int(item["sk"]["N"]) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                break
            last = found[-1]
            # One comes in behind, one ahead; the one that the next page begins after goes away.
            put(last - 1)
            put(last + 3)
            self.client.delete_item(TableName=self.table, Key={"id": partition, "sk": N(last)})
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        self.assertNotIn("LastEvaluatedKey", page, "the pages come to an end")
        self.assertEqual(found, sorted(set(found)))
        self.assertLessEqual(set(range(0, 40, 2)), set(found))


class QueriesOfIndexesThatAreNot(Case):
    def test_no_such_index(self):
        text = "The table does not have the specified index: nope"
        parameters = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": S("x")}}
        self.invalid(text, "query", TableName=self.table, IndexName="nope", **parameters)
        self.invalid(text, "scan", TableName=self.table, IndexName="nope")
