//! The lines of earlier sessions, in a file that only its owner can read: lines hold keys and items.

use std::env;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use reedline::{FileBackedHistory, History};

/// How many lines are kept.
const LINES_MAX: usize = 2_000;

/// Opens the history. A session without one works as well, so that the caller may ignore the error.
pub(super) fn open() -> io::Result<Box<dyn History>> {
    let path = path().ok_or(io::ErrorKind::NotFound)?;
    prepare(&path)?;
    let history = FileBackedHistory::with_file(LINES_MAX, path).map_err(io::Error::other)?;
    Ok(Box::new(history))
}

/// `$XDG_STATE_HOME/slipring/admin_history`, by default in `~/.local/state` (XDG Base Directory Specification 0.8).
fn path() -> Option<PathBuf> {
    let absolute = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("slipring").join("admin_history"))
}

fn prepare(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        let file = options.mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    options.open(path)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::prepare;

    #[test]
    fn only_the_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/admin_history");
        prepare(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
