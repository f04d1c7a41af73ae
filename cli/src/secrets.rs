//! Passwords, words, links, keys and texts: from a file, standard input or a prompt; never from arguments or the
//! environment.
//!
//! # Invariants
//! What is read is erased when dropped.
//!
//! # Spec
//! docs/spec/14-commands.md §1
//!
//! # Not here
//! What a password protects: `wallet::keystore`. Files of keys that vote and sign: `node::KeyFile`.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result};
use node::{KeyFile, KeyFileError};
use secp256k1::Keypair;
use zeroize::Zeroizing;

use crate::commands::node::key_file_refusal;
use crate::exit::{Exit, Failure};

/// Longest secret that is read (bytes).
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The first line of `file` (`-` is standard input), or what is typed at a prompt.
pub(crate) fn password(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>> {
    match file {
        Some(file) => first_line(file),
        None => Ok(Zeroizing::new(
            rpassword::prompt_password(format!("{prompt}: ")).context("no terminal to ask on")?,
        )),
    }
}

/// Like [`password`], for a new one: typed twice, and not empty.
pub(crate) fn new_password(file: Option<&Path>) -> Result<Zeroizing<String>> {
    let password = password(file, "New password")?;
    if file.is_none() && *password != *self::password(None, "Again")? {
        return Err(Failure::error(
            Exit::Usage,
            "passwords_differ",
            "the two passwords differ",
        ));
    }
    if password.is_empty() {
        return Err(Failure::error(
            Exit::Usage,
            "empty_password",
            "an empty password protects nothing; choose one",
        ));
    }
    Ok(password)
}

/// The whole text of `file` (`-` is standard input).
pub(crate) fn text(file: &Path) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = reader(file)?
        .take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("{}", file.display()))?;
    if u64::try_from(read).unwrap_or(u64::MAX) > SECRET_BYTES_MAX {
        let detail = format!("{} holds more than 64 KiB", file.display());
        return Err(Failure::error(Exit::Usage, "too_long", detail));
    }
    Ok(text)
}

/// Makes a file that only its owner reads; one that is there stays as it is.
pub(crate) fn new_private_file(file: &Path) -> Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let reason = if exists { "file_exists" } else { "bad_file" };
        let detail = format!("{}: {error}", file.display());
        Failure::error(Exit::Usage, reason, detail)
    })
}

/// A key that votes or signs checkpoints; erased when dropped.
pub(crate) struct SigningKey(Keypair);

impl SigningKey {
    /// For signatures; a copy must be erased by who makes it.
    pub(crate) fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// The key in `file`, which a node would take, too. A node may hold it meanwhile.
pub(crate) fn signing_key(file: &Path) -> Result<SigningKey> {
    KeyFile::read(file).map(SigningKey).map_err(|error| {
        let (exit, reason) = match &error {
            KeyFileError::NotAKey { .. } => (Exit::Usage, "bad_key_file"),
            KeyFileError::Missing { .. } => (Exit::Usage, "bad_file"),
            other => key_file_refusal(other),
        };
        Failure::error(exit, reason, error.to_string())
    })
}

fn first_line(file: &Path) -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    reader(file)?.take(SECRET_BYTES_MAX).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

fn reader(file: &Path) -> Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(std::io::BufReader::new(std::io::stdin())));
    }
    let opened = std::fs::File::open(file).with_context(|| format!("{}", file.display()))?;
    Ok(Box::new(std::io::BufReader::new(opened)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "correct horse \r\nsecond line\n").expect("written");
        assert_eq!(*password(Some(&file), "").expect("read"), "correct horse ");
        std::fs::write(&file, "\n").expect("written");
        assert!(
            new_password(Some(&file)).is_err(),
            "an empty password is refused"
        );
    }

    fn reason(read: Result<SigningKey>) -> Option<(Exit, &'static str)> {
        let error = read.err()?;
        let failure = error.downcast_ref::<Failure>()?;
        Some((failure.exit, failure.reason))
    }

    #[test]
    fn a_key_file_is_what_a_node_takes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let good = "0b".repeat(32);
        for (text, is_key) in [
            (good.clone(), true),
            (format!(" {good}\r\n"), true),
            (good.to_uppercase(), true),
            (format!("{good}\r\nmore"), false),
            (String::new(), false),
            (good[1..].to_owned(), false),
            (format!("{good}0"), false),
            ("00".repeat(32), false),
            ("ff".repeat(32), false),
        ] {
            let _ = std::fs::remove_file(&file);
            let mut made = new_private_file(&file).expect("a fresh file");
            std::io::Write::write_all(&mut made, text.as_bytes()).expect("written");
            drop(made);
            assert_eq!(KeyFile::open(&file).is_ok(), is_key, "{text:?}");
            let refused = (!is_key).then_some((Exit::Usage, "bad_key_file"));
            assert_eq!(reason(signing_key(&file)), refused, "{text:?}");
        }
        let missing = signing_key(&folder.path().join("nowhere"));
        assert_eq!(reason(missing), Some((Exit::Usage, "bad_file")));
    }

    #[cfg(unix)]
    #[test]
    fn an_exposed_key_is_refused_in_the_words_of_a_node() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let public = KeyFile::create(&file, &[0x0b; 32]).expect("a fresh file");
        // A node holds it meanwhile.
        let held = KeyFile::open(&file).expect("free");
        let read = signing_key(&file).expect("a key file");
        assert_eq!(chain::PublicKey::from(read.keypair()), public);
        drop(held);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("ours");
        let words = KeyFile::open(&file).map(|_| ()).expect_err("it is exposed");
        let refused = signing_key(&file).err().expect("it is exposed");
        assert_eq!(refused.to_string(), words.to_string());
        let reason = reason(Err(refused));
        assert_eq!(reason, Some((Exit::Folder, "key_exposed")));
    }
}
