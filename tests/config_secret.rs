//! A secret file is used only if it is there, private to its owner and long enough.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use slipring::config::{Config, ConfigError};
use tempfile::TempDir;

/// A folder with a secret, and the configuration that names it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn secret(&self) -> PathBuf {
        self.0.path().join("secret")
    }

    fn write(&self, content: impl AsRef<[u8]>, mode: u32) {
        fs::write(self.secret(), content).expect("a file in it");
        fs::set_permissions(self.secret(), Permissions::from_mode(mode)).expect("its mode");
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let file = self.0.path().join("node.toml");
        let path = self.secret();
        let toml = format!("[cluster]\nsecret_file = \"{}\"\n", path.display());
        fs::write(&file, toml).expect("a file in it");
        Config::load(Some(&file), &Default::default())
    }

    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        let said = self.load().expect_err(reason).to_string();
        let said = said.replace(&format!("{}/", self.0.path().display()), "");
        assert_eq!(said, format!("node.toml:2: cluster.secret_file = \"secret\" {reason}"));
    }
}

#[test]
fn private_secret_is_read_without_its_line_ending() {
    let folder = Folder::new();
    for content in ["0123456789abcdef", "0123456789abcdef\n", "0123456789abcdef\r\n"] {
        folder.write(content, 0o600);
        let secret = folder.load().unwrap().secret().unwrap().unwrap();
        assert_eq!(secret.as_bytes(), b"0123456789abcdef");
        assert_eq!(format!("{secret:?}"), "Secret(16 bytes)");
    }
    folder.write([b'x'; 4096], 0o400);
    assert!(folder.load().is_ok());
}

#[test]
fn secret_that_others_can_read_is_refused() {
    let folder = Folder::new();
    for mode in [0o640, 0o604, 0o644] {
        folder.write("0123456789abcdef", mode);
        folder.assert_refused(&format!(
            "can be read by other users (mode {mode:04o}): run chmod 600 on it, and replace the secret if it leaked"
        ));
    }
}

#[test]
fn secret_of_the_wrong_length_is_refused() {
    let folder = Folder::new();
    folder.write("0123456789abcde\r\n", 0o600);
    folder.assert_refused("holds 15 bytes: must be 16..=4096, not counting a line ending");
    for content in [[b'x'; 4098].as_slice(), &[b'x'; 4097]] {
        folder.write(content, 0o600);
        folder.assert_refused("holds more than 4096 bytes: must be 16..=4096");
    }
}

#[test]
fn secret_that_is_no_file_is_refused() {
    let folder = Folder::new();
    folder.assert_refused("cannot be read: No such file or directory (os error 2)");
    fs::create_dir(folder.secret()).unwrap();
    folder.assert_refused("is not a regular file");
}
