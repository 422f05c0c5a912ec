//! JSON of another type than the API defines, in the service's words for each place and type.

use serde_json::{Value, json};

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::operation::Operation;

/// What is said of a body, if it is a type that is wrong.
fn refusal(operation: Operation, body: &Value) -> Option<String> {
    let body = body.to_string();
    match operation.shape().check(&Json::parse(body.as_bytes()).unwrap()) {
        Err(ApiError::Serialization { message }) => Some(message.unwrap_or_default().into_owned()),
        Ok(()) | Err(_) => None,
    }
}

const STUMBLE: &str = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class \
                       java.lang.Class (sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and \
                       java.lang.Class are in module java.base of loader 'bootstrap')";
const OBJECT: &str = "Start of structure or map found where not expected";

/// What a place asks for.
#[derive(Clone, Copy)]
enum Type {
    Boolean,
    Text,
    Integer,
    Long,
    Binary,
    List,
    /// A list in a map or list.
    InnerList,
    /// The type of its values.
    Map(&'static str),
    /// A map in a list.
    InnerMap,
    /// As a member of a structure.
    Field(&'static str),
    /// In a map or list.
    Element(&'static str),
}

/// Values that cannot stand in such a place, and what is said of them.
fn refused(kind: Type) -> Vec<(Value, String)> {
    let scalars = |message: &str| {
        let scalars = [json!("23"), json!(true), json!(23), json!(-2_147_483_648_i64), json!(34.56)];
        scalars.map(|value| (value, message.to_owned())).to_vec()
    };
    let of =
        |pairs: &[(Value, &str)]| pairs.iter().map(|(value, words)| (value.clone(), (*words).to_owned())).collect();
    let with = |mut pairs: Vec<(Value, String)>, more: (Value, String)| {
        pairs.push(more);
        pairs
    };
    match kind {
        Type::Boolean => of(&[
            (json!("23"), "Unexpected token received from parser"),
            (json!(23), "NUMBER_VALUE cannot be converted to Boolean"),
            (json!(2_147_483_648_i64), "NUMBER_VALUE cannot be converted to Boolean"),
            (json!(34.56), "DECIMAL_VALUE cannot be converted to Boolean"),
            (json!([]), "Unrecognized collection type class java.lang.Boolean"),
            (json!({}), OBJECT),
        ]),
        Type::Text => of(&[
            (json!(true), "TRUE_VALUE cannot be converted to String"),
            (json!(false), "FALSE_VALUE cannot be converted to String"),
            (json!(23), "NUMBER_VALUE cannot be converted to String"),
            (json!(-2_147_483_648_i64), "NUMBER_VALUE cannot be converted to String"),
            (json!(34.56), "DECIMAL_VALUE cannot be converted to String"),
            (json!([]), "Unrecognized collection type class java.lang.String"),
            (json!({}), OBJECT),
        ]),
        Type::Integer | Type::Long => {
            let name = if matches!(kind, Type::Long) { "Long" } else { "Integer" };
            let pairs = [
                (json!("23"), format!("STRING_VALUE cannot be converted to {name}")),
                (json!(true), format!("TRUE_VALUE cannot be converted to {name}")),
                (json!(false), format!("FALSE_VALUE cannot be converted to {name}")),
                (json!([]), format!("Unrecognized collection type class java.lang.{name}")),
                (json!({}), OBJECT.to_owned()),
            ];
            pairs.to_vec()
        }
        Type::Binary => of(&[
            (json!(true), "only base-64-encoded strings are convertible to bytes"),
            (json!(23), "only base-64-encoded strings are convertible to bytes"),
            (json!(34.56), "only base-64-encoded strings are convertible to bytes"),
            (json!([]), "Unrecognized collection type class java.nio.ByteBuffer"),
            (json!({}), OBJECT),
            (json!("23456"), "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
            (json!("=+/="), "Invalid last non-pad Base64 character dectected"),
            (json!("+/+="), "Invalid last non-pad Base64 character dectected"),
            (json!("Yh=="), "Invalid last non-pad Base64 character dectected"),
            (json!("A==="), "Invalid last non-pad Base64 character dectected"),
            (json!("===="), "Invalid last non-pad Base64 character dectected"),
            (json!("AA-_"), "Invalid last non-pad Base64 character dectected"),
        ]),
        Type::List => with(scalars("Unexpected field type"), (json!({}), OBJECT.to_owned())),
        Type::InnerList => with(scalars(STUMBLE), (json!({}), OBJECT.to_owned())),
        Type::Map(values) => with(
            scalars("Unexpected field type"),
            (json!([]), format!("Unrecognized collection type java.util.Map<java.lang.String, {values}>")),
        ),
        Type::InnerMap => with(
            scalars(STUMBLE),
            (
                json!([]),
                "Unrecognized collection type java.util.Map<java.lang.String, \
                 com.amazonaws.dynamodb.v20120810.AttributeValue>"
                    .to_owned(),
            ),
        ),
        Type::Field(name) | Type::Element(name) => {
            let words = match kind {
                Type::Field(_) => "Unexpected field type",
                _ => "Unexpected value type in payload",
            };
            let class = format!("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.{name}");
            with(scalars(words), (json!([]), class))
        }
    }
}

/// A body with a value at a place such as `Expected.a.Value`; `0` stands for the only element of a list.
fn body_with(place: &str, value: Value) -> Value {
    place.rsplit('.').fold(value, |value, step| match step {
        "0" => json!([value]),
        name => json!({ name: value }),
    })
}

fn assert_refused(operation: Operation, place: &str, kind: Type) {
    for (value, message) in refused(kind) {
        let body = body_with(place, value);
        assert_eq!(refusal(operation, &body), Some(message), "{} {body}", operation.name());
    }
    let null = body_with(place, Value::Null);
    assert_eq!(refusal(operation, &null), None, "{null}");
}

/// The value of an attribute at a place, and all that can be in one.
fn assert_value_refused(operation: Operation, place: &str, kind: Type) {
    const VALUES: Type = Type::Map("com.amazonaws.dynamodb.v20120810.AttributeValue");
    let parts = [
        ("S", Type::Text),
        ("N", Type::Text),
        ("B", Type::Binary),
        ("BOOL", Type::Boolean),
        ("NULL", Type::Boolean),
        ("SS", Type::List),
        ("SS.0", Type::Text),
        ("NS", Type::List),
        ("NS.0", Type::Text),
        ("BS", Type::List),
        ("BS.0", Type::Binary),
        ("L", Type::List),
        ("L.0", Type::Element("AttributeValue")),
        ("L.0.BS.0", Type::Binary),
        ("M", VALUES),
        ("M.a", Type::Element("AttributeValue")),
        ("M.a.BS", Type::List),
    ];
    assert_refused(operation, place, kind);
    for (part, kind) in parts {
        assert_refused(operation, &format!("{place}.{part}"), kind);
    }
}

#[test]
fn requests_on_one_item() {
    const VALUES: Type = Type::Map("com.amazonaws.dynamodb.v20120810.AttributeValue");
    const ELEMENT: Type = Type::Element("AttributeValue");
    assert_refused(Operation::PutItem, "TableName", Type::Text);
    assert_refused(Operation::PutItem, "Item", VALUES);
    assert_value_refused(Operation::PutItem, "Item.a", ELEMENT);
    assert_refused(
        Operation::PutItem,
        "Expected",
        Type::Map("com.amazonaws.dynamodb.v20120810.ExpectedAttributeValue"),
    );
    assert_refused(Operation::PutItem, "Expected.a", Type::Element("ExpectedAttributeValue"));
    assert_refused(Operation::PutItem, "Expected.a.Exists", Type::Boolean);
    assert_value_refused(Operation::PutItem, "Expected.a.Value", Type::Field("AttributeValue"));
    assert_value_refused(Operation::PutItem, "Expected.a.AttributeValueList.0", ELEMENT);
    assert_refused(Operation::PutItem, "ReturnValues", Type::Text);
    assert_refused(Operation::PutItem, "ExpressionAttributeNames", Type::Map("java.lang.String"));
    assert_refused(Operation::PutItem, "ExpressionAttributeNames.a", Type::Text);
    assert_value_refused(Operation::GetItem, "Key.a", ELEMENT);
    assert_refused(Operation::GetItem, "AttributesToGet", Type::List);
    assert_refused(Operation::GetItem, "AttributesToGet.0", Type::Text);
    assert_refused(Operation::GetItem, "ConsistentRead", Type::Boolean);
    assert_refused(
        Operation::UpdateItem,
        "AttributeUpdates",
        Type::Map("com.amazonaws.dynamodb.v20120810.AttributeValueUpdate"),
    );
    assert_refused(Operation::UpdateItem, "AttributeUpdates.a.Action", Type::Text);
    assert_value_refused(Operation::UpdateItem, "AttributeUpdates.a.Value", Type::Field("AttributeValue"));
    assert_value_refused(Operation::DeleteItem, "ExpressionAttributeValues.a", ELEMENT);
}

#[test]
fn requests_on_many_items() {
    assert_refused(
        Operation::BatchWriteItem,
        "RequestItems",
        Type::Map("java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>"),
    );
    assert_refused(Operation::BatchWriteItem, "RequestItems.a", Type::InnerList);
    assert_refused(Operation::BatchWriteItem, "RequestItems.a.0", Type::Element("WriteRequest"));
    assert_refused(Operation::BatchWriteItem, "RequestItems.a.0.DeleteRequest", Type::Field("DeleteRequest"));
    assert_value_refused(
        Operation::BatchWriteItem,
        "RequestItems.a.0.PutRequest.Item.a",
        Type::Element("AttributeValue"),
    );
    assert_refused(Operation::BatchGetItem, "RequestItems.a.Keys.0", Type::InnerMap);
    assert_refused(Operation::Query, "Limit", Type::Integer);
    assert_refused(Operation::Query, "QueryFilter", Type::Map("com.amazonaws.dynamodb.v20120810.Condition"));
    assert_refused(Operation::Scan, "TotalSegments", Type::Integer);
    assert_refused(Operation::TransactWriteItems, "TransactItems", Type::List);
    assert_refused(Operation::TransactWriteItems, "TransactItems.0.Put", Type::Field("Put"));
    assert_value_refused(
        Operation::TransactWriteItems,
        "TransactItems.0.Delete.Key.a",
        Type::Element("AttributeValue"),
    );
    assert_refused(Operation::TransactGetItems, "TransactItems.0.Get", Type::Field("Get"));
}

#[test]
fn requests_on_tables() {
    assert_refused(Operation::CreateTable, "KeySchema.0", Type::Element("KeySchemaElement"));
    assert_refused(Operation::CreateTable, "ProvisionedThroughput", Type::Field("ProvisionedThroughput"));
    assert_refused(Operation::CreateTable, "ProvisionedThroughput.WriteCapacityUnits", Type::Long);
    assert_refused(Operation::CreateTable, "LocalSecondaryIndexes.0.Projection.NonKeyAttributes.0", Type::Text);
    assert_refused(
        Operation::UpdateTable,
        "GlobalSecondaryIndexUpdates.0.Update",
        Type::Field("UpdateGlobalSecondaryIndexAction"),
    );
    assert_refused(Operation::ListTables, "Limit", Type::Integer);
    assert_refused(Operation::TagResource, "Tags.0", Type::Element("Tag"));
    assert_refused(Operation::UpdateTimeToLive, "TimeToLiveSpecification.Enabled", Type::Boolean);
}

#[test]
fn numbers_keep_within_their_bits() {
    let limit = |text: &str| {
        let body = format!(r#"{{"Limit": {text}}}"#);
        match Operation::ListTables.shape().check(&Json::parse(body.as_bytes()).unwrap()) {
            Err(ApiError::Serialization { message }) => message.map(|message| message.into_owned()),
            _ => None,
        }
    };
    for text in ["1", "1.9", "-2147483648", "2147483647", "1e2", "0.0"] {
        assert_eq!(limit(text), None);
    }
    for text in ["2147483648", "-2147483649", "1e+99", "99999999999999999999", "1e+999"] {
        assert_eq!(limit(text), Some(format!("Numeric value ({text}) out of range of Integer")));
    }
}

#[test]
fn the_first_fault_of_the_body_is_told() {
    let body = r#"{"ReturnValues": 1, "TableName": true}"#;
    let error = Operation::PutItem.shape().check(&Json::parse(body.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(error, ApiError::serialization("NUMBER_VALUE cannot be converted to String"));
    let body = r#"{"TableName": true, "ReturnValues": 1}"#;
    let error = Operation::PutItem.shape().check(&Json::parse(body.as_bytes()).unwrap()).unwrap_err();
    assert_eq!(error, ApiError::serialization("TRUE_VALUE cannot be converted to String"));
}
