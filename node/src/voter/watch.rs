//! The watch over a key: listening before the first signature, and ending for good when somebody
//! else signs with it.
//!
//! # Invariants
//! * Blocks are counted while they are followed live, each height once: history that is fetched
//!   and reorgs do not shorten the time of listening, and a chain that stands still does not end it.
//! * A voter's silence is heard only where its key had a seat: a key without seats listens on.
//! * What was signed for heights up to the floor may be an earlier life's work: it is not taken for
//!   somebody else's, and is not signed again either.
//! * From [`Stage::Stopped`] there is no way back in this run.
//!
//! # Spec
//! docs/spec/17-stake.md §4
//!
//! # Not here
//! What is signed: [`super`].

use std::fmt;

use chain::Height;
use chain::units::CheckpointNumber;
use genesis::Params;

/// Checkpoints of listening before the first signature.
const LISTENING_CHECKPOINTS: u64 = 2;
/// Heights with a seat of its key that a voter lets pass: another one with the key would have voted
/// for them, unless it missed three in a row.
const LISTENING_SEATS: u64 = 3;

/// How a block, or a vote, reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Just after it was made, while we stood at the tip.
    Live,
    /// As history.
    Late,
}

/// What a voter or a signer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits whether somebody else signs with its key.
    Listening {
        /// Blocks that have still to be followed live; with none left, a voter waits for seats.
        blocks_left: u64,
    },
    /// It signs.
    Active,
    /// It signs nothing more in this run.
    Stopped(StopReason),
}

/// Why a key signs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody else votes with it.
    SecondVoter {
        /// Height of the vote that was not ours.
        height: Height,
    },
    /// Somebody else signs checkpoints with it.
    SecondSigner {
        /// The checkpoint that we did not sign.
        target: CheckpointNumber,
    },
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecondVoter { height } => write!(
                f,
                "a second voter with this key is running: it voted for height {height}"
            ),
            Self::SecondSigner { target } => write!(
                f,
                "a second signer with this key is running: it signed checkpoint {target}"
            ),
        }
    }
}

/// Whether the key that is watched has a seat for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seating {
    /// It has, and whoever voted for the block with it, we would know.
    Seated,
    /// It has none, or its silence would tell nothing.
    Unseated,
}

/// How long is listened before the first signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Blocks that are followed live.
    blocks: u64,
    /// Heights with a seat of the key that pass meanwhile or later.
    seats: u64,
    /// Heights with a seat that pass after all that. They differ between two voters that started
    /// together: the later one hears the vote of the earlier.
    seats_after: u64,
    /// From the first seat on, so many blocks are enough: with few seats, silence costs too many.
    blocks_max: u64,
    /// Whether the key had a seat since.
    is_seated: bool,
}

impl Patience {
    /// For two checkpoints' blocks, whatever happens in them.
    pub(super) const fn of_signer(checkpoint_blocks: u64) -> Self {
        Self {
            blocks: checkpoint_blocks.saturating_mul(LISTENING_CHECKPOINTS),
            seats: 0,
            seats_after: 0,
            blocks_max: u64::MAX,
            is_seated: false,
        }
    }

    /// For as many blocks, and for seats; `draw` differs from start to start.
    pub(crate) fn of_voter(params: &Params, draw: u64) -> Self {
        let every = params.checkpoint_blocks;
        let seats_after = draw
            .checked_rem(every.saturating_add(1))
            .unwrap_or_default();
        Self {
            seats: LISTENING_SEATS,
            seats_after,
            blocks_max: params.term_blocks.saturating_add(seats_after),
            ..Self::of_signer(every)
        }
    }

    /// One more block passed; says whether it was enough.
    fn spend(&mut self, seating: Seating) -> bool {
        let is_base_over = self.blocks == 0 && self.seats == 0;
        self.blocks = self.blocks.saturating_sub(1);
        let is_seated = seating == Seating::Seated;
        if is_seated && is_base_over {
            self.seats_after = self.seats_after.saturating_sub(1);
        } else if is_seated {
            self.seats = self.seats.saturating_sub(1);
        }
        self.is_seated |= is_seated;
        if self.is_seated {
            self.blocks_max = self.blocks_max.saturating_sub(1);
        }
        let is_heard_out = self.seats == 0 && self.seats_after == 0;
        self.blocks == 0 && (is_heard_out || self.blocks_max == 0)
    }
}

/// Where the watch stands.
#[derive(Debug)]
pub(super) struct Watch {
    stage: Stage,
    /// What is left of it while listening.
    patience: Patience,
    /// What was signed up to here may be an earlier life's.
    earlier: Option<Height>,
    /// Nothing is signed up to here.
    floor: Option<Height>,
    /// Highest block that was counted, or was here before.
    top: Height,
}

impl Default for Watch {
    /// Before it begins, nothing is signed.
    fn default() -> Self {
        let never = Patience {
            blocks: u64::MAX,
            ..Patience::of_signer(0)
        };
        Self {
            earlier: None,
            floor: None,
            ..Self::begin(Height::new(0), never)
        }
    }
}

impl Watch {
    /// Listens from this tip on.
    pub(super) fn begin(tip: Height, patience: Patience) -> Self {
        Self {
            stage: Stage::Listening {
                blocks_left: patience.blocks,
            },
            patience,
            earlier: Some(tip),
            floor: Some(tip),
            top: tip,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Nothing is signed for this height or below.
    pub(super) fn floor(&self) -> Option<Height> {
        self.floor
    }

    /// A block of history was connected.
    pub(super) fn late_block(&mut self, height: Height) {
        if self.is_listening() {
            self.earlier = self.earlier.max(Some(height));
            self.floor = self.floor.max(Some(height));
            self.top = self.top.max(height);
        }
    }

    /// A block was connected just after it was made.
    pub(super) fn live_block(&mut self, height: Height, seating: Seating) {
        if !self.is_listening() || height <= self.top {
            return;
        }
        self.top = height;
        if self.patience.spend(seating) {
            self.stage = Stage::Active;
            self.floor = self.floor.max(Some(height));
        } else {
            self.stage = Stage::Listening {
                blocks_left: self.patience.blocks,
            };
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        matches!(self.stage, Stage::Listening { .. })
    }

    /// Whether what was signed for a block at `height`, and not by us, cannot be an earlier life's.
    pub(super) fn is_of_this_time(&self, height: Height, arrival: Arrival) -> bool {
        let can_tell = match self.stage {
            Stage::Listening { .. } => arrival == Arrival::Live,
            Stage::Active | Stage::Stopped(_) => true,
        };
        can_tell && Some(height) > self.earlier
    }

    /// Ends it for this run; the first reason stays.
    pub(super) fn stop(&mut self, reason: StopReason) {
        if !matches!(self.stage, Stage::Stopped(_)) {
            tracing::error!(%reason, "nothing more is signed with this key until the node starts anew");
            self.stage = Stage::Stopped(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(height: u64) -> Height {
        Height::new(height)
    }

    fn left(watch: &Watch) -> Option<u64> {
        match watch.stage() {
            Stage::Listening { blocks_left } => Some(blocks_left),
            _ => None,
        }
    }

    fn patience(blocks: u64) -> Patience {
        Patience {
            blocks,
            ..Patience::of_signer(0)
        }
    }

    /// What a voter has on regtest: E is 4, TERM 12.
    fn of_voter(draw: u64) -> Patience {
        Patience::of_voter(&Params::of(chain::Network::Regtest), draw)
    }

    /// The first block at which a voter is active whose key has seats where this says so.
    fn active_after(patience: Patience, is_seated: impl Fn(u64) -> bool) -> Option<u64> {
        let mut watch = Watch::begin(at(100), patience);
        (1..200).find(|block| {
            let seated = is_seated(*block).then_some(Seating::Seated);
            watch.live_block(at(100 + block), seated.unwrap_or(Seating::Unseated));
            watch.stage() == Stage::Active
        })
    }

    #[test]
    fn only_new_heights_followed_live_are_counted() {
        let mut watch = Watch::begin(at(10), patience(3));
        for height in [9, 10, 11, 11, 10] {
            watch.live_block(at(height), Seating::Unseated);
        }
        assert_eq!(left(&watch), Some(2));
        watch.late_block(at(20));
        for height in [12, 20] {
            watch.live_block(at(height), Seating::Unseated);
        }
        assert_eq!((left(&watch), watch.floor()), (Some(2), Some(at(20))));
        watch.live_block(at(21), Seating::Unseated);
        watch.live_block(at(22), Seating::Unseated);
        assert_eq!(watch.stage(), Stage::Active);
        assert_eq!(watch.floor(), Some(at(22)), "what it heard is not signed");
        watch.late_block(at(30));
        assert_eq!(watch.floor(), Some(at(22)));
    }

    #[test]
    fn a_voter_listens_for_blocks_and_for_seats() {
        assert_eq!(active_after(of_voter(0), |_| true), Some(8));
        assert_eq!(active_after(of_voter(0), |block| block % 4 == 0), Some(12));
        assert_eq!(active_after(of_voter(0), |block| block < 4), Some(8));
        // Without seats there is nothing to vote for, and nothing to hear.
        assert_eq!(active_after(of_voter(0), |_| false), None);
        assert_eq!(active_after(of_voter(0), |block| block > 50), Some(53));
        // A term after the first seat it is enough.
        assert_eq!(active_after(of_voter(0), |block| block == 50), Some(61));
        assert_eq!(active_after(of_voter(4), |block| block == 50), Some(65));
    }

    #[test]
    fn two_voters_that_start_together_become_active_one_seat_apart() {
        let active = |draw| active_after(of_voter(draw), |_| true);
        assert_eq!(
            (0..5).map(active).collect::<Vec<_>>(),
            [8, 9, 10, 11, 12].map(Some)
        );
        let active = |draw| active_after(of_voter(draw), |block| block % 3 == 0);
        assert_eq!(
            (0..3).map(active).collect::<Vec<_>>(),
            [9, 12, 15].map(Some)
        );
        assert_eq!(of_voter(5), of_voter(0));
    }

    #[test]
    fn what_an_earlier_life_signed_is_told_from_what_somebody_else_signs() {
        let mut watch = Watch::begin(at(10), patience(1));
        assert!(!watch.is_of_this_time(at(10), Arrival::Live));
        assert!(watch.is_of_this_time(at(11), Arrival::Live));
        assert!(!watch.is_of_this_time(at(11), Arrival::Late));
        watch.late_block(at(11));
        assert!(!watch.is_of_this_time(at(11), Arrival::Live));
        watch.live_block(at(12), Seating::Unseated);
        assert!(!watch.is_of_this_time(at(11), Arrival::Live));
        // We were there when it was made, and did not vote for it.
        assert!(watch.is_of_this_time(at(12), Arrival::Live));
        assert!(watch.is_of_this_time(at(13), Arrival::Late));
    }

    #[test]
    fn a_stop_is_for_good_and_says_why() {
        let mut watch = Watch::begin(at(0), patience(1));
        let reason = StopReason::SecondVoter { height: at(5) };
        watch.stop(reason);
        watch.stop(StopReason::SecondVoter { height: at(6) });
        watch.live_block(at(7), Seating::Unseated);
        assert_eq!(watch.stage(), Stage::Stopped(reason));
        let words = reason.to_string();
        assert!(
            words.contains("a second voter with this key is running"),
            "{words}"
        );
        let target = CheckpointNumber::new(3);
        let words = StopReason::SecondSigner { target }.to_string();
        assert!(words.contains("second signer"), "{words}");
    }
}
