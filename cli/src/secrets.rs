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
//! What a password protects: `wallet::keystore`.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::{Context, Result};
use rpc::types::Hex;
use secp256k1::Keypair;
use zeroize::Zeroizing;

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

/// The key in `file`: 64 lower-case hexadecimal digits on its first line.
pub(crate) fn signing_key(file: &Path) -> Result<SigningKey> {
    let bad = |reason, detail: String| {
        let detail = format!("{}: {detail}", file.display());
        Failure::error(Exit::Usage, reason, detail)
    };
    if !file.is_file() {
        return Err(bad("bad_file", "there is no such file".to_owned()));
    }
    warn_if_others_read(file);
    let line = first_line(file)?;
    let no_key = || {
        bad(
            "bad_key_file",
            "holds no key: 64 hexadecimal digits".to_owned(),
        )
    };
    let Hex(secret) = line.parse::<Hex<[u8; 32]>>().map_err(|_| no_key())?;
    let secret = Zeroizing::new(secret);
    let keypair = Keypair::from_secret_bytes(*secret).map_err(|_| no_key())?;
    Ok(SigningKey(keypair))
}

#[cfg(unix)]
fn warn_if_others_read(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).map_or(0, |found| found.permissions().mode());
    if mode & 0o077 != 0 {
        let file = file.display();
        crate::output::warn(&format!("others may read {file}; `chmod 600` it"));
    }
}

#[cfg(not(unix))]
fn warn_if_others_read(_: &Path) {}

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

    #[test]
    fn a_key_is_64_digits_and_a_point_of_the_curve() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        let good = "0b".repeat(32);
        for (text, is_key) in [
            (good.clone(), true),
            (format!("{good}\r\nmore"), true),
            (String::new(), false),
            (good[1..].to_owned(), false),
            (format!("{good}0"), false),
            (format!(" {good}"), false),
            (good.to_uppercase(), false),
            ("00".repeat(32), false),
            ("ff".repeat(32), false),
        ] {
            std::fs::write(&file, &text).expect("written");
            assert_eq!(signing_key(&file).is_ok(), is_key, "{text:?}");
        }
        assert!(signing_key(&folder.path().join("nowhere")).is_err());
    }
}
