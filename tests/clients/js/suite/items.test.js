import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchGetItemCommand, BatchWriteItemCommand, ConditionalCheckFailedException, DeleteItemCommand, GetItemCommand, PutItemCommand, UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { client, createTable, endpointCount, requestsByEndpoint } from "./clients.js";

const get = async (TableName, id) => (await client.send(new GetItemCommand({ TableName, Key: { id: { S: id } }, ConsistentRead: true }))).Item;

test("every type of value comes back", async (context) => {
  const TableName = await createTable(context);
  const Item = {
    id: { S: "ü 🦀 \u0000" }, n: { N: "-123456789012345678901234567890.12345678" }, b: { B: new Uint8Array([0, 255]) }, bool: { BOOL: false },
    none: { NULL: true }, ss: { SS: ["a", "b"] }, ns: { NS: ["1", "2"] }, bs: { BS: [new Uint8Array([1])] },
    m: { M: { l: { L: [{ N: "1" }, { S: "" }, { M: {} }] } } },
  };
  await client.send(new PutItemCommand({ TableName, Item }));
  assert.deepEqual(await get(TableName, Item.id.S), Item);
});

test("a failed condition shows the item", async (context) => {
  const TableName = await createTable(context);
  const put = (n) =>
    client.send(
      new PutItemCommand({
        TableName, Item: { id: { S: "once" }, n: { N: String(n) } }, ConditionExpression: "attribute_not_exists(id)",
        ReturnValuesOnConditionCheckFailure: "ALL_OLD",
      }),
    );
  await put(1);
  await assert.rejects(put(2), (error) => {
    assert.ok(error instanceof ConditionalCheckFailedException);
    assert.equal(error.message, "The conditional request failed");
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.deepEqual(error.Item, { id: { S: "once" }, n: { N: "1" } });
    return true;
  });
  const { Attributes } = await client.send(new DeleteItemCommand({ TableName, Key: { id: { S: "once" } }, ReturnValues: "ALL_OLD" }));
  assert.equal(Attributes.n.N, "1");
});

test("a counter adds up through all endpoints", async (context) => {
  const TableName = await createTable(context);
  const add = () =>
    client.send(
      new UpdateItemCommand({
        TableName, Key: { id: { S: "counter" } }, UpdateExpression: "ADD n :one", ExpressionAttributeValues: { ":one": { N: "1" } },
      }),
    );
  await Promise.all(Array.from({ length: 90 }, add));
  assert.equal((await get(TableName, "counter")).n.N, "90");
  assert.ok(Object.values(requestsByEndpoint()).every((count) => count >= 90 / endpointCount), "all endpoints were asked");
});

test("batches, and what they hand back", async (context) => {
  const TableName = await createTable(context);
  const ids = Array.from({ length: 60 }, (_, at) => `item-${String(at).padStart(2, "0")}`);
  const large = "x".repeat(390 * 1024);
  for (let first = 0; first < ids.length; first += 20) {
    let left = { [TableName]: ids.slice(first, first + 20).map((id) => ({ PutRequest: { Item: { id: { S: id }, large: { S: large } } } })) };
    while (Object.keys(left).length > 0) left = (await client.send(new BatchWriteItemCommand({ RequestItems: left }))).UnprocessedItems;
  }
  const found = [];
  let [handedBack, left] = [0, { [TableName]: { Keys: ids.map((id) => ({ id: { S: id } })), ConsistentRead: true } }];
  while (Object.keys(left).length > 0) {
    const answer = await client.send(new BatchGetItemCommand({ RequestItems: left }));
    found.push(...answer.Responses[TableName].map((item) => item.id.S));
    left = answer.UnprocessedKeys;
    handedBack += Object.keys(left).length;
  }
  assert.deepEqual(found.toSorted(), ids);
  assert.equal(handedBack, 1, "60 items of 390 KiB are two replies");
});

test("mistakes are named", async (context) => {
  const TableName = await createTable(context);
  const refused = (promise, name, message) => assert.rejects(promise, { name, message });
  await refused(
    client.send(new GetItemCommand({ TableName, Key: { nope: { S: "x" } } })), "ValidationException",
    "The provided key element does not match the schema",
  );
  await refused(
    client.send(new GetItemCommand({ TableName: "js-missing", Key: { id: { S: "x" } } })), "ResourceNotFoundException", "Requested resource not found",
  );
  await refused(
    client.send(new UpdateItemCommand({ TableName, Key: { id: { S: "x" } }, UpdateExpression: "SET name = :v", ExpressionAttributeValues: { ":v": { N: "1" } } })),
    "ValidationException",
    "1 validation error detected: Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: name",
  );
});
