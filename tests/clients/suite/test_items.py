"""Items: put, read, changed, deleted, and what the answers say."""

import re

from .case import CONDITION_FAILED, Case, L, M, N, S, SS, delete_table, key_parameters, create_table


class Items(Case):
    def test_put_and_get(self):
        key = self.key()
        item = {**key, "title": S("a"), "count": N(3)}
        answer = self.client.put_item(TableName=self.table, Item=item)
        self.assertNotIn("Attributes", answer)
        self.assertEqual(self.get(key), item)

    def test_put_replaces_the_whole_item(self):
        key = self.put(old=S("x"))
        self.client.put_item(TableName=self.table, Item={**key, "new": S("y")})
        self.assertEqual(self.get(key), {**key, "new": S("y")})

    def test_what_is_not_there(self):
        answer = self.client.get_item(TableName=self.table, Key=self.key())
        self.assertNotIn("Item", answer)
        answer = self.client.delete_item(TableName=self.table, Key=self.key(), ReturnValues="ALL_OLD")
        self.assertNotIn("Attributes", answer)

    def test_delete(self):
        key = self.put(x=N(1))
        self.client.delete_item(TableName=self.table, Key=key)
        for _ in range(3):
            self.assertIsNone(self.get(key))

    def test_an_answer_is_told_apart_by_its_request(self):
        ids = {self.client.get_item(TableName=self.table, Key=self.key())["ResponseMetadata"]["RequestId"] for _ in "abc"}
        self.assertEqual(len(ids), 3)

    def test_read_without_consistency_sees_it_in_the_end(self):
        key = self.put(x=N(1))
        for _ in range(1000):
            if "Item" in self.client.get_item(TableName=self.table, Key=key):
                return
        self.fail("a write that was acknowledged never came to be seen")

    def test_each_write_is_seen_through_the_next_node(self):
        key = self.key()
        for turn in range(12):
            self.client.put_item(TableName=self.table, Item={**key, "turn": N(turn)})
            self.assertEqual(self.get(key)["turn"], N(turn))
        for turn in range(12):
            self.client.update_item(
                TableName=self.table, Key=key, UpdateExpression="ADD turn :one", ExpressionAttributeValues={":one": N(1)}
            )
            self.assertEqual(self.get(key)["turn"], N(12 + turn))


class Projections(Case):
    def setUp(self):
        self.attributes = {
            "a": S("x"),
            "m": M(x=N(1), y=M(z=S("deep"), w=N(2))),
            "l": L(N(0), N(1), M(k=S("v"), j=N(1)), N(3)),
            "na.me": N(9),
        }
        self.stored = self.put(**self.attributes)

    def project(self, expression, **names):
        parameters = {"ExpressionAttributeNames": {f"#{name}": to for name, to in names.items()}} if names else {}
        return self.get(self.stored, ProjectionExpression=expression, **parameters)

    def test_attributes(self):
        self.assertEqual(self.project("a"), {"a": S("x")})
        self.assertEqual(self.project("id, a"), {"id": self.stored["id"], "a": S("x")})
        self.assertEqual(self.project("#n, #a", n="na.me", a="a"), {"na.me": N(9), "a": S("x")})

    def test_within_documents(self):
        self.assertEqual(self.project("m.x"), {"m": M(x=N(1))})
        self.assertEqual(self.project("m.y.z, m.x"), {"m": M(x=N(1), y=M(z=S("deep")))})
        self.assertEqual(self.project("#m.#y", m="m", y="y"), {"m": M(y=self.attributes["m"]["M"]["y"])})

    def test_elements_close_up(self):
        self.assertEqual(self.project("l[1]"), {"l": L(N(1))})
        self.assertEqual(self.project("l[3], l[0]"), {"l": L(N(0), N(3))})
        self.assertEqual(self.project("l[2].k, l[0]"), {"l": L(N(0), M(k=S("v")))})

    def test_what_is_not_there(self):
        self.assertEqual(self.project("absent"), {})
        self.assertEqual(self.project("m.absent, l[9], a"), {"a": S("x")})
        self.assertEqual(self.project("a.b, m.x.y"), {})


class ReturnValues(Case):
    """Each kind, for an item that is there and for one that is not."""

    def update(self, key, expression, values, kind):
        answer = self.client.update_item(
            TableName=self.table, Key=key, UpdateExpression=expression, ReturnValues=kind,
            **({"ExpressionAttributeValues": values} if values else {}),
        )
        return answer.get("Attributes")

    def test_put(self):
        key = self.put(x=N(1))
        put = lambda kind: self.client.put_item(TableName=self.table, Item={**key, "y": N(2)}, ReturnValues=kind)
        self.assertEqual(put("ALL_OLD")["Attributes"], {**key, "x": N(1)})
        self.assertNotIn("Attributes", put("NONE"))
        fresh = self.client.put_item(TableName=self.table, Item=self.key(), ReturnValues="ALL_OLD")
        self.assertNotIn("Attributes", fresh)

    def test_delete(self):
        key = self.put(x=N(1))
        delete = lambda kind: self.client.delete_item(TableName=self.table, Key=key, ReturnValues=kind)
        self.assertEqual(delete("ALL_OLD")["Attributes"], {**key, "x": N(1)})
        self.assertNotIn("Attributes", delete("ALL_OLD"))
        self.put(x=N(1))
        self.assertNotIn("Attributes", delete("NONE"))

    def test_update_of_an_item(self):
        for kind, expected in (
            ("NONE", None),
            ("ALL_OLD", {"a": N(1), "b": S("b"), "c": S("c")}),
            ("UPDATED_OLD", {"a": N(1), "c": S("c")}),
            ("ALL_NEW", {"a": N(2), "b": S("b"), "d": S("d")}),
            ("UPDATED_NEW", {"a": N(2), "d": S("d")}),
        ):
            with self.subTest(kind):
                key = self.put(a=N(1), b=S("b"), c=S("c"))
                found = self.update(key, "SET a = :a, d = :d REMOVE c", {":a": N(2), ":d": S("d")}, kind)
                self.assertEqual(found, {**expected, **key} if kind.startswith("ALL") else expected)

    def test_update_that_creates_the_item(self):
        for kind in ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"):
            with self.subTest(kind):
                key = self.key()
                found = self.update(key, "SET a = :a", {":a": N(2)}, kind)
                self.assertEqual(found, {"ALL_NEW": {**key, "a": N(2)}, "UPDATED_NEW": {"a": N(2)}}.get(kind))
                self.assertEqual(self.get(key), {**key, "a": N(2)})

    def test_update_within_documents(self):
        stored = {"m": M(x=N(1), y=N(2)), "l": L(N(0), N(1), N(2))}
        for kind, x, element in (("UPDATED_OLD", 1, 1), ("UPDATED_NEW", 7, 8)):
            with self.subTest(kind):
                found = self.update(self.put(**stored), "SET m.x = :m, l[1] = :l", {":m": N(7), ":l": N(8)}, kind)
                self.assertEqual(found, {"m": M(x=N(x)), "l": L(N(element))})

    def test_update_of_sets_and_numbers(self):
        key = self.put(tags=SS("a", "b"), n=N(1))
        found = self.update(key, "ADD n :n DELETE tags :b", {":n": N(4), ":b": SS("b")}, "UPDATED_NEW")
        self.assert_same(found, {"n": N(5), "tags": SS("a")})

    def test_update_without_an_expression_creates_the_item(self):
        key = self.key()
        self.client.update_item(TableName=self.table, Key=key)
        self.assertEqual(self.get(key), key)

    def test_kinds_that_an_operation_does_not_have(self):
        text = re.compile("^(ReturnValues can only be ALL_OLD or NONE|Return values set to invalid value)$")
        for kind in ("ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"):
            self.invalid(text, "put_item", TableName=self.table, Item=self.key(), ReturnValues=kind)
            self.invalid(text, "delete_item", TableName=self.table, Key=self.key(), ReturnValues=kind)

    def test_kinds_that_there_are_not(self):
        text = (
            "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
        )
        self.invalid(text, "put_item", TableName=self.table, Item=self.key(), ReturnValues="SOME")


class RefusedByCondition(Case):
    """ReturnValuesOnConditionCheckFailure."""

    def check(self, operation, **parameters):
        key = self.put(x=N(1))
        key_of = {"Item": {**key, "y": N(2)}} if operation == "put_item" else {"Key": key}
        parameters = {
            "TableName": self.table, **key_of, **parameters,
            "ConditionExpression": "x = :two", "ExpressionAttributeValues": {":two": N(2)},
        }
        text = "The conditional request failed"
        for asked, expected in (({}, None), ("NONE", None), ("ALL_OLD", {**key, "x": N(1)})):
            asked = {"ReturnValuesOnConditionCheckFailure": asked} if asked else {}
            response = self.refused(CONDITION_FAILED, text, operation, **parameters, **asked)
            self.assertEqual(response.get("Item"), expected)
        self.assertEqual(self.get(key), {**key, "x": N(1)})

    def test_put(self):
        self.check("put_item")

    def test_delete(self):
        self.check("delete_item")

    def test_update(self):
        self.check("update_item", UpdateExpression="REMOVE x")

    def test_there_is_no_item(self):
        parameters = {"ConditionExpression": "attribute_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        text = "The conditional request failed"
        response = self.refused(
            CONDITION_FAILED, text, "delete_item", TableName=self.table, Key=self.key(), **parameters
        )
        self.assertNotIn("Item", response)


class ConsumedCapacity(Case):
    """A write costs a unit for each KiB, a read half a unit for each 4 KiB, and twice that when it is consistent."""

    sort = "N"

    def units(self, operation, indexes=False, **parameters):
        kind = "INDEXES" if indexes else "TOTAL"
        answer = getattr(self.client, operation)(TableName=self.table, ReturnConsumedCapacity=kind, **parameters)
        consumed = answer["ConsumedCapacity"]
        self.assertEqual(consumed["TableName"], self.table)
        if indexes:
            self.assertEqual(consumed["Table"]["CapacityUnits"], consumed["CapacityUnits"])
        else:
            self.assertNotIn("Table", consumed)
        return consumed["CapacityUnits"]

    def test_it_is_not_said_unasked(self):
        item = self.key(N(1))
        self.assertNotIn("ConsumedCapacity", self.client.put_item(TableName=self.table, Item=item))
        answer = self.client.get_item(TableName=self.table, Key=item, ReturnConsumedCapacity="NONE")
        self.assertNotIn("ConsumedCapacity", answer)

    def test_of_one_item(self):
        for indexes in (False, True):
            with self.subTest(indexes=indexes):
                key = self.key(N(1))
                self.assertEqual(self.units("put_item", indexes, Item=key), 1.0)
                self.assertEqual(self.units("get_item", indexes, Key=key), 0.5)
                self.assertEqual(self.units("get_item", indexes, Key=key, ConsistentRead=True), 1.0)
                large = {**key, "fill": S("x" * 5000)}
                self.assertEqual(self.units("put_item", indexes, Item=large), 5.0)
                self.assertEqual(self.units("get_item", indexes, Key=key, ConsistentRead=True), 2.0)
                set_x = {"UpdateExpression": "SET x = :x", "ExpressionAttributeValues": {":x": N(1)}}
                self.assertEqual(self.units("update_item", indexes, Key=key, **set_x), 5.0)
                self.assertEqual(self.units("delete_item", indexes, Key=key), 5.0)
                self.assertEqual(self.units("delete_item", indexes, Key=key), 1.0)
                self.assertEqual(self.units("get_item", indexes, Key=key), 0.5)

    def test_of_many_items(self):
        partition = self.key()
        for at in range(4):
            item = {**partition, "sk": N(at), "fill": S("x" * 3000)}
            self.client.put_item(TableName=self.table, Item=item)
        condition = {"KeyConditionExpression": "id = :id", "ExpressionAttributeValues": {":id": partition["id"]}}
        # Four items of 3 KB are read together: 12 KB, three units.
        self.assertEqual(self.units("query", **condition, ConsistentRead=True), 3.0)
        self.assertEqual(self.units("query", **condition), 1.5)
        self.assertEqual(self.units("query", True, **condition, Select="COUNT"), 1.5)
        self.assertEqual(self.units("query", **condition, Limit=1, ConsistentRead=True), 1.0)
        self.assertGreaterEqual(self.units("scan"), 1.5)

    def test_the_size_of_collections_is_that_of_tables_with_a_local_index(self):
        answer = self.client.put_item(TableName=self.table, Item=self.key(N(1)), ReturnItemCollectionMetrics="SIZE")
        self.assertNotIn("ItemCollectionMetrics", answer)

    def test_the_size_of_a_collection(self):
        parameters = key_parameters("S", "S")
        parameters["AttributeDefinitions"].append({"AttributeName": "price", "AttributeType": "N"})
        keys = [parameters["KeySchema"][0], {"AttributeName": "price", "KeyType": "RANGE"}]
        index = {"IndexName": "by-price", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
        table = create_table(**parameters, LocalSecondaryIndexes=[index])
        self.addCleanup(delete_table, table)
        item = {"id": S("x"), "sk": S("y"), "price": N(1)}
        answer = self.client.put_item(TableName=table, Item=item, ReturnItemCollectionMetrics="SIZE")
        metrics = answer["ItemCollectionMetrics"]
        self.assertEqual(metrics["ItemCollectionKey"], {"id": S("x")})
        lower, upper = metrics["SizeEstimateRangeGB"]
        self.assertLessEqual(lower, upper)
