//! What differs between networks, in one struct.
//!
//! # Invariants
//! [`Params::check`] holds for every network; a test and every start assert it.
//!
//! # Spec
//! docs/spec/05-networks.md
//!
//! # Not here
//! The values: `main.rs`, `test.rs`, `dev.rs`, `regtest.rs`.

use std::collections::BTreeMap;

use chain::units::{CheckpointNumber, CompactTarget, RateEpoch, Term};
use chain::{Amount, Block, BlockId, Body, ChainId, Header, Height, Network, Timestamp};

use crate::activation::Activation;
use crate::law;

/// Proof of work of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pow {
    /// Equi-X solution and blake3 target.
    EquiX,
    /// blake3 target alone, the solution zero: a rule of regtest, so that tests are cheap.
    Blake3,
}

/// How targets follow the rate of solutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retarget {
    /// Relative ASERT with this ideal time per solution and this half-life.
    Asert {
        /// Ideal time per solution, T.
        solution_ms: u64,
        /// A lag of this much halves or doubles the target, HL.
        half_life_ms: u64,
    },
    /// The start target for ever.
    Constant,
}

/// Whether envelopes without any authorisation are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeEnvelopes {
    /// Small ones are: regtest only, to measure admission by signature alone.
    Allowed,
    /// They are not.
    Refused,
}

/// Everything that differs between networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Which network.
    pub network: Network,
    /// Proof of work.
    pub pow: Pow,
    /// Difficulty.
    pub retarget: Retarget,
    /// Targets of blocks 1 and 2.
    pub target_start: CompactTarget,
    /// Highest target.
    pub target_max: CompactTarget,
    /// A block may be this far ahead of the local clock; further ones are parked.
    pub future_limit_ms: u64,
    /// Blocks in a term (committees, rosters, body limit), TERM.
    pub term_blocks: u64,
    /// Seats of height h follow from block h - LOOKBACK.
    pub lookback_blocks: u64,
    /// Blocks between checkpoints, E.
    pub checkpoint_blocks: u64,
    /// Smallest bond.
    pub bond_min: Amount,
    /// Collateral of a masternode.
    pub masternode_collateral: Amount,
    /// Fewest members of a roster.
    pub roster_members_min: u32,
    /// Smallest share of the supply that a roster's collateral must have (percent).
    pub roster_share_min_percent: u32,
    /// Blocks between the release of a bond and its payment.
    pub unbond_blocks: u64,
    /// Blocks in a rate epoch: prices and envelope windows.
    pub rate_epoch_blocks: u64,
    /// Blocks after a rate epoch in which its envelopes are still accepted.
    pub rate_grace_blocks: u64,
    /// Smallest effort of a stamp.
    pub stamp_effort_min: u32,
    /// Share of the body limit that stamped envelopes and records may fill (percent).
    pub stamp_share_percent: u64,
    /// Whether envelopes without authorisation are valid.
    pub free_envelopes: FreeEnvelopes,
    /// From which heights the kinds of transactions are valid.
    pub active_from: Activation,
    /// Time of the genesis block.
    pub genesis_time: Timestamp,
    /// Blocks that the chain passes through: those that a release names, and what the operator was
    /// told by somebody he trusts. They end what old keys could rewrite; they make no block valid.
    pub trusted: BTreeMap<Height, BlockId>,
}

/// A relation between constants that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameters of {network} break the relation: {relation}")]
pub struct ParamsError {
    /// The network.
    pub network: Network,
    /// The relation in words.
    pub relation: &'static str,
}

impl Params {
    /// The parameters of `network`.
    #[must_use]
    pub fn of(network: Network) -> Self {
        match network {
            Network::Main => crate::main::params(),
            Network::Test => crate::test::params(),
            Network::Dev => crate::dev::params(),
            Network::Regtest => crate::regtest::params(),
        }
    }

    /// The first block: no proof of work, no content, nothing minted.
    #[must_use]
    pub fn genesis(&self) -> Block {
        let body = Body::default();
        let header = Header {
            version: law::HEADER_VERSION,
            time: self.genesis_time,
            target: self.target_start,
            tx_root: body.tx_root(),
            envelope_root: chain::merkle::root([]),
            aux_root: body.aux.root(),
            ..Header::default()
        };
        Block { header, body }
    }

    /// Id of the first block.
    #[must_use]
    pub fn genesis_id(&self) -> BlockId {
        self.genesis().id()
    }

    /// Names the chain in every signed message.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        ChainId::from(self.genesis_id())
    }

    /// The term that `height` lies in; saturates after 4 billion terms.
    #[must_use]
    pub fn term(&self, height: Height) -> Term {
        let term = height.get().checked_div(self.term_blocks);
        Term::new(u32::try_from(term.unwrap_or_default()).unwrap_or(u32::MAX))
    }

    /// First height of a term.
    #[must_use]
    pub fn term_start(&self, term: Term) -> Height {
        Height::new(u64::from(term.get()).saturating_mul(self.term_blocks))
    }

    /// The checkpoint at `height`, if there is one.
    #[must_use]
    pub fn checkpoint_at(&self, height: Height) -> Option<CheckpointNumber> {
        let is_checkpoint = height.get().checked_rem(self.checkpoint_blocks) == Some(0);
        let number = height.get().checked_div(self.checkpoint_blocks)?;
        let number = u32::try_from(number).ok()?;
        is_checkpoint.then_some(CheckpointNumber::new(number))
    }

    /// Height of a checkpoint's block.
    #[must_use]
    pub fn checkpoint_height(&self, number: CheckpointNumber) -> Height {
        Height::new(u64::from(number.get()).saturating_mul(self.checkpoint_blocks))
    }

    /// Checkpoints in a term.
    #[must_use]
    pub fn term_checkpoints(&self) -> u32 {
        let count = self.term_blocks.checked_div(self.checkpoint_blocks);
        u32::try_from(count.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    /// The rate epoch that `height` lies in; saturates after 4 billion epochs.
    #[must_use]
    pub fn rate_epoch(&self, height: Height) -> RateEpoch {
        let epoch = height
            .get()
            .checked_div(self.rate_epoch_blocks)
            .unwrap_or_default();
        RateEpoch::new(u32::try_from(epoch).unwrap_or(u32::MAX))
    }

    /// First height of a rate epoch.
    #[must_use]
    pub fn rate_epoch_start(&self, epoch: RateEpoch) -> Height {
        Height::new(u64::from(epoch.get()).saturating_mul(self.rate_epoch_blocks))
    }

    /// Whether a block at `height` may include an envelope of `epoch`: in the epoch itself and in
    /// the first blocks after it.
    #[must_use]
    pub fn accepts_epoch(&self, height: Height, epoch: RateEpoch) -> bool {
        let start = self.rate_epoch_start(epoch).get();
        let end = start
            .saturating_add(self.rate_epoch_blocks)
            .saturating_add(self.rate_grace_blocks);
        (start..end).contains(&height.get())
    }

    /// Whether the constants fit each other.
    ///
    /// # Errors
    /// The first relation that does not hold.
    pub fn check(&self) -> Result<(), ParamsError> {
        let relations = [
            (
                self.checkpoint_blocks > 0
                    && self.term_blocks.checked_rem(self.checkpoint_blocks) == Some(0),
                "TERM is a multiple of E",
            ),
            (
                self.checkpoint_blocks <= 4,
                "E <= 4, so that a block mints less than three times its emission",
            ),
            (
                self.checkpoint_blocks.saturating_mul(law::FINALITY_WINDOW)
                    <= self.term_blocks.saturating_mul(2),
                "a finality window spans at most two boundaries",
            ),
            (self.bond_min > Amount::ZERO, "a bond holds coins"),
            (
                self.masternode_collateral > Amount::ZERO,
                "a masternode holds coins",
            ),
            (self.lookback_blocks < self.term_blocks, "LOOKBACK < TERM"),
            (
                self.term_blocks > 9,
                "TERM > 9, the booking distance of seats",
            ),
            (
                self.unbond_blocks >= self.term_blocks.saturating_mul(3),
                "UNBOND >= 3 TERM",
            ),
            (self.rate_epoch_blocks > 0, "a rate epoch has blocks"),
            (
                self.rate_grace_blocks < self.rate_epoch_blocks,
                "the grace is shorter than the rate epoch",
            ),
            (self.stamp_effort_min > 0, "a stamp costs work"),
            (self.stamp_share_percent <= 100, "a share is at most 100 %"),
            (
                self.roster_share_min_percent <= 100,
                "a share is at most 100 %",
            ),
            (
                match self.retarget {
                    Retarget::Asert {
                        solution_ms,
                        half_life_ms,
                    } => {
                        // x = dt - T*dn must stay above -HL for dn <= 3, so that n is -1 or 0.
                        solution_ms > 0 && solution_ms.saturating_mul(3) < half_life_ms
                    }
                    Retarget::Constant => true,
                },
                "three solution times are shorter than the half-life",
            ),
        ];
        match relations.into_iter().find(|(holds, _)| !holds) {
            Some((_, relation)) => Err(ParamsError {
                network: self.network,
                relation,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_satisfies_the_relations() {
        for network in Network::ALL {
            assert_eq!(Params::of(network).check(), Ok(()));
            assert_eq!(Params::of(network).network, network);
        }
    }

    #[test]
    fn a_broken_relation_is_named() {
        let broken = Params {
            unbond_blocks: 1,
            ..Params::of(Network::Main)
        };
        let error = broken.check().expect_err("UNBOND is too short");
        assert_eq!(error.relation, "UNBOND >= 3 TERM");
    }

    #[test]
    fn chain_ids_are_frozen_and_different() {
        let ids: Vec<String> = Network::ALL
            .into_iter()
            .map(|network| Params::of(network).chain_id().to_string())
            .collect();
        assert_eq!(
            ids,
            include_str!("chain_ids.txt").lines().collect::<Vec<_>>()
        );
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }

    #[test]
    fn an_envelope_window_is_its_epoch_and_the_grace() {
        let main = Params::of(Network::Main);
        let epoch = RateEpoch::new(2);
        let accepted = |height| main.accepts_epoch(Height::new(height), epoch);
        assert_eq!(
            [599, 600, 899, 900, 959, 960].map(accepted),
            [false, true, true, true, true, false]
        );
        assert_eq!(main.rate_epoch(Height::new(899)), epoch);
        assert_eq!(main.rate_epoch_start(epoch), Height::new(600));
    }
}
