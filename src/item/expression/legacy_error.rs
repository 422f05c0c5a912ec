//! Why the parameters that expressions replaced are refused, in DynamoDB's words.

use super::key_condition::KeyConditionError;
use super::legacy::ComparisonOperator;

/// Why an old parameter is refused. Nothing was read or stored. Correct the request, or use an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LegacyError {
    /// More or fewer values than the operator takes.
    #[error(
        "One or more parameter values were invalid: Invalid number of argument(s) for the {} \
         ComparisonOperator", .operator.name()
    )]
    ValueCount {
        /// The operator.
        operator: ComparisonOperator,
    },
    /// A value of a type that the operator does not take.
    #[error(
        "One or more parameter values were invalid: ComparisonOperator {} is not valid for {found} AttributeValue type",
        .operator.name()
    )]
    ValueType {
        /// The operator.
        operator: ComparisonOperator,
        /// The name of the type.
        found: &'static str,
    },
    /// Values of different types.
    #[error(
        "One or more parameter values were invalid: AttributeValues inside AttributeValueList must be of same type"
    )]
    MixedTypes,
    /// The lower bound of a BETWEEN is above the upper one.
    #[error("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")]
    BoundOrder,
    /// Both ways of giving values are used.
    #[error(
        "One or more parameter values were invalid: Value and AttributeValueList cannot be used together for \
         Attribute: {attribute}"
    )]
    ValueAndList {
        /// The attribute.
        attribute: String,
    },
    /// Both ways of saying what is expected are used.
    #[error(
        "One or more parameter values were invalid: Exists and ComparisonOperator cannot be used together for \
         Attribute: {attribute}"
    )]
    ExistsAndOperator {
        /// The attribute.
        attribute: String,
    },
    /// An operator has nothing to compare with.
    #[error(
        "One or more parameter values were invalid: Value or AttributeValueList must be used with \
         ComparisonOperator: {} \
         for Attribute: {attribute}", .operator.name()
    )]
    NoValues {
        /// The operator.
        operator: ComparisonOperator,
        /// The attribute.
        attribute: String,
    },
    /// Values are given without an operator.
    #[error(
        "One or more parameter values were invalid: AttributeValueList can only be used with a \
         ComparisonOperator for Attribute: {attribute}"
    )]
    ListWithoutOperator {
        /// The attribute.
        attribute: String,
    },
    /// An attribute should exist and it is not said with which value.
    #[error(
        "One or more parameter values were invalid: Value must be provided when Exists is {} for Attribute: \
         {attribute}",
        exists_text(*.exists)
    )]
    ExistsWithoutValue {
        /// What was said: nothing means true.
        exists: Option<bool>,
        /// The attribute.
        attribute: String,
    },
    /// An attribute should not exist and have a value.
    #[error(
        "One or more parameter values were invalid: Value cannot be used when Exists is false for Attribute: \
         {attribute}"
    )]
    ValueOfNothing {
        /// The attribute.
        attribute: String,
    },
    /// `ConditionalOperator` has no conditions.
    #[error("ConditionalOperator cannot be used without Filter or Expected")]
    NothingToJoin,
    /// `ConditionalOperator` has one condition.
    #[error("ConditionalOperator can only be used when Filter or Expected has two or more elements")]
    OneToJoin,
    /// A PUT or ADD has no value.
    #[error(
        "One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified"
    )]
    UpdateWithoutValue,
    /// An ADD has a value that cannot be added.
    #[error("One or more parameter values were invalid: ADD action is not supported for the type {found}")]
    CannotAdd {
        /// The name of its type.
        found: &'static str,
    },
    /// A DELETE has a value that is not a set.
    #[error(
        "One or more parameter values were invalid: DELETE action with value is not supported for the type {found}"
    )]
    CannotDelete {
        /// The name of its type.
        found: &'static str,
    },
    /// An attribute is asked for twice.
    #[error("One or more parameter values were invalid: Duplicate value in attribute name: {attribute}")]
    DuplicateAttribute {
        /// The attribute.
        attribute: String,
    },
    /// The key conditions are not those of a key.
    #[error(transparent)]
    Key(#[from] KeyConditionError),
}

fn exists_text(exists: Option<bool>) -> &'static str {
    match exists {
        None => "null",
        Some(true) => "true",
        Some(false) => "false",
    }
}
