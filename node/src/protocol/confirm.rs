//! Our own voter and finality signer at work: when they are asked, by which view of the chain, and
//! what becomes of what they sign.
//!
//! # Invariants
//! * A ballot is durable before its votes are signed; both happen in one step of the state machine,
//!   so that a crash in between loses votes and repeats none.
//! * They sign only what stands on our best chain, while we stand at its tip and nothing is wrong.
//! * Votes by our own keys that come from elsewhere, by gossip or in blocks, are never passed over.
//!
//! # Spec
//! docs/spec/17-stake.md §4, docs/spec/18-finality.md §4
//!
//! # Not here
//! What may be signed ([`crate::voter`]), what votes are worth and who hears of them
//! ([`super::votes`]).

use chain::finality::FinalityVote;
use chain::units::MasternodeId;
use chain::vote::Vote;
use chain::{Block, Header, Height, Network, PublicKey, Timestamp};
use consensus::finality::open_targets;
use consensus::state::{StateView, value};

use super::votes::Overheard;
use super::{Node, VoteSubmission};
use crate::engine::{Alarm, Stops, TipMove};
use crate::ledger::{Ledger, LedgerError, Pace};
use crate::voter::{
    Arrival, Candidate, FinalitySigner, Link, Patience, Pause, Seating, SignerStatus, Voter,
    VoterStatus,
};

/// A block is followed live if it is not older than this when it is connected: as far as clocks of
/// honest nodes may be apart.
const LIVE_MS: u64 = 10_000;
/// Blocks below the tip that are searched for votes by our keys at a start: beyond any reorg that
/// is made without a word.
const SEARCHED_BLOCKS: u64 = 64;

impl<L: Ledger> Node<L> {
    /// Votes with this voter from now on, once it has listened for two checkpoints and three seats.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_voter(&mut self, mut voter: Voter) -> Result<(), LedgerError> {
        let tip = self.engine.tip()?.0;
        let patience = Patience::of_voter(self.engine.params(), voter.start_draw());
        let ballot = self.engine.ledger().ballot(voter.key())?;
        voter.begin(ballot, tip, patience);
        self.voter = Some(voter);
        self.meet_bond()?;
        for block in self.newest_blocks(tip)? {
            self.watch_votes(&block, Arrival::Late)?;
        }
        Ok(())
    }

    /// Signs checkpoints with this signer from now on, once it has listened for two of them.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_signer(&mut self, mut signer: FinalitySigner) -> Result<(), LedgerError> {
        let tip = self.engine.tip()?.0;
        let ballot = self.engine.ledger().ballot(signer.key())?;
        signer.begin(ballot, tip, self.engine.params().checkpoint_blocks);
        self.signer = Some(signer);
        self.meet_masternode()?;
        for block in self.newest_blocks(tip)? {
            self.watch_links(&block, Arrival::Late)?;
        }
        Ok(())
    }

    /// What our voter is doing, if there is one.
    #[must_use]
    pub fn voter_status(&self) -> Option<VoterStatus> {
        self.voter.as_ref().map(Voter::status)
    }

    /// What our finality signer is doing, if there is one.
    #[must_use]
    pub fn signer_status(&self) -> Option<SignerStatus> {
        self.signer.as_ref().map(FinalitySigner::status)
    }

    /// A vote came by gossip. If it is by our key, our voter hears of it, whatever else becomes of
    /// it; others cost nothing but a look at their number.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(super) fn overhear_vote(
        &mut self,
        vote: &Vote,
        now: Timestamp,
    ) -> Result<Overheard, LedgerError> {
        let chain = self.engine.params().chain_id();
        let names_us = |voter: &&Voter| voter.is_ours(vote.bond);
        let Some(voter) = self.voter.as_ref().filter(names_us) else {
            return Ok(Overheard::Lawful);
        };
        if !vote.is_signed_by(voter.key(), &chain) {
            return Ok(Overheard::Forged);
        }
        let arrival = self.arrival(now, now)?;
        if let Some(voter) = &mut self.voter {
            voter.heard(vote.height, Some(&vote.block), arrival);
        }
        self.keep_ballots()?;
        Ok(Overheard::Lawful)
    }

    /// As [`Self::overhear_vote`], for finality votes.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(super) fn overhear_finality_vote(
        &mut self,
        vote: &FinalityVote,
        now: Timestamp,
    ) -> Result<Overheard, LedgerError> {
        let chain = self.engine.params().chain_id();
        let names_us = |signer: &&FinalitySigner| signer.is_ours(vote.masternode);
        let Some(signer) = self.signer.as_ref().filter(names_us) else {
            return Ok(Overheard::Lawful);
        };
        if !vote.is_signed_by(signer.key(), &chain) {
            return Ok(Overheard::Forged);
        }
        let link = Link {
            source: vote.source,
            target: vote.target,
            target_id: Some(vote.target_id),
        };
        let arrival = self.arrival(now, now)?;
        if let Some(signer) = &mut self.signer {
            signer.heard(&link, arrival);
        }
        self.keep_ballots()?;
        Ok(Overheard::Lawful)
    }

    /// The tip moved: what blocks include by our keys is noted, and blocks are counted.
    pub(super) fn watch_moves(
        &mut self,
        moves: &[TipMove],
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        if self.voter.is_none() && self.signer.is_none() {
            return Ok(());
        }
        self.meet_bond()?;
        self.meet_masternode()?;
        for step in moves {
            if let TipMove::Connected(block) = step {
                let arrival = self.arrival(block.header.time, now)?;
                self.watch_votes(block, arrival)?;
                self.watch_links(block, arrival)?;
            }
        }
        Ok(())
    }

    /// Lets voter and signer sign what is due.
    ///
    /// # Errors
    /// [`LedgerError`]; what could not be kept was not signed.
    pub(super) fn confirm(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        if self.voter.is_none() && self.signer.is_none() {
            return Ok(());
        }
        let pause = self.pause(now)?;
        if let Some(voter) = &mut self.voter {
            voter.set_pause(pause);
        }
        if let Some(signer) = &mut self.signer {
            // Others justified a light branch: no checkpoint is signed beside it.
            let alarm = self.engine.alarm().map(|_| Pause::Alarm);
            signer.set_pause(alarm.or(pause));
        }
        // History would be one wait for the disk after the other.
        if pause != Some(Pause::CatchingUp) {
            self.keep_ballots()?;
        }
        if pause.is_none() {
            self.repeat_own()?;
        }
        self.vote(now)?;
        self.sign_checkpoints()
    }

    fn vote(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        let tip = self.engine.tip()?.0;
        let candidates = self.candidates(tip, now)?;
        let Some(voter) = &mut self.voter else {
            return Ok(());
        };
        let Some(intent) = voter.intend(candidates, tip) else {
            return Ok(());
        };
        self.engine.put_ballot(voter.key(), &intent.ballot)?;
        for vote in voter.sign(intent, &self.engine.params().chain_id()) {
            let submitted = self.submit_vote(&vote)?;
            match submitted {
                VoteSubmission::Accepted | VoteSubmission::AlreadyKnown => {
                    tracing::debug!(height = %vote.height, bond = %vote.bond, "voted");
                }
                lost => tracing::warn!(height = %vote.height, ?lost, "a vote of ours is lost"),
            }
        }
        Ok(())
    }

    /// Blocks of our chain that our voter has not voted for, up to the first that is too far ahead
    /// of the clock.
    fn candidates(&self, tip: Height, now: Timestamp) -> Result<Vec<Candidate>, LedgerError> {
        let mut candidates = Vec::new();
        let Some(voter) = &self.voter else {
            return Ok(candidates);
        };
        for height in voter.open_heights(tip) {
            let Some(block) = self.engine.ledger().id_at(height)? else {
                break;
            };
            if voter.is_seatless(height, &block) {
                continue;
            }
            let Some(header) = self.engine.tree().header(&block) else {
                break;
            };
            if !Voter::is_time_for(header.time, now) {
                break;
            }
            let Some(committee) = self.engine.committee(&header.parent, height)? else {
                break;
            };
            let ours = committee
                .members()
                .filter(|(_, seat)| seat.key == *voter.key());
            candidates.push(Candidate {
                height,
                block,
                bonds: ours.map(|(bond, _)| bond).collect(),
            });
        }
        Ok(candidates)
    }

    fn sign_checkpoints(&mut self) -> Result<(), LedgerError> {
        let tip = self.engine.tip()?;
        if !self
            .signer
            .as_ref()
            .is_some_and(|signer| signer.is_due(&tip.1))
        {
            return Ok(());
        }
        let targets = open_targets(&self.engine.ledger().view()?, self.engine.params())?;
        let Some(signer) = &mut self.signer else {
            return Ok(());
        };
        let Some(intent) = signer.intend(&targets, tip) else {
            return Ok(());
        };
        self.engine.put_ballot(signer.key(), &intent.ballot)?;
        for vote in signer.sign(intent, &self.engine.params().chain_id()) {
            let submitted = self.submit_finality_vote(&vote)?;
            match submitted {
                VoteSubmission::Accepted | VoteSubmission::AlreadyKnown => {
                    tracing::debug!(target = %vote.target, source = %vote.source, "signed");
                }
                lost => {
                    tracing::warn!(target = %vote.target, ?lost, "a finality vote of ours is lost");
                }
            }
        }
        Ok(())
    }

    /// Why nothing may be signed now, no vote either.
    fn pause(&self, now: Timestamp) -> Result<Option<Pause>, LedgerError> {
        let stops = self.alarm().map(Alarm::stops);
        if stops == Some(Stops::Everything) {
            Ok(Some(Pause::Alarm))
        } else if self.is_behind(now)? {
            Ok(Some(Pause::CatchingUp))
        } else if let Some(offset_ms) = self.clock_off_ms() {
            Ok(Some(Pause::ClockOff { offset_ms }))
        } else {
            Ok(None)
        }
    }

    /// Whether our tip is not where the others are, or would not outlast a power cut.
    fn is_behind(&self, now: Timestamp) -> Result<bool, LedgerError> {
        Ok(self.engine.pace() == Pace::FarBehind || self.is_catching_up(now)?)
    }

    /// How something reached us that was made at `time`. Alone, nobody would be heard: only private
    /// networks have a life with a single node.
    fn arrival(&self, time: Timestamp, now: Timestamp) -> Result<Arrival, LedgerError> {
        let is_private = matches!(
            self.engine.params().network,
            Network::Dev | Network::Regtest
        );
        let is_heard = is_private || !self.connected.is_empty();
        let is_young = now.get() <= time.get().saturating_add(LIVE_MS);
        if is_heard && is_young && !self.is_behind(now)? {
            Ok(Arrival::Live)
        } else {
            Ok(Arrival::Late)
        }
    }

    /// Keeps what voter and signer know of their keys beyond what they signed themselves.
    fn keep_ballots(&mut self) -> Result<(), LedgerError> {
        if let Some(voter) = &mut self.voter
            && let Some(ballot) = voter.unkept()
        {
            self.engine.put_ballot(voter.key(), ballot)?;
            voter.kept();
        }
        if let Some(signer) = &mut self.signer
            && let Some(ballot) = signer.unkept()
        {
            self.engine.put_ballot(signer.key(), ballot)?;
            signer.kept();
        }
        Ok(())
    }

    /// Which bond votes with our key.
    fn meet_bond(&mut self) -> Result<(), LedgerError> {
        if let Some(voter) = &mut self.voter
            && let Some(bond) = value::bond_of_key(&self.engine.ledger().view()?, voter.key())?
        {
            voter.meet(bond);
        }
        Ok(())
    }

    /// Which masternode signs with our key; it may be a voting key as well.
    fn meet_masternode(&mut self) -> Result<(), LedgerError> {
        let Some(signer) = &mut self.signer else {
            return Ok(());
        };
        let view = self.engine.ledger().view()?;
        let Some(id) = value::masternode_of_key(&view, signer.key())? else {
            return Ok(());
        };
        if is_operator(&view, id, signer.key())? {
            signer.meet(id);
        }
        Ok(())
    }

    /// Blocks of our chain up to `tip` that a start searches, ascending.
    fn newest_blocks(&self, tip: Height) -> Result<Vec<Block>, LedgerError> {
        let mut blocks = Vec::new();
        let oldest = tip.get().saturating_sub(SEARCHED_BLOCKS);
        for height in oldest.saturating_add(1)..=tip.get() {
            let Some(id) = self.engine.ledger().id_at(Height::new(height))? else {
                break;
            };
            let header = self.engine.tree().header(&id).copied();
            let body = self.engine.ledger().body(&id)?;
            blocks.extend(
                header
                    .zip(body)
                    .map(|(header, body)| Block { header, body }),
            );
        }
        Ok(blocks)
    }

    /// Tells the voter of a block, and of the votes by its key in it. On another branch its bond's
    /// number may be somebody else's: the signature decides.
    fn watch_votes(&mut self, block: &Block, arrival: Arrival) -> Result<(), LedgerError> {
        let seating = self.seating(&block.header, arrival)?;
        let Some(voter) = &mut self.voter else {
            return Ok(());
        };
        let chain = self.engine.params().chain_id();
        let included = &block.body.aux.votes;
        let ours = included.iter().filter(|vote| voter.is_ours(vote.bond));
        let votes: Vec<_> = ours
            .filter_map(|vote| {
                let height = block.header.height.checked_sub(vote.back.into())?;
                let id = self.engine.tree().ancestor(&block.header.parent, height)?;
                let vote = Vote {
                    height,
                    block: id,
                    bond: vote.bond,
                    signature: vote.signature,
                };
                let is_by_us = vote.is_signed_by(voter.key(), &chain);
                is_by_us.then_some((height, Some(id)))
            })
            .collect();
        voter.block_connected(block.header.height, arrival, seating, &votes);
        Ok(())
    }

    /// Whether our voter's key has a seat for a block that it listens to.
    fn seating(&mut self, header: &Header, arrival: Arrival) -> Result<Seating, LedgerError> {
        let listening = self.voter.as_ref().filter(|voter| voter.is_listening());
        let Some(voter) = listening.filter(|_| arrival == Arrival::Live) else {
            return Ok(Seating::Unseated);
        };
        let (parent, height) = (&header.parent, header.height);
        let committee = self.committees.get(&self.engine, parent, height)?;
        let is_seated = committee.is_some_and(|committee| {
            let mut members = committee.members();
            members.any(|(_, seat)| seat.key == *voter.key())
        });
        Ok(if is_seated {
            Seating::Seated
        } else {
            Seating::Unseated
        })
    }

    /// Tells the signer of a block, and of the signatures by its key in it. The source that a
    /// signature covers may be forgotten by now, so the masternode's key decides.
    fn watch_links(&mut self, block: &Block, arrival: Arrival) -> Result<(), LedgerError> {
        let Some(signer) = &mut self.signer else {
            return Ok(());
        };
        let groups = block.body.aux.finality.iter();
        let named = groups.flat_map(|group| {
            let signatures = group.signatures.iter();
            signatures.map(|signature| (group.target, signature.masternode))
        });
        let named: Vec<_> = named.filter(|(_, id)| signer.is_ours(*id)).collect();
        let mut links = Vec::new();
        if !named.is_empty() {
            let view = self.engine.ledger().view()?;
            let justified = value::finality(&view)?.justified;
            let open = open_targets(&view, self.engine.params())?;
            for (target, masternode) in named {
                if !is_operator(&view, masternode, signer.key())? {
                    continue;
                }
                let is_it = |open: &&consensus::finality::Target| open.number() == target;
                let source = open.iter().find(is_it).map(|open| open.open.source);
                let height = self.engine.params().checkpoint_height(target);
                links.push(Link {
                    // No checkpoint that is closed by now had a higher source.
                    source: source.unwrap_or(justified.min(target)),
                    target,
                    target_id: self.engine.tree().ancestor(&block.header.parent, height),
                });
            }
        }
        signer.block_connected(block.header.height, arrival, &links);
        Ok(())
    }
}

/// Whether a masternode signs with this key.
fn is_operator(
    view: &impl StateView,
    id: MasternodeId,
    key: &PublicKey,
) -> Result<bool, LedgerError> {
    let masternode = value::masternode(view, id)?;
    Ok(masternode.is_some_and(|masternode| masternode.operator == *key))
}
