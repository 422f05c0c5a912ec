"""Tables: created, described, listed, changed, deleted, awaited, tagged."""

import datetime
import re

from . import endpoints
from .case import (
    IN_USE, NOT_FOUND, QUICKLY, VALIDATION, Case, S, create_table, delete_table, key_parameters, unique_name,
    wait_until_gone, wait_until_there,
)

ARN = re.compile(r"^arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/(.+)$")
UUID = re.compile(r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$")
ON_DEMAND = {"BillingMode": "PAY_PER_REQUEST"}


def provisioned(read, write):
    return {"ReadCapacityUnits": read, "WriteCapacityUnits": write}


class Tables(Case):
    has_table = False

    def create(self, name=None, **parameters):
        """Creates a table. What the service says of it at once, and once it is there."""
        name = name or unique_name()
        self.addCleanup(delete_table, name)
        at_once = self.client.create_table(TableName=name, **parameters)["TableDescription"]
        self.assertIn(at_once["TableStatus"], ("CREATING", "ACTIVE"))
        wait_until_there(name)
        return at_once, self.describe(name)

    def describe(self, name):
        return self.client.describe_table(TableName=name)["Table"]

    def test_provisioned_with_a_partition_key(self):
        parameters = key_parameters("S")
        at_once, table = self.create(**parameters, ProvisionedThroughput=provisioned(5, 6))
        for description in (at_once, table):
            self.assertEqual(description["KeySchema"], parameters["KeySchema"])
            self.assertEqual(description["AttributeDefinitions"], parameters["AttributeDefinitions"])
            throughput = description["ProvisionedThroughput"]
            self.assertEqual((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), (5, 6))
            self.assertEqual(throughput["NumberOfDecreasesToday"], 0)
            self.assertEqual((description["ItemCount"], description["TableSizeBytes"]), (0, 0))
            self.assertEqual(ARN.match(description["TableArn"]).group(1), description["TableName"])
            self.assertRegex(description["TableId"], UUID)
            self.assertNotIn("LocalSecondaryIndexes", description)
            self.assertNotIn("GlobalSecondaryIndexes", description)
        age = datetime.datetime.now(datetime.timezone.utc) - table["CreationDateTime"]
        self.assertLess(abs(age.total_seconds()), 120)
        self.assertEqual(table["TableStatus"], "ACTIVE")
        self.assertEqual(table["TableId"], at_once["TableId"])
        self.assertIs(table["DeletionProtectionEnabled"], False)

    def test_on_demand_with_a_sort_key_of_each_type(self):
        for kind in "SNB":
            with self.subTest(kind=kind):
                parameters = key_parameters("N", kind)
                _, table = self.create(**parameters, **ON_DEMAND)
                self.assertEqual(table["KeySchema"], parameters["KeySchema"])
                definitions = {d["AttributeName"]: d["AttributeType"] for d in table["AttributeDefinitions"]}
                self.assertEqual(definitions, {"id": "N", "sk": kind})
                self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
                throughput = table["ProvisionedThroughput"]
                self.assertEqual((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), (0, 0))

    def test_every_node_describes_the_same(self):
        _, table = self.create(**key_parameters("S", "N"), **ON_DEMAND)
        for url in endpoints.all_endpoints():
            self.assertEqual(endpoints.client_of(url).describe_table(TableName=table["TableName"])["Table"], table)

    def test_indexes_are_described(self):
        kinds = {"id": "S", "sk": "N", "price": "N", "owner": "S"}
        definitions = [{"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()]
        hash_of = {"AttributeName": "id", "KeyType": "HASH"}
        local = {
            "IndexName": "by-price",
            "KeySchema": [hash_of, {"AttributeName": "price", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["title", "owner"]},
        }
        everywhere = {
            "IndexName": "by-owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": provisioned(3, 4),
        }
        _, table = self.create(
            AttributeDefinitions=definitions,
            KeySchema=[hash_of, {"AttributeName": "sk", "KeyType": "RANGE"}],
            LocalSecondaryIndexes=[local],
            GlobalSecondaryIndexes=[everywhere],
            ProvisionedThroughput=provisioned(1, 2),
        )
        by_name = {d["AttributeName"]: d["AttributeType"] for d in table["AttributeDefinitions"]}
        self.assertEqual(by_name, kinds)
        [of_partition], [of_table] = table["LocalSecondaryIndexes"], table["GlobalSecondaryIndexes"]
        for index, asked in ((of_partition, local), (of_table, everywhere)):
            self.assertEqual(index["IndexName"], asked["IndexName"])
            self.assertEqual(index["KeySchema"], asked["KeySchema"])
            projection = index["Projection"]
            self.assertEqual(projection["ProjectionType"], asked["Projection"]["ProjectionType"])
            names = asked["Projection"].get("NonKeyAttributes", [])
            self.assertEqual(sorted(projection.get("NonKeyAttributes", [])), sorted(names))
            self.assertEqual((index["ItemCount"], index["IndexSizeBytes"]), (0, 0))
            self.assertEqual(index["IndexArn"], f"{table['TableArn']}/index/{index['IndexName']}")
        self.assertEqual(of_table["IndexStatus"], "ACTIVE")
        self.assertNotIn("IndexStatus", of_partition)
        throughput = of_table["ProvisionedThroughput"]
        self.assertEqual((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), (3, 4))

    def test_a_table_is_created_once(self):
        name = self.new_table()
        parameters = {"TableName": name, **key_parameters(), **ON_DEMAND}
        self.refused(IN_USE, re.compile(f"Table already exists: {name}$"), "create_table", **parameters)

    def test_a_deleted_table_is_gone_with_its_items(self):
        name = self.new_table()
        before = self.describe(name)["TableId"]
        self.client.put_item(TableName=name, Item={"id": S("x")})
        description = self.client.delete_table(TableName=name)["TableDescription"]
        self.assertEqual((description["TableName"], description["TableStatus"]), (name, "DELETING"))
        wait_until_gone(name)
        text = f"Requested resource not found: Table: {name} not found"
        self.refused(NOT_FOUND, text, "describe_table", TableName=name)
        self.refused(NOT_FOUND, text, "delete_table", TableName=name)
        self.client.create_table(TableName=name, **key_parameters(), **ON_DEMAND)
        wait_until_there(name)
        self.assertNotEqual(self.describe(name)["TableId"], before)
        for _ in endpoints.all_endpoints():
            found = self.client.get_item(TableName=name, Key={"id": S("x")}, ConsistentRead=True)
            self.assertNotIn("Item", found)
            self.assertEqual(self.client.scan(TableName=name, ConsistentRead=True)["Items"], [])

    def test_a_deleted_table_takes_no_items(self):
        name = self.new_table()
        self.client.delete_table(TableName=name)
        wait_until_gone(name)
        text = "Requested resource not found"
        for _ in endpoints.all_endpoints():
            self.refused(NOT_FOUND, text, "put_item", TableName=name, Item={"id": S("x")})
            self.refused(NOT_FOUND, text, "get_item", TableName=name, Key={"id": S("x")})

    def test_a_table_may_be_named_by_its_arn(self):
        name = self.new_table()
        arn = self.describe(name)["TableArn"]
        self.client.put_item(TableName=arn, Item={"id": S("x")})
        found = self.client.get_item(TableName=arn, Key={"id": S("x")}, ConsistentRead=True)
        self.assertEqual(found["Item"], {"id": S("x")})
        self.assertEqual(self.describe(arn)["TableName"], name)

    def test_names_that_no_table_can_have(self):
        length = "TableName must be at least 3 characters long and at most 255 characters long"
        for name in ("ab", "a" * 256):
            self.invalid(length, "describe_table", TableName=name)
        pattern = (
            "1 validation error detected: Value 'a b' at 'tableName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )
        self.invalid(pattern, "describe_table", TableName="a b")

    def test_keys_that_no_table_can_have(self):
        definitions, schema = (key_parameters("S", "N")[part] for part in ("AttributeDefinitions", "KeySchema"))
        bad = "One or more parameter values were invalid: "
        for (defined, keys), text in (
            ((definitions, schema[:1]), bad + "Number of attributes in KeySchema does not exactly match number of "
             "attributes defined in AttributeDefinitions"),
            ((definitions[:1], schema), "Invalid KeySchema: Some index key attribute have no definition"),
            ((definitions[:1], [schema[0], {**schema[0], "KeyType": "RANGE"}]),
             "Invalid KeySchema: Some index key attribute have no definition"),
            ((definitions, [schema[1], schema[0]]), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        ):
            with self.subTest(text):
                parameters = {"AttributeDefinitions": defined, "KeySchema": keys, **ON_DEMAND}
                self.invalid(text, "create_table", TableName=unique_name(), **parameters)

    def test_a_stream_that_is_off_shows_nothing(self):
        stream = {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"}
        text = "One or more parameter values were invalid: StreamViewType cannot be specified when StreamEnabled is false"
        parameters = {**key_parameters("S"), **ON_DEMAND, "StreamSpecification": stream}
        self.invalid(text, "create_table", TableName=unique_name(), **parameters)
        table = self.new_table()
        self.invalid(text, "update_table", TableName=table, StreamSpecification=stream)

    def test_throughput_that_no_table_can_have(self):
        bad = "One or more parameter values were invalid: "
        for parameters, text in (
            ({}, bad + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"),
            ({**ON_DEMAND, "ProvisionedThroughput": provisioned(1, 1)}, bad + "Neither ReadCapacityUnits nor "
             "WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"),
            ({"ProvisionedThroughput": provisioned(0, 1)}, "1 validation error detected: Value '0' at "
             "'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater "
             "than or equal to 1"),
        ):
            with self.subTest(text):
                self.invalid(text, "create_table", TableName=unique_name(), **key_parameters(), **parameters)


class ChangedTables(Case):
    has_table = False

    def describe(self, name):
        return self.client.describe_table(TableName=name)["Table"]

    def update(self, name, **parameters):
        description = self.client.update_table(TableName=name, **parameters)["TableDescription"]
        self.assertIn(description["TableStatus"], ("UPDATING", "ACTIVE"))
        wait_until_there(name)
        return self.describe(name)

    def test_billing_changes_both_ways(self):
        name = self.new_table(BillingMode="PROVISIONED", ProvisionedThroughput=provisioned(5, 5))
        table = self.update(name, **ON_DEMAND)
        self.assertEqual(table["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST")
        self.assertEqual(table["ProvisionedThroughput"]["ReadCapacityUnits"], 0)
        table = self.update(name, BillingMode="PROVISIONED", ProvisionedThroughput=provisioned(7, 8))
        self.assertEqual(table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"), "PROVISIONED")
        throughput = table["ProvisionedThroughput"]
        self.assertEqual((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), (7, 8))

    def test_throughput_changes(self):
        name = self.new_table(BillingMode="PROVISIONED", ProvisionedThroughput=provisioned(5, 5))
        throughput = self.update(name, ProvisionedThroughput=provisioned(6, 9))["ProvisionedThroughput"]
        self.assertEqual((throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]), (6, 9))
        text = re.compile("^The provisioned throughput for the table will not change. ")
        self.refused(VALIDATION, text, "update_table", TableName=name, ProvisionedThroughput=provisioned(6, 9))

    def test_deletion_protection(self):
        name = self.new_table(DeletionProtectionEnabled=True)
        self.assertIs(self.describe(name)["DeletionProtectionEnabled"], True)
        text = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
        self.refused(VALIDATION, text, "delete_table", TableName=name)
        table = self.update(name, DeletionProtectionEnabled=False)
        self.assertIs(table["DeletionProtectionEnabled"], False)
        self.assertIs(self.update(name, DeletionProtectionEnabled=True)["DeletionProtectionEnabled"], True)
        self.refused(VALIDATION, text, "delete_table", TableName=name)
        self.update(name, DeletionProtectionEnabled=False)
        self.client.delete_table(TableName=name)
        wait_until_gone(name)

    def add_index(self, table, index, kind, sort="n"):
        keys = [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
        create = {"IndexName": index, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
        return {
            "TableName": table,
            "AttributeDefinitions": [
                {"AttributeName": "g", "AttributeType": kind},
                {"AttributeName": "n", "AttributeType": "N"},
            ],
            "GlobalSecondaryIndexUpdates": [{"Create": create}],
        }

    def types(self, table):
        return {known["AttributeName"]: known["AttributeType"] for known in table["AttributeDefinitions"]}

    def test_an_index_that_goes_takes_its_definitions_along(self):
        name = self.new_table()
        answer = self.client.update_table(**self.add_index(name, "one", "S"))["TableDescription"]
        self.assertEqual(self.types(answer), {"id": "S", "g": "S", "n": "N"})
        table = self.update(name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "one"}}])
        self.assertEqual(self.types(table), {"id": "S"})
        self.update(name, **{key: value for key, value in self.add_index(name, "two", "N").items() if key != "TableName"})
        self.assertEqual(self.types(self.describe(name)), {"id": "S", "g": "N", "n": "N"})

    def test_an_index_needs_the_definitions_of_its_keys_again(self):
        text = re.compile("^One or more parameter values were invalid: Some index key attributes are not defined")
        self.invalid(text, "update_table", **self.add_index(self.new_table(), "one", "S", sort="id"))

    def test_an_update_must_change_something(self):
        name = self.new_table()
        self.invalid(re.compile("^At least one of ProvisionedThroughput, "), "update_table", TableName=name)

    def test_what_only_the_service_has_a_use_for_changes_nothing(self):
        name = self.new_table()
        before = self.describe(name)
        for parameter, value in {
            "OnDemandThroughput": {"MaxReadRequestUnits": 5, "MaxWriteRequestUnits": -1},
            "WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 4000},
            "SSESpecification": {"Enabled": True},
        }.items():
            with self.subTest(parameter):
                self.assertEqual(self.update(name, **{parameter: value}), before)

    def test_no_table_no_update(self):
        name = unique_name()
        text = f"Requested resource not found: Table: {name} not found"
        self.refused(NOT_FOUND, text, "update_table", TableName=name, DeletionProtectionEnabled=True)


class ListedTables(Case):
    has_table = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = []
        for _ in range(4):
            cls.names.append(create_table())
            cls.addClassCleanup(delete_table, cls.names[-1])

    def pages(self, **parameters):
        """The pages of a listing, each of which names the one that the next begins after."""
        page = self.client.list_tables(**parameters)
        yield page["TableNames"]
        while after := page.get("LastEvaluatedTableName"):
            self.assertEqual(page["TableNames"][-1], after)
            page = self.client.list_tables(**{**parameters, "ExclusiveStartTableName": after})
            yield page["TableNames"]

    def test_pages_of_any_size_have_every_name_once(self):
        for limit in (1, 3, 100):
            pages = list(self.pages(Limit=limit))
            self.assertTrue(all(len(page) <= limit for page in pages))
            names = [name for page in pages for name in page]
            self.assertEqual(len(names), len(set(names)))
            self.assertLessEqual(set(self.names), set(names))

    def test_paginator(self):
        paginator = self.client.get_paginator("list_tables")
        pages = paginator.paginate(PaginationConfig={"PageSize": 2})
        self.assertLessEqual(set(self.names), {name for page in pages for name in page["TableNames"]})

    def test_a_start_that_is_no_table(self):
        first, *rest = sorted(self.names)
        page = self.client.list_tables(ExclusiveStartTableName=first + ".")
        self.assertNotIn(first, page["TableNames"])
        self.assertLessEqual(set(rest), {name for page in self.pages(ExclusiveStartTableName=first) for name in page})

    def test_limits_of_the_limit(self):
        least = "Member must have value greater than or equal to 1"
        most = "Member must have value less than or equal to 100"
        for limit, text in ((0, least), (101, most)):
            text = f"1 validation error detected: Value '{limit}' at 'limit' failed to satisfy constraint: {text}"
            self.invalid(text, "list_tables", Limit=limit)


class TablesBesides(Case):
    """Tags, expiry, limits, endpoints."""

    def setUp(self):
        self.arn = self.client.describe_table(TableName=self.table)["Table"]["TableArn"]

    def tags(self, arn):
        pages = self.client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
        return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}

    def test_tags(self):
        tag = lambda **tags: self.client.tag_resource(
            ResourceArn=self.arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )
        self.assertEqual(self.tags(self.arn), {})
        tag(team="shop", stage="test")
        self.assertEqual(self.tags(self.arn), {"team": "shop", "stage": "test"})
        tag(stage="live", empty="")
        self.assertEqual(self.tags(self.arn), {"team": "shop", "stage": "live", "empty": ""})
        self.client.untag_resource(ResourceArn=self.arn, TagKeys=["team", "never-there"])
        self.assertEqual(self.tags(self.arn), {"stage": "live", "empty": ""})

    def test_tags_from_the_beginning(self):
        name = self.new_table(Tags=[{"Key": "team", "Value": "shop"}])
        arn = self.client.describe_table(TableName=name)["Table"]["TableArn"]
        self.assertEqual(self.tags(arn), {"team": "shop"})

    def test_tags_of_no_table(self):
        arn = self.arn.rsplit("/", 1)[0] + "/" + unique_name()
        text = re.compile(f"^Requested resource not found: ResourcArn: {arn} not found$")
        self.refused(NOT_FOUND, text, "list_tags_of_resource", ResourceArn=arn)
        self.refused(NOT_FOUND, re.compile("^Requested resource not found"), "untag_resource", ResourceArn=arn, TagKeys=["a"])

    def test_time_to_live(self):
        name = self.new_table()
        describe = lambda: self.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        self.assertEqual(describe(), {"TimeToLiveStatus": "DISABLED"})
        wanted = {"Enabled": True, "AttributeName": "until"}
        answer = self.client.update_time_to_live(TableName=name, TimeToLiveSpecification=wanted)
        self.assertEqual(answer["TimeToLiveSpecification"], wanted)
        for _ in endpoints.all_endpoints():
            description = describe()
            self.assertEqual(description["AttributeName"], "until")
            self.assertIn(description["TimeToLiveStatus"], ("ENABLING", "ENABLED"))
        again = {"TableName": name, "TimeToLiveSpecification": wanted}
        self.refused(VALIDATION, "TimeToLive is already enabled", "update_time_to_live", **again)

    def test_time_to_live_that_is_off_already(self):
        specification = {"Enabled": False, "AttributeName": "until"}
        parameters = {"TableName": self.table, "TimeToLiveSpecification": specification}
        self.refused(VALIDATION, "TimeToLive is already disabled", "update_time_to_live", **parameters)

    def test_time_to_live_of_no_table(self):
        name = unique_name()
        text = f"Requested resource not found: Table: {name} not found"
        self.refused(NOT_FOUND, text, "describe_time_to_live", TableName=name)

    def test_limits(self):
        limits = self.client.describe_limits()
        of_account, of_table = "AccountMax{}CapacityUnits", "TableMax{}CapacityUnits"
        for name in (form.format(verb) for form in (of_account, of_table) for verb in ("Read", "Write")):
            self.assertGreater(limits[name], 0)

    def test_endpoints(self):
        for endpoint in self.client.describe_endpoints()["Endpoints"]:
            self.assertTrue(endpoint["Address"])
            self.assertGreater(endpoint["CachePeriodInMinutes"], 0)

    def test_waiters_that_wait_in_vain(self):
        from botocore.exceptions import WaiterError

        waiter = self.client.get_waiter("table_exists")
        with self.assertRaises(WaiterError):
            waiter.wait(TableName=unique_name(), WaiterConfig={**QUICKLY, "MaxAttempts": 2})
