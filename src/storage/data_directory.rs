//! The folder that one node owns.
//!
//! ```text
//! LOCK       locked for as long as the node runs
//! IDENTITY   format, node, directory id, epoch of the current life
//! CLUSTER    other state files, see StateFile
//! engine/    the engine's own
//! ```
//!
//! The order matters: look before touching (a directory that is not ours stays as it is), lock before
//! reading, and write the new epoch before anyone can use it. Between `claim` and `begin` the owner reads
//! what the directory says; a start that is refused there has changed nothing in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::atomic_file::{TEMPORARY_SUFFIX, sync_directory};
use super::identity::{Identity, next_epoch};
use super::{OpenError, StateFileError, atomic_write};

const LOCK: &str = "LOCK";
const IDENTITY: &str = "IDENTITY";
const ENGINE: &str = "engine";

/// What a file system puts into an empty directory by itself.
const LOST_AND_FOUND: &str = "lost+found";

/// A small file of the node's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFile {
    /// The cluster as this node last knew it.
    Cluster,
}

impl StateFile {
    const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "CLUSTER",
        }
    }
}

/// An open data directory. The lock is held until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    root: PathBuf,
    identity: Identity,
    fresh: bool,
    /// Holds the lock by being open.
    _lock: File,
}

/// A data directory that this process has locked, and in which it has not begun a life yet. Nothing in it has changed.
#[derive(Debug)]
pub struct ClaimedDirectory {
    root: PathBuf,
    /// As the last life left it, or newly drawn.
    identity: Identity,
    fresh: bool,
    lock: File,
}

impl ClaimedDirectory {
    /// The directory's id; see [`DataDirectory::directory_id`].
    #[must_use]
    pub const fn directory_id(&self) -> u64 {
        self.identity.directory
    }

    /// The contents of a state file, or `None` if it was never written.
    ///
    /// # Errors
    ///
    /// [`StateFileError::Read`].
    pub fn read_file(&self, name: StateFile) -> Result<Option<Vec<u8>>, StateFileError> {
        read_state_file(&self.root, name)
    }

    /// Starts a new epoch.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn begin(mut self) -> Result<DataDirectory, OpenError> {
        self.identity.epoch = mint_epoch(&self.root, self.identity.epoch)?;
        let path = self.root.join(IDENTITY);
        atomic_write(&path, self.identity.encode().as_bytes()).map_err(|source| OpenError::from_io(path, source))?;
        Ok(DataDirectory { root: self.root, identity: self.identity, fresh: self.fresh, _lock: self.lock })
    }
}

impl DataDirectory {
    /// Opens the data directory of `node_name`, or creates it (mode 0700), and starts a new epoch.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; a directory that is refused is left as it was.
    pub fn open(path: impl AsRef<Path>, node_name: &str) -> Result<Self, OpenError> {
        Self::claim(path, node_name)?.begin()
    }

    /// Locks the data directory of `node_name`, or creates it (mode 0700), and reads whose it is.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; a directory that is refused is left as it was.
    pub fn claim(path: impl AsRef<Path>, node_name: &str) -> Result<ClaimedDirectory, OpenError> {
        let root = path.as_ref().to_path_buf();
        let io_error = |source| OpenError::from_io(root.clone(), source);
        create_directory(&root).map_err(io_error)?;
        refuse_if_not_ours(&root)?;
        let lock = take_lock(&root)?;

        let stored = read_identity(&root)?;
        let fresh = stored.is_none();
        let identity = match stored {
            Some(identity) => identity,
            None => Identity::new(node_name, random(&root, getrandom::u64)?),
        };
        if identity.node != node_name {
            return Err(OpenError::OtherNode { path: root, found: identity.node, expected: node_name.to_owned() });
        }
        Ok(ClaimedDirectory { root, identity, fresh, lock })
    }

    /// A random number that tells this directory from every other, also one of the same node.
    #[must_use]
    pub const fn directory_id(&self) -> u64 {
        self.identity.directory
    }

    /// The number of this life of the node: larger than all before, and never used twice even when
    /// the directory has been restored from an older copy.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.identity.epoch
    }

    /// The folder for the engine. It exists once an engine has been opened in it.
    #[must_use]
    pub fn engine_path(&self) -> PathBuf {
        self.root.join(ENGINE)
    }

    /// Whether this open has created it: the node has no data yet.
    #[must_use]
    pub const fn fresh(&self) -> bool {
        self.fresh
    }

    /// Replaces a state file durably.
    ///
    /// # Errors
    ///
    /// [`StateFileError::Write`]; the file then has its old or its new contents.
    pub fn write_file(&self, name: StateFile, bytes: &[u8]) -> Result<(), StateFileError> {
        let path = self.root.join(name.name());
        atomic_write(&path, bytes).map_err(|source| StateFileError::Write { path, source })
    }

    /// The contents of a state file, or `None` if it was never written.
    ///
    /// # Errors
    ///
    /// [`StateFileError::Read`].
    pub fn read_file(&self, name: StateFile) -> Result<Option<Vec<u8>>, StateFileError> {
        read_state_file(&self.root, name)
    }
}

fn read_state_file(root: &Path, name: StateFile) -> Result<Option<Vec<u8>>, StateFileError> {
    let path = root.join(name.name());
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateFileError::Read { path, source }),
    }
}

fn create_directory(root: &Path) -> io::Result<()> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let parent = root.parent().unwrap_or(Path::new(""));
    if !parent.as_os_str().is_empty() {
        std::fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(root)?;
    sync_directory(parent)
}

/// A directory without identity is ours only if nothing is in it but what an interrupted first open
/// leaves behind.
fn refuse_if_not_ours(root: &Path) -> Result<(), OpenError> {
    let io_error = |source| OpenError::from_io(root.to_path_buf(), source);
    let identity_temporary = format!("{IDENTITY}{TEMPORARY_SUFFIX}");
    let mut foreign = Vec::new();
    for entry in std::fs::read_dir(root).map_err(io_error)? {
        let name = entry.map_err(io_error)?.file_name();
        if name == IDENTITY {
            return Ok(());
        }
        if name != LOCK && name != LOST_AND_FOUND && name != *identity_temporary {
            foreign.push(name.to_string_lossy().into_owned());
        }
    }
    match foreign.into_iter().min() {
        None => Ok(()),
        Some(found) => Err(OpenError::NotOurs { path: root.to_path_buf(), found }),
    }
}

fn take_lock(root: &Path) -> Result<File, OpenError> {
    let path = root.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|source| OpenError::from_io(path.clone(), source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: root.to_path_buf() }),
        Err(TryLockError::Error(source)) => Err(OpenError::from_io(path, source)),
    }
}

fn read_identity(root: &Path) -> Result<Option<Identity>, OpenError> {
    let path = root.join(IDENTITY);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OpenError::from_io(path, source)),
    };
    match std::str::from_utf8(&bytes) {
        Ok(text) => Identity::decode(root, &path, text).map(Some),
        Err(_) => Err(OpenError::CorruptIdentity { path, reason: "not UTF-8".to_owned() }),
    }
}

fn mint_epoch(root: &Path, last: u64) -> Result<u64, OpenError> {
    next_epoch(last, random(root, getrandom::u32)?).ok_or_else(|| OpenError::CorruptIdentity {
        path: root.join(IDENTITY),
        reason: "its epoch is the last possible one".to_owned(),
    })
}

fn random<T>(root: &Path, draw: impl FnOnce() -> Result<T, getrandom::Error>) -> Result<T, OpenError> {
    draw().map_err(|error| OpenError::Io { path: root.to_path_buf(), source: io::Error::other(error.to_string()) })
}
