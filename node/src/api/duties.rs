//! How a node's own duties stand: alarms, the voter, the finality signer.
//!
//! # Invariants
//! Words are stable; numbers and names stand in sentences beside them.
//!
//! # Spec
//! docs/spec/07-rpc.md §3
//!
//! # Not here
//! What raises an alarm ([`crate::engine`]), who signs ([`crate::voter`]).

use chain::Height;
use rpc::types::{AlarmStatus, DutyStatus, Hex};

use crate::disk::Disk;
use crate::engine::Alarm;
use crate::protocol::Node;
use crate::voter::{Pause, SignerStatus, Stage, VoterStatus};

/// What `node_getInfo` says about them.
#[derive(Clone, Debug, Default)]
pub(super) struct Duties {
    pub(super) alarm: Option<AlarmStatus>,
    pub(super) voter: Option<DutyStatus>,
    pub(super) signer: Option<DutyStatus>,
}

impl Duties {
    pub(super) fn of(node: &Node<Disk>) -> Self {
        Self {
            alarm: node.alarm().map(alarm),
            voter: node.voter_status().as_ref().map(voter),
            signer: node.signer_status().as_ref().map(signer),
        }
    }
}

fn alarm(alarm: &Alarm) -> AlarmStatus {
    let reason = match alarm {
        Alarm::LightBranch { .. } => "light_branch",
        Alarm::ConflictingFinality { .. } => "conflicting_finality",
        Alarm::Joining { .. } => "joining",
    };
    AlarmStatus {
        reason: reason.to_owned(),
        detail: alarm.to_string(),
    }
}

fn voter(status: &VoterStatus) -> DutyStatus {
    DutyStatus {
        key: Hex(status.key),
        state: word(status.stage, status.pause).to_owned(),
        last: status.last_voted.map(Height::get),
    }
}

fn signer(status: &SignerStatus) -> DutyStatus {
    DutyStatus {
        key: Hex(status.key),
        state: word(status.stage, status.pause).to_owned(),
        last: status.max_target.map(|target| target.get().into()),
    }
}

const fn word(stage: Stage, pause: Option<Pause>) -> &'static str {
    match (stage, pause) {
        (Stage::Stopped(_), _) => "stopped",
        (_, Some(Pause::Alarm)) => "alarm",
        (_, Some(Pause::CatchingUp)) => "catching_up",
        (_, Some(Pause::ClockOff { .. })) => "clock_off",
        (Stage::Listening { .. }, None) => "listening",
        (Stage::Active, None) => "active",
    }
}

#[cfg(test)]
mod tests {
    use chain::BlockId;
    use consensus::fork_choice::FinalBlock;

    use super::*;
    use crate::voter::StopReason;

    #[test]
    fn a_stop_outweighs_a_pause_and_a_pause_what_would_be_done() {
        let height = Height::new(3);
        let stopped = Stage::Stopped(StopReason::SecondVoter { height });
        assert_eq!(word(stopped, Some(Pause::CatchingUp)), "stopped");
        let listening = Stage::Listening { blocks_left: 2 };
        assert_eq!(word(listening, Some(Pause::Alarm)), "alarm");
        assert_eq!(word(listening, None), "listening");
        let off = Pause::ClockOff { offset_ms: 9_000 };
        assert_eq!(word(Stage::Active, Some(off)), "clock_off");
        assert_eq!(word(Stage::Active, None), "active");
    }

    #[test]
    fn an_alarm_names_what_it_is_about() {
        let (height, id) = (Height::new(8), BlockId::from_bytes([1; 32]));
        let theirs = BlockId::from_bytes([2; 32]);
        let told = alarm(&Alarm::ConflictingFinality {
            ours: FinalBlock { height, id },
            theirs,
        });
        assert_eq!(told.reason, "conflicting_finality");
        for block in [id, theirs] {
            assert!(told.detail.contains(&block.to_string()), "{}", told.detail);
        }
    }
}
