//! The name of a member.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name, in bytes: that of a DNS label, so that a name can be a host name too.
pub const NODE_ID_MAX_BYTES: usize = 63;

/// The name of a member, unique in its cluster: 1 to 63 characters of `a-z`, `0-9` and `-`.
///
/// A clone shares the text. The order is that of the bytes, the same on every node.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(Arc<str>);

/// Why a text is no [`NodeId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeIdError {
    /// The text is empty.
    #[error("a node name must not be empty")]
    Empty,
    /// The text is longer than [`NODE_ID_MAX_BYTES`].
    #[error("a node name has at most {max_bytes} characters, this one has {bytes} bytes")]
    TooLong {
        /// The length that was given, in bytes.
        bytes: usize,
        /// The greatest length allowed, in bytes.
        max_bytes: usize,
    },
    /// A character is none of `a-z`, `0-9` and `-`.
    #[error("a node name consists of a-z, 0-9 and '-', not {found:?} (at byte {at_byte})")]
    Character {
        /// The first offending character.
        found: char,
        /// Where it stands, in bytes from the start.
        at_byte: usize,
    },
}

impl NodeId {
    /// Takes the name if it is one.
    pub fn new(name: &str) -> Result<Self, NodeIdError> {
        if name.is_empty() {
            return Err(NodeIdError::Empty);
        }
        if name.len() > NODE_ID_MAX_BYTES {
            return Err(NodeIdError::TooLong { bytes: name.len(), max_bytes: NODE_ID_MAX_BYTES });
        }
        let stranger = name.char_indices().find(|(_, c)| !matches!(c, 'a'..='z' | '0'..='9' | '-'));
        match stranger {
            Some((at_byte, found)) => Err(NodeIdError::Character { found, at_byte }),
            None => Ok(Self(Arc::from(name))),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for NodeId {
    type Error = NodeIdError;

    fn try_from(name: String) -> Result<Self, NodeIdError> {
        Self::new(&name)
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl std::str::FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(name: &str) -> Result<Self, NodeIdError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_of_the_alphabet_is_taken_and_survives_serde(name in "[a-z0-9-]{1,63}") {
            let id = NodeId::new(&name).unwrap();
            prop_assert_eq!(id.as_str(), &name);
            prop_assert_eq!(id.to_string(), name.clone());
            prop_assert_eq!(format!("{id:?}"), name.clone());
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(&json, &format!("\"{name}\""));
            prop_assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id.clone());
            let packed = rmp_serde::to_vec(&id).unwrap();
            prop_assert_eq!(rmp_serde::from_slice::<NodeId>(&packed).unwrap(), id);
        }

        #[test]
        fn a_text_is_taken_exactly_if_it_keeps_the_rule(text in "\\PC{0,80}") {
            let keeps = (1..=63).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            prop_assert_eq!(NodeId::new(&text).is_ok(), keeps);
        }
    }

    #[test]
    fn each_refusal_says_what_is_wrong() {
        assert_eq!(NodeId::new(""), Err(NodeIdError::Empty));
        assert_eq!(NodeId::new(&"a".repeat(64)), Err(NodeIdError::TooLong { bytes: 64, max_bytes: 63 }));
        assert_eq!(NodeId::new("node_1"), Err(NodeIdError::Character { found: '_', at_byte: 4 }));
    }

    #[test]
    fn a_bad_name_does_not_come_in_through_serde() {
        assert!(serde_json::from_str::<NodeId>("\"Node A\"").is_err());
        assert!(serde_json::from_str::<NodeId>("\"\"").is_err());
    }
}
