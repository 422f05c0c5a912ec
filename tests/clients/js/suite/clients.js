// Clients of which each request goes to the next endpoint: also the pages of a paginator, the polls of a waiter and a second try.

import { randomUUID } from "node:crypto";
import { CreateTableCommand, DeleteTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

const endpoints = (process.env.SLIPRING_ENDPOINTS ?? "http://127.0.0.1:8000").split(",").map((url) => new URL(url.trim()));
const counts = new Map(endpoints.map((url) => [url.host, 0]));
let turns = 0;

// A request is turned to its endpoint before it has its Host header and its signature.
function turn(next) {
  return async (args) => {
    const url = endpoints[turns++ % endpoints.length];
    counts.set(url.host, counts.get(url.host) + 1);
    Object.assign(args.request, { protocol: url.protocol, hostname: url.hostname, port: Number(url.port) });
    return next(args);
  };
}

// Nothing is tried again by itself: a failure is seen, not hidden.
export function newClient(settings = {}) {
  const client = new DynamoDBClient({
    endpoint: endpoints[0].href,
    region: "us-east-1",
    credentials: {
      accessKeyId: process.env.SLIPRING_ACCESS_KEY ?? "AKIASLIPRINGCLIENTS0",
      secretAccessKey: process.env.SLIPRING_SECRET_KEY ?? "the-secret-of-the-client-suite",
    },
    maxAttempts: 1,
    ...settings,
  });
  client.middlewareStack.add(turn, { step: "build", priority: "high", name: "turn" });
  return client;
}

export const client = newClient();

// What JavaScript has for empty values and numbers goes in and out as it is.
export const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });

export const requestsByEndpoint = () => Object.fromEntries(counts);

export const endpointCount = endpoints.length;

// A new table with the key `id`, and `at` if `sort` names its type. Its name.
export async function createTable(context, sort) {
  const TableName = `js-${randomUUID()}`;
  const parts = [["id", "HASH", "S"], ...(sort ? [["at", "RANGE", sort]] : [])];
  await client.send(
    new CreateTableCommand({
      TableName,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: parts.map(([AttributeName, , AttributeType]) => ({ AttributeName, AttributeType })),
      KeySchema: parts.map(([AttributeName, KeyType]) => ({ AttributeName, KeyType })),
    }),
  );
  context.after(() => client.send(new DeleteTableCommand({ TableName })));
  return TableName;
}
