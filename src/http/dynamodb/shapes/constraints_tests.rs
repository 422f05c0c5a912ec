//! What is missing, too long or none of a set, in the service's words and order.

use serde_json::{Value, json};

use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::operation::Operation;

fn refusal(operation: Operation, body: &Value) -> String {
    let body = body.to_string();
    let error = operation.shape().check(&Json::parse(body.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(error.name(), "ValidationException", "{body}");
    error.message().unwrap().into_owned()
}

/// Faults as they are reported together.
fn faults(faults: &[&str]) -> String {
    let plural = if faults.len() == 1 { "" } else { "s" };
    let faults: Vec<String> = faults
        .iter()
        .map(|fault| {
            let (value, constraint) = fault.split_once(" :: ").unwrap();
            format!("Value {value} failed to satisfy constraint: {constraint}")
        })
        .collect();
    format!("{} validation error{plural} detected: {}", faults.len(), faults.join("; "))
}

const NULL: &str = "Member must not be null";
const PATTERN: &str = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";

#[test]
fn requests_on_one_item() {
    let cases = [
        (Operation::PutItem, json!({}), vec![format!("null at 'tableName' :: {NULL}"), format!("null at 'item' :: {NULL}")]),
        (
            Operation::PutItem,
            json!({"TableName": "", "Item": {}}),
            vec!["'' at 'tableName' :: Member must have length greater than or equal to 1".to_owned()],
        ),
        (
            Operation::PutItem,
            json!({"TableName": "a;", "Item": {}}),
            vec![
                format!("'a;' at 'tableName' :: {PATTERN}"),
                "'a;' at 'tableName' :: Member must have length greater than or equal to 3".to_owned(),
            ],
        ),
        (
            Operation::PutItem,
            json!({"TableName": "a".repeat(256), "Item": {}}),
            vec![format!("'{}' at 'tableName' :: Member must have length less than or equal to 255", "a".repeat(256))],
        ),
        (
            Operation::PutItem,
            json!({
                "TableName": "abc;", "ReturnConsumedCapacity": "hi", "ReturnItemCollectionMetrics": "hi",
                "ReturnValues": "hi", "ReturnValuesOnConditionCheckFailure": "hi",
            }),
            vec![
                "'hi' at 'returnConsumedCapacity' :: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]".to_owned(),
                format!("'abc;' at 'tableName' :: {PATTERN}"),
                format!("null at 'item' :: {NULL}"),
                "'hi' at 'returnValues' :: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
                    .to_owned(),
                "'hi' at 'returnItemCollectionMetrics' :: Member must satisfy enum value set: [SIZE, NONE]".to_owned(),
                "'hi' at 'returnValuesOnConditionCheckFailure' :: Member must satisfy enum value set: [ALL_OLD, NONE]"
                    .to_owned(),
            ],
        ),
        (
            Operation::PutItem,
            json!({"TableName": "abc", "Item": {}, "ConditionalOperator": "XOR"}),
            vec!["'XOR' at 'conditionalOperator' :: Member must satisfy enum value set: [OR, AND]".to_owned()],
        ),
        (
            Operation::GetItem,
            json!({"TableName": "abc", "Key": {}, "AttributesToGet": []}),
            vec!["'[]' at 'attributesToGet' :: Member must have length greater than or equal to 1".to_owned()],
        ),
        (
            Operation::UpdateItem,
            json!({"TableName": "abc", "Expected": {"a": {"ComparisonOperator": "hi"}}}),
            vec![
                format!("null at 'key' :: {NULL}"),
                "'hi' at 'expected.a.member.comparisonOperator' :: Member must satisfy enum value set: [IN, NULL, \
                 BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, GE, CONTAINS]"
                    .to_owned(),
            ],
        ),
    ];
    for (operation, body, expected) in cases {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(refusal(operation, &body), faults(&expected), "{body}");
    }
}

#[test]
fn requests_on_many_items() {
    let cases = [
        (
            Operation::Query,
            json!({
                "TableName": "abc", "Limit": 0, "IndexName": "", "Select": "hi", "KeyConditions": {"a": {}},
                "AttributesToGet": [],
            }),
            vec![
                "'hi' at 'select' :: Member must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, \
                 ALL_PROJECTED_ATTRIBUTES]"
                    .to_owned(),
                format!("'' at 'indexName' :: {PATTERN}"),
                "'' at 'indexName' :: Member must have length greater than or equal to 3".to_owned(),
                "'[]' at 'attributesToGet' :: Member must have length greater than or equal to 1".to_owned(),
                "'0' at 'limit' :: Member must have value greater than or equal to 1".to_owned(),
                format!("null at 'keyConditions.a.member.comparisonOperator' :: {NULL}"),
            ],
        ),
        (
            Operation::Scan,
            json!({"TableName": "abc", "TotalSegments": 1_000_001, "Segment": -1}),
            vec![
                "'1000001' at 'totalSegments' :: Member must have value less than or equal to 1000000".to_owned(),
                "'-1' at 'segment' :: Member must have value greater than or equal to 0".to_owned(),
            ],
        ),
        (
            Operation::TransactWriteItems,
            json!({
                "TransactItems": [{"Put": {"TableName": "bad!name"}}, {"Update": {}}, {"ConditionCheck": {}}],
                "ReturnConsumedCapacity": "hi", "ClientRequestToken": "",
            }),
            vec![
                "'' at 'clientRequestToken' :: Member must have length greater than or equal to 1".to_owned(),
                "'hi' at 'returnConsumedCapacity' :: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
                    .to_owned(),
                format!("null at 'transactItems.1.member.put.item' :: {NULL}"),
                format!("'bad!name' at 'transactItems.1.member.put.tableName' :: {PATTERN}"),
                format!("null at 'transactItems.2.member.update.key' :: {NULL}"),
                format!("null at 'transactItems.2.member.update.updateExpression' :: {NULL}"),
                format!("null at 'transactItems.2.member.update.tableName' :: {NULL}"),
                format!("null at 'transactItems.3.member.conditionCheck.key' :: {NULL}"),
                format!("null at 'transactItems.3.member.conditionCheck.tableName' :: {NULL}"),
                // The eleventh is not reported.
                format!("null at 'transactItems.3.member.conditionCheck.conditionExpression' :: {NULL}"),
            ],
        ),
        (
            Operation::TransactGetItems,
            json!({"TransactItems": []}),
            vec!["'[]' at 'transactItems' :: Member must have length greater than or equal to 1".to_owned()],
        ),
    ];
    for (operation, body, expected) in cases {
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        assert_eq!(refusal(operation, &body), faults(&expected), "{body}");
    }
}

#[test]
fn ten_faults_are_reported_and_no_more() {
    let keys: Vec<Value> = (0..11).map(|_| json!({"Get": {"TableName": "abc"}})).collect();
    let message = refusal(Operation::TransactGetItems, &json!({ "TransactItems": keys }));
    assert!(message.starts_with("10 validation errors detected: "), "{message}");
    assert!(message.contains("transactItems.10.member") && !message.contains("transactItems.11.member"), "{message}");
}

#[test]
fn batches() {
    const KEYS: &str = "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member \
                        must have length greater than or equal to 3, Member must satisfy regular expression pattern: \
                        [a-zA-Z0-9_.-]+]";
    const WRITES: &str = "Map value must satisfy constraint: [Member must have length less than or equal to 25, Member \
                          must have length greater than or equal to 1]";
    const CAPACITY: &str =
        "'x' at 'returnConsumedCapacity' :: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]";
    let write = |body: Value| refusal(Operation::BatchWriteItem, &body);
    let get = |body: Value| refusal(Operation::BatchGetItem, &body);
    assert_eq!(write(json!({})), faults(&["null at 'requestItems' :: Member must not be null"]));
    assert_eq!(write(json!({"RequestItems": {}})), "The requestItems parameter is required for BatchWriteItem");
    assert_eq!(get(json!({"RequestItems": {}})), "The requestItems parameter is required for BatchGetItem");
    assert_eq!(
        write(json!({"RequestItems": {"abc": []}})),
        faults(&[&format!("'{{abc=[]}}' at 'requestItems' :: {WRITES}")])
    );
    let put = json!({"PutRequest": {"Item": {"a": {"S": "x"}}}});
    let shown = "WriteRequest(deleteRequest=null, putRequest=PutRequest(item={a=AttributeValue(s=x, n=null, b=null, \
                 sS=null, nS=null, bS=null, m=null, l=null, nULL=null, bOOL=null)}))";
    assert_eq!(
        write(json!({"RequestItems": {"a!": [put]}})),
        faults(&[&format!("'{{a!=[{shown}]}}' at 'requestItems' :: {KEYS}")])
    );
    let both = json!({"RequestItems": {"a!": [{"PutRequest": {}}]}, "ReturnConsumedCapacity": "x"});
    let null = "null at 'requestItems.a!.member.1.member.putRequest.item' :: Member must not be null";
    assert_eq!(write(both), faults(&[CAPACITY, null]));
    assert_eq!(
        get(json!({"RequestItems": {"a!": {"Keys": [{"a": {"S": "x"}}]}}, "ReturnConsumedCapacity": "x"})),
        faults(&[&format!(r#"'{{"a!":{{"Keys":[{{"a":{{"S":"x"}}}}]}}}}' at 'requestItems' :: {KEYS}"#), CAPACITY])
    );
    assert_eq!(
        get(json!({"RequestItems": {"abc": {}}})),
        faults(&["null at 'requestItems.abc.member.keys' :: Member must not be null"])
    );
    let keys = vec![json!({}); 101];
    assert_eq!(
        get(json!({"RequestItems": {"abc": {"Keys": keys}}})),
        faults(&["at 'RequestItems.abc.member.Keys' :: Member must have length less than or equal to 100"])
    );
}

#[test]
fn tables() {
    const MISSING: &str = "The parameter 'TableName' is required but was not present in the request";
    const LENGTH: &str = "TableName must be at least 3 characters long and at most 255 characters long";
    let named = [
        Operation::UpdateTable,
        Operation::DeleteTable,
        Operation::DescribeTable,
        Operation::DescribeTimeToLive,
        Operation::UpdateTimeToLive,
    ];
    for operation in named {
        assert_eq!(refusal(operation, &json!({})), MISSING);
        assert_eq!(refusal(operation, &json!({"TableName": "ab"})), LENGTH);
        assert_eq!(refusal(operation, &json!({"TableName": "a".repeat(256)})), LENGTH);
        let bad = refusal(operation, &json!({"TableName": "abc;"}));
        assert!(bad.contains(&format!("Value 'abc;' at 'tableName' failed to satisfy constraint: {PATTERN}")), "{bad}");
    }
    assert_eq!(refusal(Operation::CreateTable, &json!({})), MISSING);
    assert_eq!(
        refusal(Operation::CreateTable, &json!({"TableName": "ab"})),
        faults(&["'ab' at 'tableName' :: Member must have length greater than or equal to 3"])
    );
    assert_eq!(
        refusal(Operation::CreateTable, &json!({"TableName": "abc;"})),
        faults(&[
            "null at 'attributeDefinitions' :: Member must not be null",
            &format!("'abc;' at 'tableName' :: {PATTERN}"),
            "null at 'keySchema' :: Member must not be null",
        ])
    );
    let schema = json!([
        {"AttributeName": "a", "KeyType": "HASH"}, {"KeyType": "RANGE"}, {"AttributeName": "c", "KeyType": "RANGE"},
    ]);
    let create = json!({
        "TableName": "abc", "AttributeDefinitions": [{"AttributeName": "", "AttributeType": "SS"}], "KeySchema": schema,
        "ProvisionedThroughput": {"ReadCapacityUnits": -1, "WriteCapacityUnits": 0}, "BillingMode": "x",
        "LocalSecondaryIndexes": [{"IndexName": "l1", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "Projection": {}}],
        "GlobalSecondaryIndexes": [{"IndexName": "g!", "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}], "Projection": {}}],
    });
    assert_eq!(
        refusal(Operation::CreateTable, &create),
        faults(&[
            "'SS' at 'attributeDefinitions.1.member.attributeType' :: Member must satisfy enum value set: [B, N, S]",
            "'' at 'attributeDefinitions.1.member.attributeName' :: Member must have length greater than or equal to 1",
            "'x' at 'billingMode' :: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
            "'0' at 'provisionedThroughput.writeCapacityUnits' :: Member must have value greater than or equal to 1",
            "'-1' at 'provisionedThroughput.readCapacityUnits' :: Member must have value greater than or equal to 1",
            "'[KeySchemaElement(attributeName=a, keyType=HASH), KeySchemaElement(attributeName=null, keyType=RANGE), \
             KeySchemaElement(attributeName=c, keyType=RANGE)]' at 'keySchema' :: Member must have length less than or \
             equal to 2",
            "null at 'keySchema.2.member.attributeName' :: Member must not be null",
            "'g!' at 'globalSecondaryIndexes.1.member.indexName' :: Member must have length greater than or equal to 3",
            &format!("'g!' at 'globalSecondaryIndexes.1.member.indexName' :: {PATTERN}"),
            "'l1' at 'localSecondaryIndexes.1.member.indexName' :: Member must have length greater than or equal to 3",
        ])
    );
    assert_eq!(
        refusal(Operation::ListTables, &json!({"Limit": 101, "ExclusiveStartTableName": ""})),
        faults(&[
            "'101' at 'limit' :: Member must have value less than or equal to 100",
            &format!("'' at 'exclusiveStartTableName' :: {PATTERN}"),
            "'' at 'exclusiveStartTableName' :: Member must have length greater than or equal to 3",
        ])
    );
    assert_eq!(
        refusal(Operation::UpdateTimeToLive, &json!({"TableName": "abc", "TimeToLiveSpecification": {}})),
        faults(&[
            "null at 'timeToLiveSpecification.attributeName' :: Member must not be null",
            "null at 'timeToLiveSpecification.enabled' :: Member must not be null",
        ])
    );
    assert_eq!(refusal(Operation::UntagResource, &json!({})), "Invalid TableArn");
}

#[test]
fn lengths_count_as_java_counts() {
    // Two units of UTF-16 each: 127 of them and one letter are 255.
    let token = |text: String| json!({"TransactItems": [], "ClientRequestToken": text});
    let message = refusal(Operation::TransactWriteItems, &token("\u{1F600}".repeat(18) + "x"));
    assert!(message.starts_with("2 validation errors"), "{message}");
    let message = refusal(Operation::TransactWriteItems, &token("\u{1F600}".repeat(18)));
    assert!(message.starts_with("1 validation error"), "{message}");
}

#[test]
fn what_is_shown_is_bounded() {
    let message = refusal(Operation::PutItem, &json!({"TableName": "\u{e9}".repeat(1_000_000), "Item": {}}));
    assert!(message.len() < 10_000 && message.contains("...' at 'tableName'"), "{} bytes", message.len());
    let items: Vec<Value> =
        (0..101).map(|at| json!({"Put": {"Item": {"a": {"S": format!("{at}")}}, "TableName": "abc"}})).collect();
    let message = refusal(Operation::TransactWriteItems, &json!({ "TransactItems": items }));
    assert!(
        message.len() < 5_000 && message.ends_with("Member must have length less than or equal to 100"),
        "{message}"
    );
}

#[test]
fn arns_are_names_too() {
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/Music";
    let bodies = [
        (Operation::GetItem, json!({"TableName": arn, "Key": {}})),
        (Operation::DescribeTable, json!({"TableName": arn})),
    ];
    for (operation, body) in bodies {
        let body = body.to_string();
        assert_eq!(operation.shape().check(&Json::parse(body.as_bytes()).unwrap()), Ok(()));
    }
    let message = refusal(Operation::GetItem, &json!({"TableName": "arn:aws:dynamodb:x:1:table/a", "Key": {}}));
    assert!(message.contains("Member must have length greater than or equal to 3"), "{message}");
}
