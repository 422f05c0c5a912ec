//! LAYER 2. Bytes to messages and back: frames, the numbered operations, the handshake, and the pumps that move them.
//!
//! ```text
//!   connection   magic | version | Hello -> <- Welcome | Proof -> <- Ready | frames in both directions
//!   frame        length | kind | operation | id | MessagePack
//! ```

pub mod frame;
pub mod handshake;
pub mod operation;
pub mod outbox;
pub mod transport;
