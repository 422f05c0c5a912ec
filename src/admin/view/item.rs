//! `get`, `put` and `delete`.

use serde::Serialize;
use serde_json::Value;

use super::units::{duration, utc};
use crate::admin::answer::{Paint, View};
use crate::dynamo::siblings::Version;
use crate::item::{CodecError, Item, item_to_json};
use crate::messages::client::{GetReply, PutReply};

/// A key's visible versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ItemView {
    /// The versions' items; more than one are siblings.
    pub siblings: Vec<SiblingView>,
    /// For the next write of this key.
    pub context: String,
}

/// One version. Its JSON is the item alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SiblingView {
    /// The item in plain JSON.
    pub item: Value,
    /// The write's name.
    #[serde(skip)]
    pub dot: String,
    /// When it was written, ms since the Unix epoch, by the clock of the replica that took it.
    #[serde(skip)]
    pub written_at_ms: u64,
    /// In how many seconds it expires.
    #[serde(skip)]
    pub expires_in_s: Option<u64>,
}

impl ItemView {
    /// What a `get` has found, at `now_ms`.
    ///
    /// # Errors
    ///
    /// The bytes of a version are not an item.
    pub fn new(reply: &GetReply, now_ms: u64) -> Result<Self, CodecError> {
        let siblings = reply.versions.iter().map(|version| SiblingView::new(version, now_ms));
        Ok(Self { siblings: siblings.collect::<Result<_, _>>()?, context: reply.context.to_string() })
    }
}

impl SiblingView {
    fn new(version: &Version, now_ms: u64) -> Result<Self, CodecError> {
        let item = Item::from_bytes(version.value.as_deref().unwrap_or_default())?;
        Ok(Self {
            item: item_to_json(&item),
            dot: version.dot.to_string(),
            written_at_ms: version.dot.time.unix_ms(),
            expires_in_s: version.expires_at_ms.map(|expiry| expiry.saturating_sub(now_ms).div_ceil(1000)),
        })
    }
}

impl View for ItemView {
    fn text(&self, _: Paint) -> String {
        let mut text = String::new();
        for (at, sibling) in self.siblings.iter().enumerate() {
            if self.siblings.len() > 1 {
                text += &format!("sibling {} of {}, ", at + 1, self.siblings.len());
            }
            text += &format!("{}, written {}", sibling.dot, utc(sibling.written_at_ms));
            if let Some(seconds) = sibling.expires_in_s {
                text += &format!(", expires in {}", duration(seconds));
            }
            text += &format!("\n{:#}\n", sibling.item);
        }
        text + &format!("context {}\n", self.context)
    }
}

/// A write that W replicas hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenView {
    /// For the next write of this key.
    pub context: String,
    /// How many versions the key holds now, this write included.
    pub siblings: u32,
}

impl From<PutReply> for WrittenView {
    fn from(reply: PutReply) -> Self {
        Self { context: reply.context.to_string(), siblings: reply.siblings }
    }
}

impl View for WrittenView {
    fn text(&self, _: Paint) -> String {
        let siblings = if self.siblings > 1 { format!(", {} siblings", self.siblings) } else { String::new() };
        format!("ok{siblings}\ncontext {}\n", self.context)
    }
}
