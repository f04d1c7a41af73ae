//! What a broken rule says: about who sent the thing, and about the header of a body.
//!
//! # Invariants
//! [`Rule::severity`] is the only map from a rule to a peer's score.
//!
//! # Spec
//! docs/spec/02-blocks.md §10
//!
//! # Not here
//! Bans: `network`.

use super::Rule;

/// How something that broke a rule came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// By itself: an honest relayer may see a slightly different chain.
    Loose,
    /// In a block: honest nodes relay a block only after they applied it.
    Block,
}

/// How much a broken rule says about who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Says nothing: time may heal it, or our view differs from the sender's.
    Harmless,
    /// Score 1: an honest node may send this in a race.
    Minor,
    /// Score 20: an honest node checks this before it relays.
    Serious,
    /// Score 100: no honest node ever sends this.
    Fatal,
}

impl Severity {
    /// Points against the sender; at 100 it is banned.
    #[must_use]
    pub const fn score(self) -> u32 {
        match self {
            Self::Harmless => 0,
            Self::Minor => 1,
            Self::Serious => 20,
            Self::Fatal => 100,
        }
    }
}

impl Rule {
    /// Whether a body that breaks this rule proves that its header has no valid body. Only then may
    /// the verdict be remembered under the header's id; otherwise another peer is asked.
    #[must_use]
    pub const fn condemns_block(&self) -> bool {
        !matches!(
            self,
            Self::BodySize { .. }
                | Self::AuxSize { .. }
                | Self::TxRoot
                | Self::EnvelopeRoot
                | Self::AuxRoot
                | Self::EnvelopeLayout(_)
                | Self::TimeTooNew { .. }
        )
    }

    /// What breaking this rule says about the sender: the only map from a rule to a score.
    #[must_use]
    pub const fn severity(&self, carrier: Carrier) -> Severity {
        match (self, carrier) {
            (Self::TimeTooNew { .. }, _) => Severity::Harmless,
            // Honest peers pass on headers whose bodies they have not judged, and an operator may
            // have marked the ancestor invalid here alone.
            (Self::InvalidAncestor | Self::NotTrusted { .. }, _) => Severity::Minor,
            // Two answers in a race may arrive out of order.
            (Self::HeaderParent { .. }, _) => Severity::Serious,
            // These depend on the header and its ancestors alone: the verdict is everybody's.
            (
                Self::HeaderVersion { .. }
                | Self::HeaderHeight { .. }
                | Self::PowHash
                | Self::PowSolution
                | Self::TargetRange { .. }
                | Self::Target { .. }
                | Self::PowCount { .. }
                | Self::PowCommit
                | Self::TimeNotAfterParent { .. },
                _,
            ) => Severity::Fatal,
            (_, Carrier::Block) => Severity::Fatal,
            // Time heals these, or our tip is another than the sender's.
            (
                Self::NonceAhead { .. }
                | Self::KindAhead { .. }
                | Self::EpochAhead { .. }
                | Self::StampTooYoung { .. }
                | Self::StampReference { .. }
                // Judged against a block of our branch; on the sender's it may be another one.
                | Self::StampHash
                | Self::StampSolution
                | Self::BodyLimit { .. }
                | Self::StampLane { .. }
                // Committees, rosters and checkpoints of another branch.
                | Self::VoteBlock { .. }
                | Self::VoteWithoutSeat { .. }
                | Self::FinalityTarget { .. }
                | Self::FinalityNotInRoster { .. }
                | Self::EvidenceAfterOrder { .. },
                Carrier::Loose,
            ) => Severity::Harmless,
            // A block may have overtaken these on their way.
            (
                Self::NonceUsed { .. }
                | Self::FeeAboveMax { .. }
                | Self::BalanceTooLow { .. }
                | Self::StampNotFirst
                | Self::RecordGeneration { .. }
                | Self::RecordLink
                | Self::StampTooOld { .. }
                | Self::EpochPast { .. }
                | Self::OneTimeKeySeen { .. }
                | Self::ClearPrice { .. }
                | Self::VoteRepeated { .. }
                | Self::FinalityRepeated { .. }
                | Self::EvidenceHeight { .. }
                | Self::EvidenceKnown
                | Self::EvidenceUnknown
                | Self::VoteKeyUsed { .. }
                | Self::BondUnknown { .. }
                | Self::MasternodeUnknown { .. }
                // Numbers are given anew on another branch, with other owners.
                | Self::NotOwner
                | Self::AlreadyLeaving { .. }
                | Self::NotDormant { .. }
                | Self::MasternodeKeyUsed { .. }
                | Self::NotBanned { .. },
                Carrier::Loose,
            ) => Severity::Minor,
            (_, Carrier::Loose) => Severity::Serious,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::{Height, Timestamp};

    #[test]
    fn nothing_in_a_block_is_forgiven_but_time() {
        let time = Timestamp::new(0);
        let early = Rule::TimeTooNew {
            latest: time,
            found: time,
        };
        assert_eq!(early.severity(Carrier::Block), Severity::Harmless);
        let rules = [
            Rule::TxRoot,
            Rule::NonceAhead {
                expected: 0,
                found: 1,
            },
            Rule::NonceUsed {
                expected: 1,
                found: 0,
            },
            Rule::TransactionSignature,
        ];
        assert!(
            rules
                .iter()
                .all(|rule| rule.severity(Carrier::Block) == Severity::Fatal)
        );
    }

    #[test]
    fn by_itself_a_thing_is_judged_by_what_its_sender_could_know() {
        let loose = |rule: Rule| rule.severity(Carrier::Loose);
        let height = Height::new(9);
        assert_eq!(
            loose(Rule::StampTooYoung {
                height,
                reference: 16
            }),
            Severity::Harmless
        );
        assert_eq!(
            loose(Rule::NonceAhead {
                expected: 0,
                found: 1
            }),
            Severity::Harmless
        );
        assert_eq!(
            loose(Rule::KindAhead {
                kind: 1,
                from: height,
                height
            }),
            Severity::Harmless
        );
        // That a kind is never active is known to everybody without a chain.
        for rule in [
            Rule::KindInactive { kind: 1 },
            Rule::BondPossession,
            Rule::MasternodeKeys,
            Rule::MasternodePossession,
        ] {
            assert_eq!(loose(rule), Severity::Serious);
        }
        // A stamp of another branch looks like a forged one.
        assert_eq!(loose(Rule::StampHash), Severity::Harmless);
        assert_eq!(loose(Rule::StampSolution), Severity::Harmless);
        assert_eq!(
            Rule::StampHash.severity(Carrier::Block),
            Severity::Fatal,
            "a block says on which branch it is"
        );
        assert_eq!(
            loose(Rule::NonceUsed {
                expected: 1,
                found: 0
            }),
            Severity::Minor
        );
        assert_eq!(
            loose(Rule::StampTooOld {
                height,
                reference: 0
            }),
            Severity::Minor
        );
        assert_eq!(loose(Rule::EnvelopeSignature), Severity::Serious);
        assert_eq!(loose(Rule::PowHash), Severity::Fatal);
    }

    #[test]
    fn votes_of_another_branch_cost_their_relayer_nothing_and_forged_ones_do() {
        use chain::units::{BondId, CheckpointNumber, MasternodeId};
        let (bond, masternode) = (BondId::new(1), MasternodeId::new(1));
        let (height, target) = (Height::new(9), CheckpointNumber::new(2));
        let verdicts = [
            (Rule::VoteWithoutSeat { bond }, Severity::Harmless),
            (Rule::VoteBlock { height }, Severity::Harmless),
            (Rule::FinalityTarget { target }, Severity::Harmless),
            (Rule::FinalityNotInRoster { masternode }, Severity::Harmless),
            (Rule::EvidenceAfterOrder { masternode }, Severity::Harmless),
            (Rule::VoteRepeated { bond }, Severity::Minor),
            (Rule::FinalityRepeated { masternode }, Severity::Minor),
            (Rule::EvidenceHeight { height }, Severity::Minor),
            (Rule::EvidenceKnown, Severity::Minor),
            (Rule::EvidenceUnknown, Severity::Minor),
            (Rule::VoteKeyUsed { bond }, Severity::Minor),
            (Rule::NotOwner, Severity::Minor),
            (Rule::AlreadyLeaving { release: height }, Severity::Minor),
            (Rule::NotDormant { bond }, Severity::Minor),
            (Rule::NotBanned { masternode }, Severity::Minor),
            (Rule::MasternodeKeyUsed { masternode }, Severity::Minor),
            (Rule::VoteSignature { bond }, Severity::Serious),
            (Rule::FinalitySignature { masternode }, Severity::Serious),
            (Rule::EvidenceSignature, Severity::Serious),
        ];
        for (rule, expected) in verdicts {
            assert_eq!(rule.severity(Carrier::Loose), expected, "{rule}");
            assert_eq!(rule.severity(Carrier::Block), Severity::Fatal, "{rule}");
        }
    }

    #[test]
    fn severities_have_their_scores() {
        let severities = [
            Severity::Harmless,
            Severity::Minor,
            Severity::Serious,
            Severity::Fatal,
        ];
        assert_eq!(severities.map(Severity::score), [0, 1, 20, 100]);
        assert!(severities.is_sorted());
    }
}
