//! Opening a data directory: what is made, what is refused, and what is left alone.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{DataDirectory, OpenError, StateFile};

const VALID: &str = "format_version = 1\nnode = \"a\"\ndirectory = \"1f\"\nepoch = \"0000000500000001\"\n";

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        std::fs::write(folder.path().join(name), contents).unwrap();
    }
    folder
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_new_directory_is_private_and_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("var/lib/node");
    let directory = DataDirectory::open(&root, "a").unwrap();
    assert!(directory.fresh());
    assert_eq!(directory.epoch() >> 32, 1);
    assert_eq!(directory.engine_path(), root.join("engine"));
    let mode = std::fs::metadata(&root).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(names_in(&root), ["IDENTITY", "LOCK"].map(String::from).into());
}

#[test]
fn identity_stays_and_every_open_has_a_new_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let first = DataDirectory::open(folder.path(), "a").unwrap();
    let (directory_id, mut epoch) = (first.directory_id(), first.epoch());
    drop(first);
    for life in 2..5 {
        let opened = DataDirectory::open(folder.path(), "a").unwrap();
        assert!(!opened.fresh());
        assert_eq!(opened.directory_id(), directory_id);
        assert!(opened.epoch() > epoch);
        assert_eq!(opened.epoch() >> 32, life);
        epoch = opened.epoch();
        let on_disk = std::fs::read_to_string(folder.path().join("IDENTITY")).unwrap();
        assert!(on_disk.contains(&format!("{epoch:016x}")), "durable before it is used");
    }
}

#[test]
fn a_directory_restored_from_a_copy_does_not_repeat_an_epoch() {
    let folder = folder_with(&[("IDENTITY", VALID)]);
    let epochs: BTreeSet<_> = (0..8)
        .map(|_| {
            std::fs::write(folder.path().join("IDENTITY"), VALID).unwrap();
            DataDirectory::open(folder.path(), "a").unwrap().epoch()
        })
        .collect();
    assert_eq!(epochs.len(), 8);
    assert!(epochs.iter().all(|epoch| epoch >> 32 == 6));
}

#[test]
fn two_directories_of_one_node_differ() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = [&one, &two].map(|f| DataDirectory::open(f.path(), "a").unwrap().directory_id());
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn the_lock_is_held_until_the_directory_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let held = DataDirectory::open(folder.path(), "a").unwrap();
    let error = DataDirectory::open(folder.path(), "a").unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    drop(held);
    assert!(DataDirectory::open(folder.path(), "a").is_ok());
}

/// Which file lies in the folder, and what the refusal says.
#[test]
fn what_is_not_ours_or_not_readable_is_refused_and_left_alone() {
    let valid_with = |from: &str, to: &str| VALID.replace(from, to);
    let newer = "format_version = 2\nshape = 3\n".to_owned();
    let no_number = "is damaged (directory is not";
    let cases = [
        ("photo.jpg", String::new(), "is not empty and not a data directory"),
        ("engine", String::new(), "is not empty and not a data directory"),
        ("IDENTITY", valid_with("\"a\"", "\"b\""), "belongs to node \"b\""),
        ("IDENTITY", newer, "has format 2, this release reads up to 1"),
        ("IDENTITY", String::new(), "is damaged"),
        ("IDENTITY", VALID[..40].to_owned(), "is damaged"),
        ("IDENTITY", valid_with("1f", "xyz"), no_number),
        ("IDENTITY", valid_with("00000005", "ffffffff"), "is damaged (its epoch"),
    ];
    for (name, contents, message) in cases {
        let folder = folder_with(&[(name, &contents)]);
        let error = DataDirectory::open(folder.path(), "a").unwrap_err().to_string();
        assert!(error.contains(message), "{name} {contents}: {error}");
        let path = folder.path().display().to_string();
        assert!(error.starts_with(&path), "{name} {contents}: {error}");
        let left = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(left, contents);
        if name != "IDENTITY" {
            assert_eq!(names_in(folder.path()).len(), 1, "{name}: nothing may be added");
        }
    }
}

#[test]
fn a_file_in_the_way_is_named() {
    let folder = folder_with(&[("file", "x")]);
    for path in [folder.path().join("file"), folder.path().join("file/below")] {
        let error = DataDirectory::open(&path, "a").unwrap_err();
        assert!(matches!(error, OpenError::NotADirectory { .. }), "{error}");
    }
}

#[test]
fn a_first_open_that_was_interrupted_can_be_repeated() {
    let folder = folder_with(&[("LOCK", ""), ("IDENTITY.tmp", "half a li")]);
    std::fs::create_dir(folder.path().join("lost+found")).unwrap();
    assert!(DataDirectory::open(folder.path(), "a").unwrap().fresh());
}

#[test]
fn system_errors_become_the_cause_an_operator_can_act_on() {
    let from = |kind: std::io::ErrorKind| OpenError::from_io(PathBuf::from("/x"), kind.into());
    assert!(matches!(from(std::io::ErrorKind::ReadOnlyFilesystem), OpenError::ReadOnly { .. }));
    assert!(matches!(from(std::io::ErrorKind::PermissionDenied), OpenError::PermissionDenied { .. }));
    assert!(matches!(from(std::io::ErrorKind::StorageFull), OpenError::Io { .. }));
}

#[test]
fn state_files_come_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let directory = DataDirectory::open(folder.path(), "a").unwrap();
        assert_eq!(directory.read_file(StateFile::Cluster).unwrap(), None);
        directory.write_file(StateFile::Cluster, b"one").unwrap();
        directory.write_file(StateFile::Cluster, b"two").unwrap();
    }
    let directory = DataDirectory::open(folder.path(), "a").unwrap();
    assert_eq!(directory.read_file(StateFile::Cluster).unwrap().unwrap(), b"two");
}
