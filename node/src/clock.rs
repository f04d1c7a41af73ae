//! The node's clock: the system's, shifted on private networks.
//!
//! # Invariants
//! * Time before 1970 or after the year 584 million reads as the nearest representable one.
//! * The shift is zero on main and test: their start refuses any other.
//!
//! # Spec
//! docs/spec/14-commands.md §4
//!
//! # Not here
//! What consensus thinks of time: `consensus::header`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chain::Timestamp;

/// A clock; clones share their shift.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The system's time plus `offset_ms`.
    #[must_use]
    pub fn shifted(offset_ms: i64) -> Self {
        Self {
            offset_ms: Arc::new(AtomicI64::new(offset_ms)),
        }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let offset_ms = self.offset_ms.load(Ordering::Relaxed);
        Timestamp::new(system_ms().saturating_add_signed(offset_ms))
    }

    /// Makes this moment `time`; the clock runs on from there.
    pub fn set(&self, time: Timestamp) {
        let offset_ms = i128::from(time.get()) - i128::from(system_ms());
        let clamped = offset_ms.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        self.offset_ms.store(
            i64::try_from(clamped).unwrap_or_default(),
            Ordering::Relaxed,
        );
    }
}

fn system_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_runs_on_from_there_and_is_shared() {
        let clock = Clock::default();
        let twin = clock.clone();
        let future = Timestamp::new(4_300_000_000_000);
        clock.set(future);
        assert!(twin.now() >= future);
        assert!(twin.now().get() < future.get() + 60_000);
    }

    #[test]
    fn extreme_shifts_saturate() {
        assert_eq!(Clock::shifted(i64::MIN).now(), Timestamp::new(0));
        assert!(Clock::shifted(i64::MAX).now().get() > i64::MAX as u64);
    }
}
