//! A cluster on this machine: one process per node, with the ports and folders that the documentation uses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use super::process::stop_signal;

const FIRST_BRIDGE_PORT: u16 = 7400;
const FIRST_HTTP_PORT: u16 = 8000;

/// Nodes have letters for names.
const NODES_MAX: u16 = 26;

/// A playground that does not serve by then has failed.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Arguments {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=26))]
    nodes: u16,
    /// Start one more node of a playground that runs: it waits to be joined
    #[arg(long, conflicts_with = "nodes")]
    add: bool,
    /// Where their data goes; it is there again at the next start.
    #[arg(long, default_value = "./slipring-data/playground", value_name = "DIR")]
    dir: PathBuf,
}

/// Starts the nodes, says how to reach them, and stops them all on Ctrl-C or when one ends.
pub fn run(arguments: &Arguments) -> ExitCode {
    let (numbers, belongs) = match arguments.add {
        true => {
            let Some(number) = (0..NODES_MAX).find(|number| !arguments.dir.join(name(*number)).exists()) else {
                eprintln!(
                    "slipring-node playground: there are {NODES_MAX} nodes in {} already",
                    arguments.dir.display()
                );
                return ExitCode::FAILURE;
            };
            (number..number + 1, ("SLIPRING__CLUSTER__SEEDS", addresses(0..number)))
        }
        false => (0..arguments.nodes, ("SLIPRING__CLUSTER__FOUNDERS", addresses(0..arguments.nodes))),
    };
    let mut nodes = Vec::new();
    for number in numbers {
        match start(number, &arguments.dir, &belongs) {
            Ok(child) => nodes.push(Node { number, child }),
            Err(error) => {
                eprintln!("slipring-node playground: node {} does not start: {error}", name(number));
                return ExitCode::FAILURE;
            }
        }
    }
    if arguments.add {
        greet_one_more(&nodes);
    } else if let Err(reason) = wait_until_ready(&mut nodes) {
        eprintln!("slipring-node playground: {reason}; its log is in {}", arguments.dir.display());
        return ExitCode::FAILURE;
    }
    if !arguments.add {
        greet(arguments, &nodes);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("slipring-node playground: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = stop_signal() => ExitCode::SUCCESS,
            code = watch(&mut nodes) => code,
        }
    })
}

/// A child process that is stopped with its owner.
struct Node {
    number: u16,
    child: Child,
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended already cannot be told to; that does no harm.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

/// The bridge addresses of these nodes, as a list in TOML.
fn addresses(numbers: std::ops::Range<u16>) -> String {
    let quoted: Vec<String> = numbers.map(|number| format!("{:?}", bridge(number))).collect();
    format!("[{}]", quoted.join(", "))
}

fn start(number: u16, dir: &Path, (key, value): &(&str, String)) -> std::io::Result<Child> {
    let folder = dir.join(name(number));
    std::fs::create_dir_all(dir)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.with_extension("log"))?;
    Command::new(std::env::current_exe()?)
        .env("SLIPRING__NODE__NAME", name(number))
        .env("SLIPRING__NODE__DATA_DIR", format!("{:?}", folder.display().to_string()))
        .env("SLIPRING__NODE__WORKERS", "1")
        .env("SLIPRING__CLUSTER__NAME", "playground")
        .env(key, value)
        .env("SLIPRING__BRIDGE__LISTEN", bridge(number))
        .env("SLIPRING__HTTP__LISTEN", http(number))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}

fn wait_until_ready(nodes: &mut [Node]) -> Result<(), String> {
    let begun = Instant::now();
    while !(0..nodes.len()).all(|at| is_ready(&http(nodes[at].number))) {
        for node in nodes.iter_mut() {
            if let Ok(Some(status)) = node.child.try_wait() {
                return Err(format!("node {} has ended ({status})", name(node.number)));
            }
        }
        if begun.elapsed() > READY_TIMEOUT {
            return Err(format!("the nodes do not serve after {} s", READY_TIMEOUT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Asks `/health`, in as little HTTP as there is.
fn is_ready(address: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let ask = || -> std::io::Result<bool> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

fn greet_one_more(nodes: &[Node]) {
    for Node { number, child } in nodes {
        println!(
            "node {} waits to be joined   bridge {}   http://{}   pid {}\n",
            name(*number),
            bridge(*number),
            http(*number),
            child.id()
        );
        println!("join it:          slipring-admin --connect {} cluster join {}", bridge(0), bridge(*number));
        println!("let it happen:    slipring-admin --connect {} cluster commit", bridge(0));
        println!("watch:            slipring-admin --connect {} watch 1 tasks", bridge(0));
        println!("stop:             Ctrl-C; `playground --nodes {}` starts it with the others", number + 1);
    }
}

fn greet(arguments: &Arguments, nodes: &[Node]) {
    println!("a cluster of {} node(s) is serving; its data is in {}\n", arguments.nodes, arguments.dir.display());
    for Node { number, child } in nodes {
        println!("  {}   bridge {}   http://{}   pid {}", name(*number), bridge(*number), http(*number), child.id());
    }
    println!("\nattach the admin REPL:  slipring-admin --connect {}", bridge(0));
    println!("  (from a checkout:     cargo run --release --bin slipring-admin -- --connect {})", bridge(0));
    if let Some(last) = nodes.last() {
        println!("lose a node:            kill -9 {}", last.child.id());
    }
    println!("stop:                   Ctrl-C");
}

/// Returns when every node has ended. One that ends alone is reported; the others go on, as they should.
async fn watch(nodes: &mut Vec<Node>) -> ExitCode {
    let mut clean = true;
    while !nodes.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        nodes.retain_mut(|node| match node.child.try_wait() {
            Ok(Some(status)) => {
                clean &= status.success();
                let name = name(node.number);
                let next = match status.success() {
                    true => "it was stopped, or has left the cluster",
                    false => "it is back when the playground is started again",
                };
                println!("node {name} has ended ({status}): {next}");
                false
            }
            _ => true,
        });
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn name(number: u16) -> String {
    char::from_u32(u32::from(b'a') + u32::from(number)).unwrap_or('z').to_string()
}

fn bridge(number: u16) -> String {
    format!("127.0.0.1:{}", FIRST_BRIDGE_PORT + number)
}

fn http(number: u16) -> String {
    format!("127.0.0.1:{}", FIRST_HTTP_PORT + number)
}
