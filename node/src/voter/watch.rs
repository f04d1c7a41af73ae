//! The watch over a key: listening before the first signature, and ending for good when somebody
//! else signs with it.
//!
//! # Invariants
//! * Blocks are counted while they are followed live, each height once: history that is fetched
//!   and reorgs do not shorten the time of listening, and a chain that stands still does not end it.
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
        /// Blocks that have still to be followed live.
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

/// Where the watch stands.
#[derive(Debug)]
pub(super) struct Watch {
    stage: Stage,
    floor: Option<Height>,
    /// Highest block that was counted, or was here before.
    top: Height,
}

impl Default for Watch {
    /// Before it begins, nothing is signed.
    fn default() -> Self {
        Self {
            stage: Stage::Listening {
                blocks_left: u64::MAX,
            },
            floor: None,
            top: Height::new(0),
        }
    }
}

impl Watch {
    /// Listens from this tip on for so many blocks.
    pub(super) fn begin(tip: Height, blocks: u64) -> Self {
        Self {
            stage: Stage::Listening {
                blocks_left: blocks,
            },
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
        if matches!(self.stage, Stage::Listening { .. }) {
            self.floor = self.floor.max(Some(height));
            self.top = self.top.max(height);
        }
    }

    /// A block was connected just after it was made.
    pub(super) fn live_block(&mut self, height: Height) {
        let Stage::Listening { blocks_left } = self.stage else {
            return;
        };
        if height <= self.top {
            return;
        }
        self.top = height;
        let blocks_left = blocks_left.saturating_sub(1);
        if blocks_left > 0 {
            self.stage = Stage::Listening { blocks_left };
        } else {
            self.stage = Stage::Active;
            self.floor = self.floor.max(Some(height));
        }
    }

    /// Whether what was signed for a block at `height`, and not by us, cannot be an earlier life's.
    pub(super) fn is_of_this_time(&self, height: Height, arrival: Arrival) -> bool {
        let can_tell = match self.stage {
            Stage::Listening { .. } => arrival == Arrival::Live,
            Stage::Active | Stage::Stopped(_) => true,
        };
        can_tell && Some(height) > self.floor
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

    #[test]
    fn only_new_heights_followed_live_are_counted() {
        let mut watch = Watch::begin(at(10), 3);
        for height in [9, 10, 11, 11, 10] {
            watch.live_block(at(height));
        }
        assert_eq!(left(&watch), Some(2));
        watch.late_block(at(20));
        for height in [12, 20] {
            watch.live_block(at(height));
        }
        assert_eq!((left(&watch), watch.floor()), (Some(2), Some(at(20))));
        watch.live_block(at(21));
        watch.live_block(at(22));
        assert_eq!(watch.stage(), Stage::Active);
        assert_eq!(watch.floor(), Some(at(22)), "what it heard is not signed");
        watch.late_block(at(30));
        assert_eq!(watch.floor(), Some(at(22)));
    }

    #[test]
    fn what_an_earlier_life_signed_is_told_from_what_somebody_else_signs() {
        let mut watch = Watch::begin(at(10), 1);
        assert!(!watch.is_of_this_time(at(10), Arrival::Live));
        assert!(watch.is_of_this_time(at(11), Arrival::Live));
        assert!(!watch.is_of_this_time(at(11), Arrival::Late));
        watch.live_block(at(12));
        assert!(!watch.is_of_this_time(at(12), Arrival::Live));
        assert!(watch.is_of_this_time(at(13), Arrival::Late));
    }

    #[test]
    fn a_stop_is_for_good_and_says_why() {
        let mut watch = Watch::begin(at(0), 1);
        let reason = StopReason::SecondVoter { height: at(5) };
        watch.stop(reason);
        watch.stop(StopReason::SecondVoter { height: at(6) });
        watch.live_block(at(7));
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
