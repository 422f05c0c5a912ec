//! `slipring-bench`: puts load on a node and says how fast it answers, and measures what the machine allows at most.
//!
//! ```text
//!   args ─▶ run ── one thread per connection ──▶ worker ◀──▶ socket
//!                                                  │ ▲
//!              pacer: when may the next one go? ◀──┤ ├── requests: what is the next one? what does its answer say?
//!                                                  ▼
//!                                               tally ── merged ──▶ report: table or JSON
//! ```
//!
//! A worker is one thread with one blocking socket: it encodes every request that may go now into one buffer, writes once,
//! reads once, and looks at each answer only as far as it must. No task, channel or timer per request, so that the load
//! program takes as little as possible of the machine that it shares with what it measures.
//!
//! | module | idea |
//! |---|---|
//! | `args`, `checks`, `failure` | the command line, and how the program can end |
//! | `distribution`, `pacer`, `keys` | which key, when, and what was last seen of it |
//! | `requests`, `frames`, `worker`, `tally` | requests out, answers in, what they add up to |
//! | `target`, `route`, `run`, `report` | connecting, which key goes where, running, telling |
//! | `echo`, `ceiling`, `limits` | what the loopback and the disk allow |
//! | `redis`, `etcd`, `peers` | the same load on other stores, for the comparison |
//! | `dynamodb`, `http` | load on the DynamoDB API, of a node or of another server |
//! | `constant` | what HTTP allows |
//! | `cpu` | what it costs the other side |

use std::process::ExitCode;

use clap::Parser;

mod args;
mod ceiling;
mod checks;
mod constant;
mod cpu;
mod distribution;
mod dynamodb;
mod echo;
mod etcd;
mod failure;
mod frames;
mod http;
mod keys;
mod limits;
mod pacer;
mod peers;
mod redis;
mod report;
mod requests;
mod route;
mod run;
mod tally;
mod target;
mod worker;

use args::{Arguments, Command};
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(10),
        Err(failure) => {
            eprintln!("slipring-bench: {failure}");
            failure.exit_code()
        }
    }
}

/// Returns how many requests were not answered with what they asked for.
fn run(arguments: Arguments) -> Result<u64, Failure> {
    match arguments.command {
        None => run::load(&arguments.load),
        Some(Command::Limits(limits)) => limits::run(&limits),
        Some(Command::EchoServer { listen, until_input_ends }) => echo::serve(listen, until_input_ends).map(|()| 0),
        Some(Command::Redis(target)) => redis::run(&target),
        Some(Command::Etcd(target)) => etcd::run(&target),
        Some(Command::Dynamodb(options)) => dynamodb::run(&options),
        Some(Command::ConstantServer { listen, workers, body_bytes, append_to }) => {
            constant::serve(listen, workers, body_bytes, append_to.as_deref()).map(|()| 0)
        }
    }
}
