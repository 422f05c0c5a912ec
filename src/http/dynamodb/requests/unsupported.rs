//! Parameters that promise what this server does not have: to drop them in silence would be worse than to refuse the request.
//!
//! What only tunes the service's prices and speed (`WarmThroughput`, `OnDemandThroughput`) is dropped.

use crate::http::dynamodb::error::ApiError;
use crate::http::dynamodb::json::Json;
use crate::http::dynamodb::operation::Operation;

/// Who may do what, copies in other regions, indexes over vectors.
const CREATE: &[&str] =
    &["ResourcePolicy", "GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "VectorIndexes"];

const UPDATE: &[&str] = &[
    "ReplicaUpdates",
    "MultiRegionConsistency",
    "GlobalTableWitnessUpdates",
    "GlobalTableSettingsReplicationMode",
    "VectorIndexUpdates",
];

/// Checks a body whose types are right.
///
/// # Errors
///
/// [`ApiError::Validation`] for the first such parameter.
pub(super) fn check(operation: Operation, body: &Json<'_>) -> Result<(), ApiError> {
    let names = match operation {
        Operation::CreateTable => CREATE,
        Operation::UpdateTable => UPDATE,
        _ => return Ok(()),
    };
    match names.iter().find(|name| body.get(name).is_some()) {
        Some(name) => {
            Err(ApiError::validation(format!("{name} is not supported by this server: leave the parameter out")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use crate::http::dynamodb::error::ApiError;
    use crate::http::dynamodb::operation::Operation;

    fn update(parameter: &str) -> Result<Request, ApiError> {
        let body = format!("{{\"TableName\": \"orders\", {parameter}}}");
        Request::read(Operation::UpdateTable, body.as_bytes())
    }

    #[test]
    fn what_would_be_dropped_in_silence_is_refused() {
        let words = "ReplicaUpdates is not supported by this server: leave the parameter out";
        let refused = update("\"ReplicaUpdates\": [{\"Create\": {\"RegionName\": \"eu-west-1\"}}]");
        assert_eq!(refused, Err(ApiError::validation(words)));
        assert!(update("\"ReplicaUpdates\": null").is_ok());
        assert!(update("\"WarmThroughput\": {\"ReadUnitsPerSecond\": 5}").is_ok());
    }
}
