//! The cookie: the secret that lets processes of the same user talk to the node.
//!
//! # Invariants
//! * New at every start, 0600 on Unix, written beside and renamed into place, so that readers see
//!   a whole one and no link is followed.
//! * Comparison takes the same time for every wrong secret; `Debug` does not show it.
//!
//! # Spec
//! docs/spec/07-rpc.md §1
//!
//! # Not here
//! Where a request carries it: [`crate::access`]. Randomness: the caller's.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use subtle::ConstantTimeEq;

use crate::error::CookieError;

/// Name of the file in the data folder.
pub const FILE_NAME: &str = ".cookie";
/// Name under which it is written.
const NEW_FILE_NAME: &str = ".cookie.new";
/// User name of Basic authorisation, and the beginning of the file.
const USER: &str = "__cookie__";
/// Digits of the secret.
const DIGITS: usize = 64;
/// More bytes than a cookie file has, with spare ones for line ends.
const FILE_BYTES_MAX: u64 = 128;

/// The secret.
#[derive(Clone)]
pub struct Cookie {
    digits: String,
}

impl Cookie {
    /// From 32 fresh random bytes.
    #[must_use]
    pub fn new(random: &[u8; 32]) -> Self {
        Self {
            digits: HEXLOWER.encode(random),
        }
    }

    /// From the 64 digits of a Bearer token.
    #[must_use]
    pub fn from_token(digits: &str) -> Option<Self> {
        let is_hex = digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (digits.len() == DIGITS && is_hex).then(|| Self {
            digits: digits.to_owned(),
        })
    }

    /// Writes `folder/.cookie` and returns its path.
    ///
    /// # Errors
    /// [`CookieError::Link`] if that is a symbolic link; [`CookieError::Io`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, CookieError> {
        let path = folder.join(FILE_NAME);
        let new = folder.join(NEW_FILE_NAME);
        let io = |source| CookieError::Io {
            action: "write",
            path: path.clone(),
            source,
        };
        refuse_link(&path)?;
        remove_if_there(&new).map_err(io)?;
        let mut file = create_private(&new).map_err(io)?;
        file.write_all(format!("{USER}:{}\n", self.digits).as_bytes())
            .map_err(io)?;
        drop(file);
        fs::rename(&new, &path).map_err(io)?;
        Ok(path)
    }

    /// Reads a cookie file.
    ///
    /// # Errors
    /// [`CookieError::Malformed`], [`CookieError::Io`].
    pub fn read(path: &Path) -> Result<Self, CookieError> {
        let io = |source| CookieError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        };
        let mut text = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(FILE_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(io)?;
        std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.trim_end().strip_prefix(USER)?.strip_prefix(':'))
            .and_then(Self::from_token)
            .ok_or_else(|| CookieError::Malformed {
                path: path.to_owned(),
            })
    }

    /// Removes `folder/.cookie` at a clean stop; one that is gone already is no error.
    ///
    /// # Errors
    /// [`CookieError::Io`].
    pub fn remove(folder: &Path) -> Result<(), CookieError> {
        let path = folder.join(FILE_NAME);
        remove_if_there(&path).map_err(|source| CookieError::Io {
            action: "remove",
            path,
            source,
        })
    }

    /// What a client sends as `Authorization`.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.digits)
    }

    /// Whether an `Authorization` header carries this secret: `Bearer <64 digits>` or Basic
    /// `__cookie__:<64 digits>`.
    #[must_use]
    pub fn is_carried_by(&self, authorization: &[u8]) -> bool {
        let Some(space) = authorization.iter().position(|byte| *byte == b' ') else {
            return false;
        };
        let (scheme, rest) = authorization.split_at(space);
        let credentials = rest.trim_ascii();
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            return self.digits.as_bytes().ct_eq(credentials).into();
        }
        if scheme.eq_ignore_ascii_case(b"Basic") {
            let expected = format!("{USER}:{}", self.digits);
            let Ok(found) = BASE64.decode(credentials) else {
                return false;
            };
            return expected.as_bytes().ct_eq(&found).into();
        }
        false
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(secret)")
    }
}

fn refuse_link(path: &Path) -> Result<(), CookieError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_symlink() => Err(CookieError::Link {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Creates a file that only its owner can read; fails if the name exists, even as a link.
fn create_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie() -> Cookie {
        Cookie::new(&[0xab; 32])
    }

    #[test]
    fn the_file_has_the_documented_form_and_is_replaced_at_every_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = cookie().write(folder.path()).expect("written");
        let text = fs::read_to_string(&path).expect("readable");
        assert_eq!(text, format!("__cookie__:{}\n", "ab".repeat(32)));
        let next = Cookie::new(&[1; 32]);
        assert_eq!(next.write(folder.path()).expect("written"), path);
        let read = Cookie::read(&path).expect("a cookie");
        assert_eq!(read.bearer(), next.bearer());
        Cookie::remove(folder.path()).expect("removed");
        Cookie::remove(folder.path()).expect("nothing left to remove");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = cookie().write(folder.path()).expect("written");
        assert_eq!(
            fs::metadata(path).expect("a file").permissions().mode() & 0o777,
            0o600
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_refused_and_its_target_untouched() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("target");
        fs::write(&target, "precious").expect("written");
        std::os::unix::fs::symlink(&target, folder.path().join(FILE_NAME)).expect("linked");
        let refused = cookie().write(folder.path());
        assert!(
            matches!(refused, Err(CookieError::Link { .. })),
            "{refused:?}"
        );
        fs::remove_file(folder.path().join(FILE_NAME)).expect("removed");
        std::os::unix::fs::symlink(&target, folder.path().join(NEW_FILE_NAME)).expect("linked");
        cookie()
            .write(folder.path())
            .expect("the stale link is replaced, not followed");
        assert_eq!(fs::read_to_string(&target).expect("readable"), "precious");
    }

    #[test]
    fn other_files_are_not_cookies() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let upper = format!("__cookie__:{}\n", "AB".repeat(32));
        let long = format!("__cookie__:{}\n", "ab".repeat(99));
        for text in ["", "__cookie__:", "ab", &upper, &long] {
            fs::write(&path, text).expect("written");
            let refused = Cookie::read(&path);
            assert!(
                matches!(refused, Err(CookieError::Malformed { .. })),
                "{text}"
            );
        }
        let missing = Cookie::read(&folder.path().join("missing"));
        assert!(matches!(
            missing,
            Err(CookieError::Io { action: "read", .. })
        ));
    }

    #[test]
    fn both_forms_of_the_header_carry_the_secret_and_nothing_else_does() {
        let digits = "ab".repeat(32);
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
        let carried = [
            format!("Bearer {digits}"),
            format!("bearer  {digits}"),
            basic(&format!("__cookie__:{digits}")),
        ];
        for header in carried {
            assert!(cookie().is_carried_by(header.as_bytes()), "{header}");
        }
        let refused = [
            String::new(),
            digits.clone(),
            "Bearer ".to_owned(),
            format!("Bearer {}", &digits[1..]),
            format!("Bearer {digits}0"),
            format!("Bearer {}", "cd".repeat(32)),
            format!("Token {digits}"),
            basic(&digits),
            basic(&format!("root:{digits}")),
            "Basic !!!".to_owned(),
        ];
        for header in refused {
            assert!(!cookie().is_carried_by(header.as_bytes()), "{header}");
        }
        assert!(!cookie().is_carried_by(&[0xff, b' ', 0xff]));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert_eq!(format!("{:?}", cookie()), "Cookie(secret)");
    }
}
