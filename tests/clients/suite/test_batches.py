"""Batches: up to 25 writes or 100 reads over several tables, what is not done yet, and what is refused."""

import re

from .case import NOT_FOUND, Case, N, S, unique_name


def put(item):
    return {"PutRequest": {"Item": item}}


def delete(key):
    return {"DeleteRequest": {"Key": key}}


class Batches(Case):
    def write(self, requests):
        """Writes all, in as many requests as it takes."""
        while requests:
            requests = self.client.batch_write_item(RequestItems=requests)["UnprocessedItems"]

    def read(self, requests):
        """Reads all, in as many requests as it takes: the items of each table."""
        found = {}
        while requests:
            answer = self.client.batch_get_item(RequestItems=requests)
            for table, items in answer["Responses"].items():
                found.setdefault(table, []).extend(items)
            requests = answer["UnprocessedKeys"]
        return found

    def assert_items(self, found, expected):
        by_id = lambda item: item["id"]["S"]
        self.assertEqual(sorted(found, key=by_id), sorted(expected, key=by_id))

    def items(self, count):
        return [{**self.key(), "n": N(at), "text": S("x" * at)} for at in range(count)]

    def keys(self, items):
        return [{"id": item["id"]} for item in items]

    def test_100_items(self):
        items = self.items(100)
        for first in range(0, 100, 25):
            self.write({self.table: [put(item) for item in items[first : first + 25]]})
        found = self.read({self.table: {"Keys": self.keys(items), "ConsistentRead": True}})
        self.assert_items(found[self.table], items)
        for first in range(0, 100, 25):
            self.write({self.table: [delete(key) for key in self.keys(items[first : first + 25])]})
        answer = self.client.batch_get_item(RequestItems={self.table: {"Keys": self.keys(items), "ConsistentRead": True}})
        self.assertEqual((answer["Responses"], answer["UnprocessedKeys"]), ({self.table: []}, {}))

    def test_puts_and_deletes_over_tables(self):
        other = self.new_table("S", "N")
        gone, stays = self.items(2)
        self.write({self.table: [put(gone)]})
        sorted_items = [{"id": S("x"), "sk": N(at)} for at in range(3)]
        self.write({self.table: [put(stays), delete({"id": gone["id"]})], other: [put(item) for item in sorted_items]})
        found = self.read({
            self.table: {"Keys": self.keys([gone, stays]), "ConsistentRead": True},
            other: {"Keys": [{"id": S("x"), "sk": N(at)} for at in (2, 0, 7)], "ConsistentRead": True},
        })
        self.assertEqual(found[self.table], [stays])
        self.assertEqual(sorted(int(item["sk"]["N"]) for item in found[other]), [0, 2])

    def test_what_is_not_there_is_left_out(self):
        [item] = self.items(1)
        self.write({self.table: [put(item)]})
        found = self.read({self.table: {"Keys": [*self.keys([item]), self.key()], "ConsistentRead": True}})
        self.assertEqual(found, {self.table: [item]})

    def test_projection(self):
        items = self.items(3)
        self.write({self.table: [put(item) for item in items]})
        asked = {"Keys": self.keys(items), "ProjectionExpression": "#n, id", "ExpressionAttributeNames": {"#n": "n"}}
        found = self.read({self.table: {**asked, "ConsistentRead": True}})
        self.assert_items(found[self.table], [{"id": item["id"], "n": item["n"]} for item in items])

    def test_consumed_capacity(self):
        items = self.items(3)
        parameters = {"RequestItems": {self.table: [put(item) for item in items]}, "ReturnConsumedCapacity": "TOTAL"}
        [consumed] = self.client.batch_write_item(**parameters)["ConsumedCapacity"]
        self.assertEqual((consumed["TableName"], consumed["CapacityUnits"]), (self.table, 3.0))
        asked = {self.table: {"Keys": self.keys(items), "ConsistentRead": True}}
        [consumed] = self.client.batch_get_item(RequestItems=asked, ReturnConsumedCapacity="INDEXES")["ConsumedCapacity"]
        self.assertEqual((consumed["TableName"], consumed["CapacityUnits"]), (self.table, 3.0))
        self.assertEqual(consumed["Table"]["CapacityUnits"], 3.0)

    def test_without_consistency_in_the_end(self):
        items = self.items(10)
        self.write({self.table: [put(item) for item in items]})
        for _ in range(1000):
            if len(self.read({self.table: {"Keys": self.keys(items)}})[self.table]) == 10:
                return
        self.fail("writes that were acknowledged never came to be seen")

    def test_a_read_of_more_than_16_mib_leaves_keys(self):
        items = [{**self.key(), "fill": S("x" * 395_000)} for _ in range(43)]
        for first in range(0, len(items), 8):
            self.write({self.table: [put(item) for item in items[first : first + 8]]})
        keys = {self.table: {"Keys": self.keys(items), "ConsistentRead": True}}
        answer = self.client.batch_get_item(RequestItems=keys)
        first = answer["Responses"][self.table]
        left = answer["UnprocessedKeys"][self.table]["Keys"]
        self.assertIs(answer["UnprocessedKeys"][self.table]["ConsistentRead"], True)
        self.assertLessEqual(len(first) * 395_000, 16 * 1024 * 1024)
        self.assertEqual(len(first) + len(left), len(items))
        self.assert_items(first + self.read(answer["UnprocessedKeys"])[self.table], items)


class RefusedBatches(Case):
    def write(self, text, requests):
        self.invalid(text, "batch_write_item", RequestItems=requests)

    def read(self, text, requests):
        self.invalid(text, "batch_get_item", RequestItems=requests)

    def test_one_key_twice(self):
        key, text = self.key(), "Provided list of item keys contains duplicates"
        self.write(text, {self.table: [put({**key, "x": N(1)}), put(key)]})
        self.write(text, {self.table: [put(key), delete(key)]})
        self.read(text, {self.table: {"Keys": [key, self.key(), key]}})
        self.read(text, {unique_name(): {"Keys": [key, key]}})
        self.assertIsNone(self.get(key))

    def test_parameters_of_both_kinds_in_different_tables(self):
        new = {"Keys": [self.key()], "ProjectionExpression": "id"}
        old = {"Keys": [{"id": S("x"), "sk": N(1)}], "AttributesToGet": ["id"]}
        text = re.compile("^Can not use both expression and non-expression parameters in the same request: ")
        self.read(text, {self.table: new, self.new_table("S", "N"): old})

    def test_an_item_whose_key_does_not_fit(self):
        for item in ({"id": N(5)}, {"other": S("x")}):
            self.write("The provided key element does not match the schema", {self.table: [put(item)]})

    def test_too_many(self):
        puts = [put(self.key()) for _ in range(26)]
        text = re.compile(
            "^1 validation error detected: Value .* at 'requestItems' failed to satisfy constraint: Map value must "
            r"satisfy constraint: \[Member must have length less than or equal to 25, Member must have length greater "
            r"than or equal to 1\]$",
            re.DOTALL,
        )
        self.write(text, {self.table: puts})
        keys = [self.key() for _ in range(101)]
        text = re.compile(
            r"^1 validation error detected: Value .*at '[rR]equestItems\..*\.member\.[kK]eys' failed to satisfy constraint: "
            "Member must have length less than or equal to 100$",
            re.DOTALL,
        )
        self.read(text, {self.table: {"Keys": keys}})

    def test_too_many_over_tables(self):
        other = self.new_table()
        puts = [put(self.key()) for _ in range(26)]
        self.write("Too many items requested for the BatchWriteItem call", {self.table: puts[:20], other: puts[20:]})
        keys = [self.key() for _ in range(101)]
        text = "Too many items requested for the BatchGetItem call"
        self.read(text, {self.table: {"Keys": keys[:60]}, other: {"Keys": keys[60:]}})

    def test_none_at_all(self):
        for request, operation in ((self.write, "BatchWriteItem"), (self.read, "BatchGetItem")):
            text = re.compile(
                "^(1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must "
                f"have length greater than or equal to 1|The requestItems parameter is required for {operation})$"
            )
            request(text, {})

    def test_no_such_table(self):
        text = "Requested resource not found"
        there, name = self.key(), unique_name()
        requests = {self.table: [put(there)], name: [put(self.key())]}
        self.refused(NOT_FOUND, text, "batch_write_item", RequestItems=requests)
        self.assertIsNone(self.get(there), "nothing is written")
        self.refused(NOT_FOUND, text, "batch_get_item", RequestItems={name: {"Keys": [self.key()]}})

    def test_nothing_is_written_when_one_is_wrong(self):
        there = self.key()
        text = re.compile(
            "^(One or more parameter values were invalid: Missing the key id in the item|The provided key element does not "
            "match the schema)$"
        )
        self.write(text, {self.table: [put(there), put({"x": N(1)})]})
        self.write("The provided key element does not match the schema", {self.table: [put(there), delete({"x": N(1)})]})
        large = {**self.key(), "fill": S("x" * 410_000)}
        self.write("Item size has exceeded the maximum allowed size", {self.table: [put(there), put(large)]})
        self.assertIsNone(self.get(there))

    def test_keys_that_do_not_fit(self):
        text = "The provided key element does not match the schema"
        self.read(text, {self.table: {"Keys": [self.key(), {"id": N(1)}]}})
        self.read(text, {self.table: {"Keys": [{**self.key(), "more": N(1)}]}})
