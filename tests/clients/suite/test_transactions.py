"""Transactions: all or nothing over items and tables, and why one was not carried out."""

import threading
import uuid

from botocore.exceptions import ClientError

from .case import NOT_FOUND, Case, L, N, S, create_table, delete_table, key_parameters, unique_name
from .test_concurrency import at_once

CANCELED = "TransactionCanceledException"
SUMMARY = "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]"


class Writes(Case):
    def action(self, kind, key=None, item=None, table=None, **parameters):
        given = {"Item": item} if kind == "Put" else {"Key": key}
        return {kind: {"TableName": table or self.table, **given, **parameters}}

    def write(self, *actions, **parameters):
        return self.client.transact_write_items(TransactItems=list(actions), **parameters)

    def canceled(self, codes, *actions):
        """The transaction is not carried out, for these reasons."""
        text = SUMMARY.format(", ".join(codes))
        response = self.refused(CANCELED, text, "transact_write_items", TransactItems=list(actions))
        reasons = response["CancellationReasons"]
        self.assertEqual([reason["Code"] for reason in reasons], codes)
        return reasons

    def test_all_kinds_at_once(self):
        other = self.new_table("S", "N")
        changed, gone, checked = self.put(n=N(1)), self.put(n=N(1)), self.put(n=N(5))
        new, far = {**self.key(), "x": S("y")}, {"id": S("x"), "sk": N(1)}
        self.write(
            self.action("Put", item=new),
            self.action(
                "Update", changed, UpdateExpression="SET n = n + :one", ConditionExpression="n = :one",
                ExpressionAttributeValues={":one": N(1)},
            ),
            self.action("Delete", gone, ConditionExpression="attribute_exists(n)"),
            self.action(
                "ConditionCheck", checked, ConditionExpression="n > :n", ExpressionAttributeValues={":n": N(4)}
            ),
            self.action("Put", item=far, table=other),
        )
        self.assertEqual(self.get({"id": new["id"]}), new)
        self.assertEqual(self.get(changed)["n"], N(2))
        self.assertIsNone(self.get(gone))
        self.assertEqual(self.get(checked)["n"], N(5))
        found = self.client.get_item(TableName=other, Key=far, ConsistentRead=True)
        self.assertEqual(found["Item"], far)

    def test_what_was_done_before_is_read(self):
        put, token = self.action("Put", item={**self.key(), "x": S("a" * 1500)}), uuid.uuid4().hex
        units = []
        for _ in range(2):
            answer = self.write(put, ClientRequestToken=token, ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"][0]
            units.append({name: answer[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits") if name in answer})
        self.assertEqual(units, [{"WriteCapacityUnits": 4.0}, {"ReadCapacityUnits": 2.0}])

    def test_an_empty_key_is_the_whole_request_s_mistake(self):
        text = (
            "One or more parameter values are not valid. "
            "The AttributeValue for a key attribute cannot contain an empty string value. Key: id"
        )
        new = self.key()
        for action in (self.action("Put", item={"id": S("")}), self.action("Delete", {"id": S("")})):
            self.invalid(text, "transact_write_items", TransactItems=[self.action("Put", item=new), action])
        self.assertIsNone(self.get(new))

    def test_an_index_key_that_does_not_fit(self):
        """One of another type is a reason, an empty one the whole request's mistake."""
        table, new = self.indexed_table(), self.key()
        put = lambda value: self.action("Put", item={**self.key(), "g": value}, table=table)
        update = lambda value: self.action(
            "Update", self.key(), table=table, UpdateExpression="SET g = :g", ExpressionAttributeValues={":g": value}
        )
        for action in (put(N(5)), update(N(5))):
            reasons = self.canceled(["None", "ValidationError"], self.action("Put", item=new), action)
            self.assertEqual(
                reasons[1]["Message"],
                "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N "
                "IndexName: by-g",
            )
        for action, what in (
            (put(S("")), "A value specified for a secondary index key is not supported. {}. IndexName: by-g, IndexKey: g"),
            (update(S("")), "The update expression attempted to update a secondary index key to a value that is not "
             "supported. {}."),
        ):
            empty = "The AttributeValue for a key attribute cannot contain an empty string value"
            text = "One or more parameter values are not valid. " + what.format(empty)
            self.invalid(text, "transact_write_items", TransactItems=[self.action("Put", item=new), action])
        self.assertIsNone(self.get(new))
        self.write(put(S("x")), update(S("y")))

    def indexed_table(self):
        """A table with the index `by-g` of the text `g`."""
        parameters = key_parameters("S")
        parameters["AttributeDefinitions"].append({"AttributeName": "g", "AttributeType": "S"})
        keys = [{"AttributeName": "g", "KeyType": "HASH"}]
        index = {"IndexName": "by-g", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
        table = create_table(**parameters, GlobalSecondaryIndexes=[index])
        self.addCleanup(delete_table, table)
        return table

    def test_the_first_action_that_is_wrong_is_told(self):
        wrong = self.action("Update", self.key(), UpdateExpression="SET")
        elsewhere = self.action("Put", item=self.key(), table=unique_name())
        self.refused(NOT_FOUND, "Requested resource not found", "transact_write_items", TransactItems=[elsewhere, wrong])

    def test_nothing_when_one_condition_fails(self):
        there, new = self.put(n=N(1)), self.key()
        reasons = self.canceled(
            ["None", "ConditionalCheckFailed", "None"],
            self.action("Put", item=new),
            self.action(
                "Update", there, UpdateExpression="SET n = :n", ConditionExpression="n = :n",
                ExpressionAttributeValues={":n": N(7)}, ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ),
            self.action("Delete", self.key()),
        )
        self.assertEqual(reasons[1]["Message"], "The conditional request failed")
        self.assertEqual(reasons[1]["Item"], {**there, "n": N(1)})
        self.assertNotIn("Message", reasons[0])
        self.assertIsNone(self.get(new))
        self.assertEqual(self.get(there)["n"], N(1))

    def test_a_check_that_fails(self):
        reasons = self.canceled(
            ["ConditionalCheckFailed", "None"],
            self.action("ConditionCheck", self.key(), ConditionExpression="attribute_exists(id)"),
            self.action("Put", item=self.key()),
        )
        self.assertNotIn("Item", reasons[0])

    def test_an_update_that_its_item_does_not_allow(self):
        key = self.put(n=S("x"))
        update = self.action("Update", key, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": N(1)})
        reasons = self.canceled(["None", "ValidationError"], self.action("Put", item=self.key()), update)
        self.assertEqual(reasons[1]["Message"], "An operand in the update expression has an incorrect data type")

    def test_100_actions(self):
        items = [{**self.key(), "n": N(at)} for at in range(100)]
        self.write(*[self.action("Put", item=item) for item in items])
        gets = [{"Get": {"TableName": self.table, "Key": {"id": item["id"]}}} for item in items]
        answer = self.client.transact_get_items(TransactItems=gets)
        self.assertEqual([response["Item"] for response in answer["Responses"]], items)

    def test_a_token_makes_it_happen_once(self):
        key, token = self.put(n=N(0)), str(uuid.uuid4())
        add = lambda n: self.action("Update", key, UpdateExpression="ADD n :n", ExpressionAttributeValues={":n": N(n)})
        for _ in range(4):
            self.write(add(1), ClientRequestToken=token)
        self.assertEqual(self.get(key)["n"], N(1))
        self.refused(
            "IdempotentParameterMismatchException",
            "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent "
            "token that was already used.",
            "transact_write_items", TransactItems=[add(2)], ClientRequestToken=token,
        )
        self.assertEqual(self.get(key)["n"], N(1))

    def test_consumed_capacity(self):
        answer = self.write(self.action("Put", item=self.key()), ReturnConsumedCapacity="TOTAL")
        [consumed] = answer["ConsumedCapacity"]
        self.assertEqual((consumed["TableName"], consumed["CapacityUnits"]), (self.table, 2.0))

    def test_what_cannot_be_a_transaction(self):
        write = lambda text, *actions: self.invalid(text, "transact_write_items", TransactItems=list(actions))
        key = self.key()
        write(
            "Transaction request cannot include multiple operations on one item",
            self.action("Put", item=key), self.action("Delete", key),
        )
        put = self.action("Put", item=self.key())
        write("Invalid ConditionExpression: The expression can not be empty;", self.action("Delete", key, ConditionExpression=""), put)
        name = unique_name()
        self.refused(
            NOT_FOUND, "Requested resource not found", "transact_write_items",
            TransactItems=[put, self.action("Put", item=self.key(), table=name)],
        )
        self.assertIsNone(self.get(put["Put"]["Item"]))

    def test_too_many_actions(self):
        actions = [self.action("Put", item=self.key()) for _ in range(101)]
        with self.assertRaises(ClientError) as caught:
            self.unchecked.transact_write_items(TransactItems=actions)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "ValidationException")
        self.assertRegex(error["Message"], "Member must have length less than or equal to 100$")


class Reads(Case):
    def read(self, *keys, **parameters):
        gets = [{"Get": {"TableName": self.table, "Key": key, **parameters}} for key in keys]
        return [response.get("Item") for response in self.client.transact_get_items(TransactItems=gets)["Responses"]]

    def test_in_the_order_of_the_request(self):
        first, second = self.put(n=N(1)), self.put(n=N(2))
        self.assertEqual(self.read(second, self.key(), first), [{**second, "n": N(2)}, None, {**first, "n": N(1)}])

    def test_projection(self):
        key = self.put(a=N(1), b=L(N(1), N(2)))
        self.assertEqual(self.read(key, ProjectionExpression="b[1]"), [{"b": L(N(2))}])
        self.assertEqual(self.read(key, ProjectionExpression="zz"), [None])

    def test_a_key_that_does_not_fit(self):
        gets = [{"Get": {"TableName": self.table, "Key": key}} for key in (self.put(n=N(1)), {})]
        text = SUMMARY.format("None, ValidationError")
        self.refused(CANCELED, text, "transact_get_items", TransactItems=gets)

    def test_consumed_capacity(self):
        get = {"Get": {"TableName": self.table, "Key": self.put(n=N(1))}}
        answer = self.client.transact_get_items(TransactItems=[get], ReturnConsumedCapacity="TOTAL")
        capacity = answer["ConsumedCapacity"][0]
        self.assertEqual((capacity["CapacityUnits"], capacity["ReadCapacityUnits"]), (2.0, 2.0))
        self.assertNotIn("WriteCapacityUnits", capacity)


class Bank(Case):
    """Money moves between accounts while others count it: the sum never differs."""

    accounts, balance = 5, 100

    def test_the_sum_is_constant(self):
        keys = [self.put(balance=N(self.balance)) for _ in range(self.accounts)]
        gets = [{"Get": {"TableName": self.table, "Key": key}} for key in keys]
        is_over = threading.Event()

        def move(number):
            for turn in range(6):
                source, target = keys[number % self.accounts], keys[(number + turn % 4 + 1) % self.accounts]
                update = lambda key, sign, **more: {"Update": {
                    "TableName": self.table, "Key": key, "UpdateExpression": f"SET balance = balance {sign} :n", **more,
                }}
                values = {":n": N(turn + 1)}
                try:
                    self.client.transact_write_items(TransactItems=[
                        update(source, "-", ConditionExpression="balance >= :n", ExpressionAttributeValues=values),
                        update(target, "+", ExpressionAttributeValues=values),
                    ])
                except ClientError as error:
                    # Somebody else is busy with one of the two.
                    if error.response["Error"]["Code"] not in (CANCELED, "TransactionConflictException"):
                        raise

        def count(_):
            sums = set()
            while not is_over.is_set():
                try:
                    answer = self.client.transact_get_items(TransactItems=gets)
                except ClientError as error:
                    if error.response["Error"]["Code"] != CANCELED:
                        raise
                    continue
                sums.add(sum(int(response["Item"]["balance"]["N"]) for response in answer["Responses"]))
            return sums

        counted = []
        counter = threading.Thread(target=lambda: counted.append(count(0)))
        counter.start()
        try:
            at_once(8, move)
        finally:
            is_over.set()
            counter.join()
        total = self.accounts * self.balance
        self.assertEqual(sum(int(self.get(key)["balance"]["N"]) for key in keys), total)
        self.assertEqual(len(counted), 1, "the reader of transactions failed")
        self.assertLessEqual(counted[0], {total})
