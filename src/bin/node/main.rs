//! `slipring-node`: one member of a cluster, or a whole cluster on this machine for trying things out.

mod playground;
mod process;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use slipring::config::{Config, LogFormat, environment};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a wrong argument or configuration, as for the other programs.
const USAGE: u8 = 2;

/// One member of a Slipring cluster. Without arguments: a cluster of one, with its data in ./slipring-data.
#[derive(Parser)]
#[command(name = "slipring-node", version, about)]
struct Arguments {
    /// The configuration file; without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration, print what is in effect, and exit.
    #[arg(long)]
    check: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster on this machine: one process per node, stopped together by Ctrl-C.
    Playground(playground::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Playground(arguments)) = &arguments.command {
        return playground::run(arguments);
    }
    let config = match Config::load(arguments.config.as_deref(), &environment()) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("slipring-node: the configuration is not valid; nothing was started\n{problems}");
            return ExitCode::from(USAGE);
        }
    };
    if arguments.check {
        print!("{}", config.to_toml());
        return ExitCode::SUCCESS;
    }
    if let Err(error) = start_log(&config) {
        eprintln!("slipring-node: log.filter: {error}");
        return ExitCode::from(USAGE);
    }
    match process::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Everything that is logged goes to standard error; a panic too, before it ends the process.
fn start_log(config: &Config) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter: EnvFilter = config.log.filter.parse()?;
    // Colours are for people: in a file they would stand between a field's name and its value.
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match config.log.format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_target(false).init(),
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a defect in the program: the process ends")));
    Ok(())
}
