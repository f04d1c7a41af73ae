//! How often an address may call the public listener: token buckets in a bounded table.
//!
//! # Invariants
//! * The table never has more than [`limits::PUBLIC_ADDRESSES_MAX`] rows.
//! * An IPv6 caller is its /64: a household has that many addresses.
//! * Who has spent more than there was waits until it has come back; a debt is at most a bucket.
//! * Time comes in as an argument and may stand still, never run backwards.
//!
//! # Spec
//! docs/spec/07-rpc.md §6
//!
//! # Not here
//! Caps on connections: [`crate::connection`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::limits;

/// Fractions of a token, so that one comes back in steps of a millisecond.
const PER_TOKEN: i64 = 1000;
const FULL: i64 = limits::PUBLIC_TOKENS_BURST as i64 * PER_TOKEN;
const PER_MS: i64 = limits::PUBLIC_TOKENS_PER_SECOND as i64;

/// Tokens left of every recent caller.
#[derive(Debug, Default)]
pub(crate) struct RateTable(BTreeMap<IpAddr, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: i64,
    at_ms: u64,
}

impl Bucket {
    fn left_at(self, now_ms: u64) -> i64 {
        let passed_ms = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        self.left
            .saturating_add(passed_ms.saturating_mul(PER_MS))
            .min(FULL)
    }
}

/// The caller has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// This long (ms).
    pub(crate) wait_ms: u64,
}

impl RateTable {
    /// Takes `tokens` from the bucket of `address`, if they are there.
    pub(crate) fn take(&mut self, address: IpAddr, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        let bucket = self.bucket(address, now_ms);
        let missing = i64::from(tokens) * PER_TOKEN - bucket.left;
        if missing > 0 {
            let wait_ms = missing.unsigned_abs().div_ceil(PER_MS.unsigned_abs());
            return Err(Wait { wait_ms });
        }
        bucket.left = -missing;
        Ok(())
    }

    /// Takes `tokens` from the bucket of `address` for what it has got already.
    pub(crate) fn spend(&mut self, address: IpAddr, tokens: u32, now_ms: u64) {
        let bucket = self.bucket(address, now_ms);
        bucket.left = (bucket.left - i64::from(tokens) * PER_TOKEN).max(-FULL);
    }

    fn bucket(&mut self, address: IpAddr, now_ms: u64) -> &mut Bucket {
        let caller = caller(address);
        if !self.0.contains_key(&caller) {
            self.make_room(now_ms);
        }
        let bucket = self.0.entry(caller).or_insert(Bucket {
            left: FULL,
            at_ms: now_ms,
        });
        *bucket = Bucket {
            left: bucket.left_at(now_ms),
            at_ms: now_ms,
        };
        bucket
    }

    /// Forgets callers whose bucket is full again; if there are none, the one that has used least.
    fn make_room(&mut self, now_ms: u64) {
        if self.0.len() < limits::PUBLIC_ADDRESSES_MAX {
            return;
        }
        self.0.retain(|_, bucket| bucket.left_at(now_ms) < FULL);
        if self.0.len() >= limits::PUBLIC_ADDRESSES_MAX {
            let fullest = self
                .0
                .iter()
                .max_by_key(|(_, bucket)| bucket.left_at(now_ms));
            if let Some(caller) = fullest.map(|(caller, _)| *caller) {
                self.0.remove(&caller);
            }
        }
    }
}

/// What counts as one caller.
pub(crate) fn caller(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_burst_is_served_and_then_the_rate() {
        let mut table = RateTable::default();
        for _ in 0..limits::PUBLIC_TOKENS_BURST {
            assert_eq!(table.take(v4(1), 1, 0), Ok(()));
        }
        let wait_ms = 1000 / u64::from(limits::PUBLIC_TOKENS_PER_SECOND);
        assert_eq!(table.take(v4(1), 1, 0), Err(Wait { wait_ms }));
        assert_eq!(table.take(v4(2), 1, 0), Ok(()), "others are not affected");
        assert_eq!(table.take(v4(1), 1, wait_ms - 1), Err(Wait { wait_ms: 1 }));
        assert_eq!(table.take(v4(1), 1, wait_ms), Ok(()));
        assert_eq!(
            table.take(v4(1), 10, wait_ms),
            Err(Wait {
                wait_ms: 10 * wait_ms
            })
        );
    }

    #[test]
    fn what_was_spent_beyond_the_bucket_is_waited_for() {
        let mut table = RateTable::default();
        table.spend(v4(1), limits::PUBLIC_TOKENS_BURST + 20, 0);
        let wait_ms = 21_000 / u64::from(limits::PUBLIC_TOKENS_PER_SECOND);
        assert_eq!(table.take(v4(1), 1, 0), Err(Wait { wait_ms }));
        assert_eq!(table.take(v4(1), 1, wait_ms), Ok(()));
        table.spend(v4(2), u32::MAX, 0);
        let most_ms = 1000 * u64::from(limits::PUBLIC_TOKENS_BURST + 1) / 20;
        assert_eq!(table.take(v4(2), 1, 0), Err(Wait { wait_ms: most_ms }));
    }

    #[test]
    fn mapped_and_neighbouring_addresses_are_one_caller() {
        assert_eq!(
            caller("::ffff:10.0.0.1".parse().expect("ip")),
            v4(0x0a00_0001)
        );
        let of = |text: &str| caller(text.parse().expect("ip"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_busiest() {
        let mut table = RateTable::default();
        let most = u32::try_from(limits::PUBLIC_ADDRESSES_MAX).expect("small");
        assert_eq!(table.take(v4(0), limits::PUBLIC_TOKENS_BURST, 0), Ok(()));
        for number in 1..2 * most {
            assert_eq!(table.take(v4(number), 2, 0), Ok(()));
        }
        assert_eq!(table.0.len(), limits::PUBLIC_ADDRESSES_MAX);
        assert!(
            table.take(v4(0), 1, 0).is_err(),
            "an exhausted caller is not forgotten"
        );
        assert_eq!(table.take(v4(u32::MAX), 1, 60_000), Ok(()));
        assert_eq!(table.0.len(), 1, "full buckets are forgotten first");
    }
}
