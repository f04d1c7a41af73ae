//! The one source of randomness of a run.
//!
//! # Invariants
//! * Everything follows from the seed; equal calls in equal order give equal results on every
//!   machine: no logarithm of the platform is asked.
//!
//! # Spec
//! docs/ARCHITECTURE.md
//!
//! # Not here
//! What is drawn for what: the modules that draw.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// 2^53: the numbers that a float in `[0, 1)` is drawn from.
const UNIT_STEPS: f64 = 9_007_199_254_740_992.0;

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The generator of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let seed = blake3::derive_key("chainchat-sim/chance/v1", &seed.to_le_bytes());
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A number below `bound`; zero if there is none.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// A number of `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A number of `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / UNIT_STEPS
    }

    /// Whether something happens that happens in so many of a thousand cases.
    pub fn happens(&mut self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// An exponentially distributed number of mean one, by comparing uniform numbers alone (von
    /// Neumann's method): the length of a falling run is odd with probability `exp(-first)`.
    pub fn exponential(&mut self) -> f64 {
        let mut whole = 0.0;
        loop {
            let first = self.unit();
            let (mut last, mut length) = (first, 1u32);
            loop {
                let next = self.unit();
                if next >= last {
                    break;
                }
                last = next;
                length += 1;
            }
            if length % 2 == 1 {
                return whole + first;
            }
            whole += 1.0;
        }
    }

    /// So many bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// One of a list, if it has any.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let index = self.below(list.len() as u64);
        list.get(index as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_numbers_and_other_seeds_others() {
        let draw = |seed| Chance::new(seed).bytes(32);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_exponential_distribution_has_its_mean_and_its_tail() {
        let mut chance = Chance::new(1);
        let draws: Vec<f64> = (0..100_000).map(|_| chance.exponential()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        assert!((0.99..1.01).contains(&mean), "{mean}");
        let late = draws.iter().filter(|draw| **draw > 3.0).count();
        // exp(-3) = 4.98 %.
        assert!((4_750..5_210).contains(&late), "{late}");
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut chance = Chance::new(2);
        for _ in 0..1_000 {
            assert!(chance.below(3) < 3);
            assert!((5..=7).contains(&chance.between(5, 7)));
        }
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
    }
}
