//! LAYER 4. The admin program: commands, their answers, and the session they are typed in.
//!
//! ```text
//!   arguments, or a line ── parse ──▶ Command ── run ──▶ Answer { output, notes, exit } or Failure
//!                                        │                  └ View: text or JSON from one value
//!                                     Session ── Link ──▶ a node
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `command`, `help_texts` | the commands, their arguments and examples |
//! | `words`, `json_text`, `parse` | a typed line, and what is wrong with it |
//! | `usage`, `failure`, `exit` | why something was not done, and the exit code of each reason |
//! | `link`, `session` | the connection that renews itself, and what commands share |
//! | `run` | each command's story |
//! | `import`, `export`, `rename`, `retry` | tables in and out, through failures of nodes |
//! | `tombstones` | what is left of deleted items, and why |
//! | `tables` | tables: list, describe, create, alter, drop; who decides about them |
//! | `top` | which keys, partitions and nodes are asked for most |
//! | `repair` | anti-entropy: how it stands, run, pause, resume |
//! | `answer`, `view` | what is shown, as text or JSON |
//! | `program`, `repl` | one command, a script, or a session with history and completion |

pub mod answer;
pub mod command;
pub mod exit;
mod export;
pub mod failure;
mod help_texts;
pub mod import;
pub mod json_text;
mod link;
mod members;
pub mod parse;
mod program;
pub mod rename;
mod repair;
mod repl;
mod retry;
mod run;
mod session;
mod tables;
mod tasks;
mod top;
pub mod usage;
pub mod view;
pub mod words;

pub use program::program;
pub use run::with_key;
