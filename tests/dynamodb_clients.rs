//! Real DynamoDB clients (boto3's client and resource, the aws CLI) work against three nodes, each request at another one.
//!
//! What they do is in `tests/clients`, which can be run by hand against any endpoint. Python, its `venv` and what
//! `tests/clients/requirements.txt` names are needed: where they are missing this fails.

mod cluster;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use cluster::Cluster;

/// The suite takes a minute at most; whoever reaches this hangs.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn real_clients_work_through_all_nodes() {
    let python = Environment::with_requirements().python();
    assert_model_is_that_of(&python);
    let cluster = Cluster::start(3);
    let endpoints: Vec<String> = cluster.nodes.iter().map(|node| format!("http://{}", node.http)).collect();
    let mut suite = Command::new(python);
    suite.arg("-B").arg(clients_folder().join("run.py")).args(["--endpoints", &endpoints.join(",")]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("output");
    let status = run_to_the_end(suite, &output);
    let said = std::fs::read_to_string(&output).unwrap_or_default();
    assert!(status.is_some_and(|status| status.success()), "{said}\nthe suite ended with {status:?}");
    println!("{said}");
    cluster.nodes.iter().for_each(cluster::Node::assert_unharmed);
}

/// The operations and parameters that `dynamodb_compatibility` goes by are those of the botocore that is installed.
fn assert_model_is_that_of(python: &Path) {
    let folder = clients_folder().with_file_name("compatibility");
    let model = folder.join("service_model.json");
    let output = Command::new(python).arg("-B").arg(folder.join("service_model.py")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let written = std::fs::read(&model).expect("tests/compatibility/service_model.json");
    assert!(output.stdout == written, "write {} anew, as service_model.py says", model.display());
}

/// Runs a command that writes what it says into a file; `None` when it had to be stopped.
fn run_to_the_end(mut command: Command, output: &Path) -> Option<ExitStatus> {
    let file = File::create(output).expect("a file");
    command.stdout(file.try_clone().expect("a file")).stderr(file);
    let mut process = command.spawn().expect("it starts");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(status) = process.try_wait().expect("a process that can be asked") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    process.kill().and_then(|()| process.wait()).expect("the process can be stopped");
    None
}

fn clients_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A virtual environment of Python with what the suite requires.
struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The one of the last run where it has the same requirements, else a new one.
    fn with_requirements() -> Self {
        let build = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the folder of the build");
        let environment = Self { folder: build.join("clients-venv") };
        let requirements = clients_folder().join("requirements.txt");
        let wanted = std::fs::read(&requirements).expect("tests/clients/requirements.txt");
        // Written last: where it is, the rest is complete.
        let installed = environment.folder.join("installed-requirements.txt");
        if std::fs::read(&installed).is_ok_and(|found| found == wanted) {
            return environment;
        }
        environment.create();
        let mut install = Command::new(environment.python());
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
        succeed(install, "pip cannot install tests/clients/requirements.txt: is there a network?");
        std::fs::write(&installed, wanted).expect("the environment can be written to");
        environment
    }

    fn create(&self) {
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).expect("the old environment can be removed");
        }
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&self.folder);
        succeed(create, "this test needs python3 (3.11 or newer) with its module venv (Debian's package python3-venv)");
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }
}

/// Runs a command that must succeed. `otherwise` says what to do where it does not.
fn succeed(mut command: Command, otherwise: &str) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{otherwise}\n{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{otherwise}\n{command:?}: {error}"),
    }
}
