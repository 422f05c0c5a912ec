import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CreateTableCommand, DeleteTableCommand, DescribeLimitsCommand, DescribeTableCommand, DescribeTimeToLiveCommand, ListTagsOfResourceCommand,
  ResourceInUseException, ResourceNotFoundException, TagResourceCommand, UntagResourceCommand, UpdateTableCommand, UpdateTimeToLiveCommand,
  paginateListTables, waitUntilTableExists, waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";
import { client, createTable } from "./clients.js";

const QUICKLY = { client, minDelay: 0.05, maxDelay: 0.1, maxWaitTime: 30 };

test("a table from its creation to its end", async () => {
  const TableName = `js-life-${Date.now()}`;
  const parameters = {
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    DeletionProtectionEnabled: true,
  };
  const { TableDescription } = await client.send(new CreateTableCommand(parameters));
  await waitUntilTableExists(QUICKLY, { TableName });
  const { Table } = await client.send(new DescribeTableCommand({ TableName }));
  assert.equal(Table.TableStatus, "ACTIVE");
  assert.equal(Table.TableId, TableDescription.TableId);
  assert.deepEqual(Table.CreationDateTime, TableDescription.CreationDateTime);
  await assert.rejects(client.send(new CreateTableCommand(parameters)), (error) => {
    assert.ok(error instanceof ResourceInUseException);
    assert.equal(error.message, `Table already exists: ${TableName}`);
    return true;
  });
  await assert.rejects(client.send(new DeleteTableCommand({ TableName })), { name: "ValidationException" });
  await client.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }));
  await client.send(new DeleteTableCommand({ TableName }));
  await waitUntilTableNotExists(QUICKLY, { TableName });
  await assert.rejects(client.send(new DescribeTableCommand({ TableName })), ResourceNotFoundException);
});

test("tables are listed page by page", async (context) => {
  const created = [];
  for (let at = 0; at < 5; at++) created.push(await createTable(context));
  const listed = [];
  for await (const page of paginateListTables({ client, pageSize: 2 }, {})) {
    assert.ok(page.TableNames.length <= 2);
    listed.push(...page.TableNames);
  }
  assert.deepEqual(listed.filter((name) => created.includes(name)), created.toSorted());
});

test("tags, expiry, limits", async (context) => {
  const TableName = await createTable(context);
  const ResourceArn = (await client.send(new DescribeTableCommand({ TableName }))).Table.TableArn;
  await client.send(new TagResourceCommand({ ResourceArn, Tags: [{ Key: "a", Value: "1" }, { Key: "b", Value: "2" }] }));
  await client.send(new UntagResourceCommand({ ResourceArn, TagKeys: ["a"] }));
  const { Tags } = await client.send(new ListTagsOfResourceCommand({ ResourceArn }));
  assert.deepEqual(Tags, [{ Key: "b", Value: "2" }]);
  const TimeToLiveSpecification = { Enabled: true, AttributeName: "until" };
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }));
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
  assert.deepEqual(TimeToLiveDescription, { TimeToLiveStatus: "ENABLED", AttributeName: "until" });
  assert.equal((await client.send(new DescribeLimitsCommand({}))).TableMaxReadCapacityUnits, 40000);
});
