import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import { GetCommand, PutCommand, TransactGetCommand, TransactWriteCommand } from "@aws-sdk/lib-dynamodb";
import { createTable, documents } from "./clients.js";

test("all or nothing, and why not", async (context) => {
  const TableName = await createTable(context);
  const put = (id, n) => ({ Put: { TableName, Item: { id, n } } });
  const check = (id, n) => ({
    ConditionCheck: {
      TableName, Key: { id }, ConditionExpression: "n = :n", ExpressionAttributeValues: { ":n": n }, ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    },
  });
  await documents.send(new TransactWriteCommand({ TransactItems: [put("a", 1), put("b", 2)] }));
  const Get = (id) => ({ Get: { TableName, Key: { id } } });
  const { Responses } = await documents.send(new TransactGetCommand({ TransactItems: [Get("b"), Get("nobody"), Get("a")] }));
  assert.deepEqual(Responses.map((response) => response.Item?.n), [2, undefined, 1]);
  await assert.rejects(documents.send(new TransactWriteCommand({ TransactItems: [put("c", 3), check("a", 7)] })), (error) => {
    assert.ok(error instanceof TransactionCanceledException);
    assert.deepEqual(error.CancellationReasons.map((reason) => reason.Code), ["None", "ConditionalCheckFailed"]);
    return true;
  });
  assert.equal((await documents.send(new GetCommand({ TableName, Key: { id: "c" }, ConsistentRead: true }))).Item, undefined);
});

test("a token makes it happen once", async (context) => {
  const TableName = await createTable(context);
  await documents.send(new PutCommand({ TableName, Item: { id: "a", n: 0 } }));
  const add = (n) => ({ Update: { TableName, Key: { id: "a" }, UpdateExpression: "ADD n :n", ExpressionAttributeValues: { ":n": n } } });
  const ClientRequestToken = randomUUID();
  for (let at = 0; at < 4; at++) await documents.send(new TransactWriteCommand({ TransactItems: [add(1)], ClientRequestToken }));
  assert.equal((await documents.send(new GetCommand({ TableName, Key: { id: "a" }, ConsistentRead: true }))).Item.n, 1);
  await assert.rejects(documents.send(new TransactWriteCommand({ TransactItems: [add(2)], ClientRequestToken })), {
    name: "IdempotentParameterMismatchException",
  });
});
