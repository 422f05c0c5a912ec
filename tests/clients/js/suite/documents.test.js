// The DocumentClient: items are plain objects.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchGetCommand, BatchWriteCommand, DeleteCommand, GetCommand, PutCommand, QueryCommand, ScanCommand, UpdateCommand, paginateQuery, paginateScan,
} from "@aws-sdk/lib-dynamodb";
import { createTable, documents } from "./clients.js";

test("objects go in and come out", async (context) => {
  const TableName = await createTable(context);
  const Item = {
    id: "a", text: "", number: 12.5, yes: true, none: null, list: [1, "two", { three: 3 }], map: { deep: { deeper: [] } },
    bytes: new Uint8Array([1, 2, 3]), words: new Set(["a", "b"]), numbers: new Set([1, 2]), left: undefined,
  };
  await documents.send(new PutCommand({ TableName, Item }));
  const { left, ...expected } = Item;
  const found = await documents.send(new GetCommand({ TableName, Key: { id: "a" }, ConsistentRead: true }));
  assert.deepEqual(found.Item, expected);
  const updated = await documents.send(
    new UpdateCommand({
      TableName, Key: { id: "a" }, UpdateExpression: "SET #m.deep.more = :more, #n = #n + :half REMOVE #l[0] DELETE #w :a",
      ExpressionAttributeNames: { "#m": "map", "#n": "number", "#l": "list", "#w": "words" }, ExpressionAttributeValues: { ":more": ["x"], ":half": 0.5, ":a": new Set(["a"]) },
      ConditionExpression: "size(numbers) > :half", ReturnValues: "ALL_NEW",
    }),
  );
  assert.deepEqual(updated.Attributes.map, { deep: { deeper: [], more: ["x"] } });
  assert.deepEqual([updated.Attributes.number, updated.Attributes.list, updated.Attributes.words], [13, ["two", { three: 3 }], new Set(["b"])]);
  const gone = await documents.send(new DeleteCommand({ TableName, Key: { id: "a" }, ReturnValues: "ALL_OLD" }));
  assert.deepEqual(gone.Attributes, updated.Attributes);
});

test("queries and scans, page by page", async (context) => {
  const TableName = await createTable(context, "N");
  const items = ["ada", "bob"].flatMap((id) => Array.from({ length: 20 }, (_, at) => ({ id, at, cents: at * 10 })));
  for (let first = 0; first < items.length; first += 20) {
    const requests = items.slice(first, first + 20).map((Item) => ({ PutRequest: { Item } }));
    const { UnprocessedItems } = await documents.send(new BatchWriteCommand({ RequestItems: { [TableName]: requests } }));
    assert.deepEqual(UnprocessedItems, {});
  }
  const query = {
    TableName, KeyConditionExpression: "id = :id AND #at BETWEEN :from AND :to", ConsistentRead: true, ScanIndexForward: false,
    ExpressionAttributeNames: { "#at": "at" }, ExpressionAttributeValues: { ":id": "bob", ":from": 3, ":to": 15 },
  };
  const times = [];
  for await (const page of paginateQuery({ client: documents, pageSize: 5 }, query)) times.push(...page.Items.map((item) => item.at));
  assert.deepEqual(times, Array.from({ length: 13 }, (_, at) => 15 - at));
  const counted = await documents.send(
    new QueryCommand({
      TableName, KeyConditionExpression: "id = :id", FilterExpression: "cents >= :least", Select: "COUNT",
      ExpressionAttributeValues: { ":id": "ada", ":least": 150 },
    }),
  );
  assert.deepEqual([counted.Count, counted.ScannedCount], [5, 20]);
  const segments = await Promise.all(
    [0, 1, 2].map(async (Segment) => {
      const found = [];
      for await (const page of paginateScan({ client: documents, pageSize: 7 }, { TableName, Segment, TotalSegments: 3, ConsistentRead: true })) {
        found.push(...page.Items);
      }
      return found;
    }),
  );
  const byKey = (a, b) => a.id.localeCompare(b.id) || a.at - b.at;
  assert.deepEqual(segments.flat().toSorted(byKey), items);
  const { Items } = await documents.send(new ScanCommand({ TableName, Limit: 3, ProjectionExpression: "cents" }));
  assert.ok(Items.length === 3 && Items.every((item) => Object.keys(item).join() === "cents"));
  const Keys = [{ id: "ada", at: 1 }, { id: "ada", at: 99 }];
  const { Responses } = await documents.send(new BatchGetCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } }));
  assert.deepEqual(Responses[TableName], [{ id: "ada", at: 1, cents: 10 }]);
});
