//! Slipring: a Dynamo-style database on actix actors. Imports go downward only; `tests/layers.rs` keeps this table true.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | [`dynamo`] | the paper as values: ring, preference list, versions, siblings, quorum |
//! | 0 | [`consensus`] | a replicated log as values |
//! | 0 | [`item`] | the data model as values: attribute values, keys, schemas, JSON |
//! | 0 | [`metadata`] | what the whole cluster agrees on, as a value |
//! | 1 | [`messages`] | what actors say to each other, one file per conversation |
//! | 2 | [`storage`] | the `Storage` trait, the embedded engine, the disk that simulation crashes |
//! | 2 | [`wire`] | frames, operations, handshake: bytes to messages and back |
//! | 2 | [`config`] | `node.toml` as a typed, validated value |
//! | 2 | [`metrics`] | what a process counts |
//! | 3 | [`actors`] | the actors and the one file that wires them |
//! | 4 | [`client`] | the Rust client |
//! | 4 | [`admin`] | the admin program: commands, session, import and export |
//! | 4 | [`http`] | the DynamoDB API, the KV API, `/health` and `/metrics` |
//! | 4 | [`sim`] | whole clusters in virtual time: network, disks, faults, clients, checkers |

pub mod actors;
pub mod admin;
pub mod client;
pub mod config;
pub mod consensus;
pub mod dynamo;
pub mod http;
pub mod item;
pub mod messages;
pub mod metadata;
pub mod metrics;
pub mod sim;
pub mod storage;
pub mod wire;
