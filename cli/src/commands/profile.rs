//! Opening a profile: the folder, the password, the clock.
//!
//! # Invariants
//! The system's clock and random generator enter here and are handed on as arguments.
//!
//! # Spec
//! docs/spec/14-commands.md §1
//!
//! # Not here
//! What a session does: `app`.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use app::{Opening, Session};
use chain::Timestamp;
use genesis::Params;
use getrandom::SysRng;
use rand_core::UnwrapErr;
use store::KillPoints;
use zeroize::Zeroizing;

use crate::args::SharedArgs;
use crate::config::folder;
use crate::exit::{Exit, Failure};
use crate::secrets;

/// The system's random generator.
pub(crate) const fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// The system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Opens the profile that the flags name.
pub(crate) fn open(shared: &SharedArgs) -> Result<Session> {
    let password = secrets::password(shared.password_file.as_deref(), "Password")?;
    open_with(shared, &password)
}

/// Opens the profile that the flags name with a password that was asked for before.
pub(crate) fn open_with(shared: &SharedArgs, password: &Zeroizing<String>) -> Result<Session> {
    with_opening(shared, password, |opening| {
        Ok(Session::open(opening, &mut rng())?)
    })
}

/// Hands what a session is opened with to `make`.
pub(crate) fn with_opening(
    shared: &SharedArgs,
    password: &Zeroizing<String>,
    make: impl FnOnce(&Opening<'_>) -> Result<Session>,
) -> Result<Session> {
    let folder = folder(shared, "profile")?;
    let params = Params::of(shared.network);
    let kill_points = match std::env::var(crate::config::KILL_AT_VARIABLE) {
        Ok(text) => KillPoints::parse(&text, shared.network, &store::kill::POINTS)
            .map_err(|error| Failure::error(Exit::Usage, "bad_kill_point", error.to_string()))?,
        Err(_) => KillPoints::none(),
    };
    make(&Opening {
        folder: &folder,
        params: &params,
        password,
        kill_points,
    })
}
