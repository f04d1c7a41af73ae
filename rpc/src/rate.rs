//! How often an address may call the public listener: token buckets in a bounded table.
//!
//! # Invariants
//! * The table never has more than [`limits::PUBLIC_ADDRESSES_MAX`] rows.
//! * An IPv6 caller is its /64: a household has that many addresses.
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
const PER_TOKEN: u64 = 1000;
const FULL: u64 = limits::PUBLIC_TOKENS_BURST as u64 * PER_TOKEN;

/// Tokens left of every recent caller.
#[derive(Debug, Default)]
pub(crate) struct RateTable(BTreeMap<IpAddr, Bucket>);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at_ms: u64,
}

impl Bucket {
    fn left_at(self, now_ms: u64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        let back = passed_ms.saturating_mul(u64::from(limits::PUBLIC_TOKENS_PER_SECOND));
        self.left.saturating_add(back).min(FULL)
    }
}

/// The caller has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// This long (ms).
    pub(crate) wait_ms: u64,
}

impl RateTable {
    /// Takes `tokens` from the bucket of `address`.
    pub(crate) fn take(&mut self, address: IpAddr, tokens: u32, now_ms: u64) -> Result<(), Wait> {
        let caller = caller(address);
        if !self.0.contains_key(&caller) {
            self.make_room(now_ms);
        }
        let bucket = self.0.entry(caller).or_insert(Bucket {
            left: FULL,
            at_ms: now_ms,
        });
        let left = bucket.left_at(now_ms);
        let price = u64::from(tokens) * PER_TOKEN;
        let missing = price.saturating_sub(left);
        *bucket = Bucket {
            left: if missing == 0 { left - price } else { left },
            at_ms: now_ms,
        };
        if missing == 0 {
            return Ok(());
        }
        Err(Wait {
            wait_ms: missing.div_ceil(u64::from(limits::PUBLIC_TOKENS_PER_SECOND)),
        })
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
