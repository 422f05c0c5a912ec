"""boto3's resource: tables as objects, Python's own types, conditions as objects, the batch writer."""

from decimal import Decimal

from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

from . import endpoints
from .case import QUICKLY, Case, unique_name

PYTHON_ITEM = {
    "text": "é", "whole": Decimal(5), "exact": Decimal("12345678901234567890.123456789012345678"), "bytes": Binary(b"\0\xff"),
    "yes": True, "nothing": None, "list": ["a", Decimal("1.5"), None, {"deep": [True]}], "map": {"k": {"l": "v"}},
    "texts": {"a", "b"}, "numbers": {Decimal(1), Decimal("2.5")}, "binaries": {Binary(b"a"), Binary(b"b")}, "empty": "",
}


class Resource(Case):
    sort = "N"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.resource = endpoints.resource()
        cls.object = cls.resource.Table(cls.table)

    def read(self, id, sk):
        return self.object.get_item(Key={"id": id, "sk": sk}, ConsistentRead=True).get("Item")

    def test_a_table_from_beginning_to_end(self):
        name = unique_name()
        table = self.resource.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        )
        # The waiters of the resource take no delay: those of the client stand in for them.
        self.client.get_waiter("table_exists").wait(TableName=name, WaiterConfig=QUICKLY)
        table.reload()
        self.assertEqual((table.table_status, table.table_name, table.item_count), ("ACTIVE", name, 0))
        self.assertEqual(table.key_schema, [{"AttributeName": "id", "KeyType": "HASH"}])
        table.wait_until_exists()
        self.assertIn(name, {table.name for table in self.resource.tables.all()})
        self.assertLessEqual(len(list(self.resource.tables.limit(2))), 2)
        table.delete()
        self.client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig=QUICKLY)
        table.wait_until_not_exists()
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            table.reload()

    def test_types_of_python(self):
        item = {"id": "types", "sk": Decimal(1), **PYTHON_ITEM}
        self.object.put_item(Item=item)
        self.assertEqual(self.read("types", 1), item)

    def test_a_number_that_is_no_decimal_is_refused_by_the_client(self):
        with self.assertRaises(TypeError):
            self.object.put_item(Item={"id": "x", "sk": 1, "n": 1.5})

    def test_update_with_conditions_as_objects(self):
        self.object.put_item(Item={"id": "counted", "sk": 1, "n": 1, "tags": {"a"}})
        answer = self.object.update_item(
            Key={"id": "counted", "sk": 1}, UpdateExpression="SET n = n + :one ADD tags :tags",
            ExpressionAttributeValues={":one": 1, ":tags": {"b"}}, ConditionExpression=Attr("n").eq(1) & Attr("tags").contains("a"),
            ReturnValues="ALL_NEW",
        )
        self.assertEqual(answer["Attributes"], {"id": "counted", "sk": 1, "n": 2, "tags": {"a", "b"}})
        with self.assertRaises(self.client.exceptions.ConditionalCheckFailedException):
            self.object.delete_item(Key={"id": "counted", "sk": 1}, ConditionExpression=Attr("n").lt(2) | Attr("x").exists())

    def test_query_and_scan_with_conditions_as_objects(self):
        with self.object.batch_writer() as batch:
            for sk in range(12):
                batch.put_item({"id": "many", "sk": sk, "m": {"square": sk * sk}, "name": f"item {sk:02}"})
        places = lambda page: [int(item["sk"]) for item in page["Items"]]
        query = lambda condition, **parameters: self.object.query(
            KeyConditionExpression=Key("id").eq("many") & condition if condition else Key("id").eq("many"),
            ConsistentRead=True, **parameters,
        )
        self.assertEqual(places(query(None)), list(range(12)))
        self.assertEqual(places(query(Key("sk").between(3, 5))), [3, 4, 5])
        self.assertEqual(places(query(Key("sk").gte(9), ScanIndexForward=False)), [11, 10, 9])
        self.assertEqual(places(query(None, FilterExpression=Attr("m.square").gt(80))), [9, 10, 11])
        wanted = Attr("name").begins_with("item 1") & ~Attr("sk").is_in([10]) & Attr("id").eq("many")
        page = self.object.scan(FilterExpression=wanted, ProjectionExpression="sk, m.square", ConsistentRead=True)
        self.assertEqual(page["Items"], [{"sk": 11, "m": {"square": 121}}])
        wanted = Attr("name").size().eq(7) & Attr("m").attribute_type("M") & Attr("x").not_exists() & Attr("id").ne("other")
        self.assertEqual(self.object.scan(FilterExpression=wanted, ConsistentRead=True)["Count"], 12)

    def test_batch_writer(self):
        with self.object.batch_writer(overwrite_by_pkeys=["id", "sk"]) as batch:
            for sk in range(60):
                batch.put_item(Item={"id": "batch", "sk": sk % 40, "turn": sk})
            for sk in range(5):
                batch.delete_item(Key={"id": "batch", "sk": sk})
        page = self.object.query(KeyConditionExpression=Key("id").eq("batch"), ConsistentRead=True)
        self.assertEqual([int(item["sk"]) for item in page["Items"]], list(range(5, 40)))
        self.assertEqual([int(item["turn"]) for item in page["Items"]], [sk + 40 if sk < 20 else sk for sk in range(5, 40)])

    def test_batch_get_item(self):
        self.object.put_item(Item={"id": "got", "sk": 1, "x": {"a": 1}})
        asked = {self.table: {"Keys": [{"id": "got", "sk": 1}, {"id": "got", "sk": 2}], "ConsistentRead": True}}
        answer = self.resource.batch_get_item(RequestItems=asked)
        self.assertEqual(answer["Responses"][self.table], [{"id": "got", "sk": 1, "x": {"a": 1}}])

    def test_errors_have_classes(self):
        with self.assertRaises(ClientError) as caught:
            self.object.get_item(Key={"id": "x"})
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], "ValidationException")
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400)
        self.assertTrue(error["ResponseMetadata"]["RequestId"])
